"""Counts the effects on a fake world, and makes them fail or the process die between them."""

import asyncio
from dataclasses import dataclass, field


class Crash(BaseException):  # no Exception: nothing may catch it
    """The process is gone."""


@dataclass(slots=True)
class Steps:
    """Every effect on the world, in order, and what shall go wrong with it."""

    taken: list[str] = field(default_factory=list)
    failing: dict[str, list[Exception]] = field(default_factory=dict)
    #: The same, but after the step had its effect: an acknowledgement that was lost.
    lost: dict[str, list[Exception]] = field(default_factory=dict)
    #: Index of the first step that is no longer taken.
    crash_at: int | None = None

    async def take(self, step: str) -> None:
        await asyncio.sleep(0)  # as real I/O does, let others run
        if self.crash_at is not None and len(self.taken) >= self.crash_at:
            raise Crash(f"{step}, step {self.crash_at}")
        if errors := self.failing.get(step):
            raise errors.pop(0)
        self.taken.append(step)

    def had(self, step: str) -> None:
        """Say that a step had its effect; raises when its acknowledgement shall be lost."""
        if errors := self.lost.get(step):
            raise errors.pop(0)
