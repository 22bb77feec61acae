"""The platform's scaler: instances of one function that start cold, and are drained.

Its rules are those of azure-sdk-for-net (`QueueMetricsProvider`, `QueueTargetScaler`); how often it
looks, and how long it waits before it drains, are assumptions.
"""

import math
import os
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from azure.storage.queue import QueueClient

from local.stack.processes import Child
from local.stack.stack import ROOT, read_ready

#: "peek": nothing where no message is visible (PR 61833); "full": the hidden ones always count.
type Formula = Literal["peek", "full"]

#: Seconds between two looks at the queue: with instances, and without.
LOOK: Final = ((10.0, 10.0), (10.0, 30.0))
#: Seconds of a cold start.
COLD: Final = (10.0, 40.0)
#: It drains down to the highest target of so many seconds.
SCALE_IN: Final = 30.0
#: Most instances of a function (`maximumInstanceCount`).
MOST: Final = 40


def target_instances(length: int, *, visible: bool, slots: int, formula: Formula) -> int:
    """Return how many instances the scaler wants for a queue of `length` messages."""
    counted = 0 if formula == "peek" and not visible else length
    return min(math.ceil(counted / slots), MOST)


@dataclass(slots=True)
class _Instance:
    starts_at: float
    child: Child[dict[str, Any]] | None = None


@dataclass(slots=True)
class Group:
    """The instances of one function; call `tick` often, from one thread."""

    function: str
    queue: QueueClient
    slots: int
    formula: Formula
    environment: Mapping[str, str]
    chance: random.Random
    log: Callable[[str], None]
    cold_starts: int = 0
    drains: int = 0
    most: int = 0
    #: Seconds that instances ran, from their order to their drain.
    seconds: float = 0.0
    _instances: list[_Instance] = field(default_factory=list)
    _draining: list[Child[dict[str, Any]]] = field(default_factory=list)
    _targets: deque[tuple[float, int]] = field(default_factory=deque)
    _look_at: float = 0.0
    _ticked: float | None = None

    def tick(self) -> None:
        """Start what is due; look at the queue when it is time."""
        now = time.monotonic()
        self.seconds += len(self._instances) * (now - (self._ticked or now))
        self._ticked = now
        for each in self._instances:
            if each.child is None and each.starts_at <= now:
                each.child = self._start()
        if now >= self._look_at:
            self._look_at = now + self.chance.uniform(*LOOK[not self._instances])
            self._scale(now)

    def drain_all(self, seconds: float) -> None:
        """Drain every instance, and end what has not ended after `seconds`."""
        while self._instances:
            self._drain(self._instances.pop())
        for child in self._draining:
            child.stop(seconds)

    def _scale(self, now: float) -> None:
        length = self.queue.get_queue_properties().approximate_message_count or 0
        visible = bool(length and self.queue.peek_messages())
        target = target_instances(length, visible=visible, slots=self.slots, formula=self.formula)
        self._targets.append((now, target))
        while self._targets[0][0] < now - SCALE_IN:
            self._targets.popleft()
        while len(self._instances) < target:
            self._instances.append(_Instance(now + self.chance.uniform(*COLD)))
            self.cold_starts += 1
        while len(self._instances) > max(most for _, most in self._targets):
            self._drain(self._instances.pop(self.chance.randrange(len(self._instances))))
        self.most = max(self.most, len(self._instances))
        self.log(f"{self.function}: {length} messages, target {target}, {len(self._instances)}")

    def _drain(self, instance: _Instance) -> None:
        if instance.child is not None:
            self.drains += 1
            instance.child.ask_to_stop()
            self._draining.append(instance.child)

    def _start(self) -> Child[dict[str, Any]]:
        command = (sys.executable, "-m", "local.host", "--app", str(ROOT))
        return Child(
            f"{self.function}-{self.cold_starts}",
            [*command, "--functions", f"{self.function}$", "--cut-young", "--drain", "600"],
            ready=read_ready,
            environment={**os.environ, **self.environment},
            directory=ROOT,
            log=self.log,
        )
