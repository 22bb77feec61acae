"""A running stack that sends its telemetry to a monitor, and a terminal beside it."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from local.drill.alerts import BICEP, Alert, read_alerts
from local.drill.monitor import Monitor, run_monitor
from local.stack.settings import FOUNDRY_KEY
from local.stack.stack import ROOT
from local.stack.stack_client import StackClient, run_stack

#: Seconds here for a minute in Azure: the windows of the alerts, and the timer `watch`.
MINUTE: Final = 0.5
WATCH_MINUTES: Final = 5
#: Longest wait for an alert or its end beyond its window, seconds, on a busy machine.
PATIENCE: Final = 60.0
MODEL: Final = "gpt-image-2"
#: Thresholds of the deployment, as `azd env set` gives them: small ones, for few jobs.
THRESHOLDS: Final = {
    "oldestMessageSeconds": 5.0,
    "waitingLateSeconds": 2.0,
    "dailySpendUsd": 0.75,
}
#: Settings of the app, which the command knows too.
SETTINGS: Final = {
    "DAILY_BUDGET_USD": "3",
    "TENANTS": json.dumps([{"name": "shop"}, {"name": "press"}, {"name": "default"}]),
}
_OPTIONS: Final = {
    **SETTINGS,
    "CALL_DEADLINE_SECONDS": "30",
    "STORING_MARGIN_SECONDS": "5",
    "READ_TIMEOUT_SECONDS": "25",
    "SWEEP_SCHEDULE": "*/5 * * * * *",
}
#: Requests a minute, as the deployments of the stack have them.
_RPM: Final = 600
_COLUMNS: Final = "100"


class DrillFailed(RuntimeError):
    """What a drill waited for did not happen."""


@dataclass(slots=True)
class Scene:
    """A running stack, its monitor, and the alerts that watch it."""

    stack: StackClient
    monitor: Monitor
    alerts: Mapping[str, Alert]
    #: A directory with the command `image-jobs`.
    commands: Path
    _ended: threading.Event = field(default_factory=threading.Event)

    def submit(self, job_id: str, prompt: str = "a fox in the snow", **fields: object) -> None:
        """Send one job."""
        job = {"job_id": job_id, "prompt": prompt, "model": MODEL, "size": "1024x1024"}
        self.stack.send("image-jobs", json.dumps({**job, "quality": "low", **fields}))

    def fail_calls(self, fault: str, **rule: object) -> None:
        """Let calls of the Foundry emulator fail."""
        self.stack.admin("faults", method="POST", body={"fault": fault, **rule})

    def lower_quota(self, rpm: float) -> None:
        """Let the Foundry emulator answer more calls a minute with 429."""
        self.stack.admin("quota", method="POST", body={MODEL: rpm})

    def end_faults(self) -> None:
        """Let all calls succeed."""
        self.stack.admin("faults", method="DELETE")
        self.lower_quota(_RPM)

    def signal_app(self, number: signal.Signals) -> None:
        """Send a signal to the host of the app, and to its worker."""
        for pid in self.stack.ready["pids"]["hosts"]:
            os.killpg(pid, number)

    def watch_queues(self) -> None:
        """Run the function `watch`, which measures how long messages wait."""
        request = urllib.request.Request(  # noqa: S310 - our own host's
            f"{self.stack.ready['host']}/admin/functions/watch",
            data=b"{}",
            headers={
                "x-functions-key": self.stack.ready["keys"]["master"],
                "content-type": "application/json",
            },
        )
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - our own host's

    def state(self, job_id: str) -> str | None:
        """Return the state of a job; None before it has a record."""
        body = self.stack.blob("jobs", f"{job_id}.json")
        return str(json.loads(body)["state"]) if body else None

    def has_ended(self, job_id: str) -> bool:
        """Return whether a job has a record and does not run."""
        return self.state(job_id) not in {None, "running"}

    def calls_ended(self, job_id: str) -> int:
        """Return how many calls of a job have ended."""
        record = json.loads(self.stack.blob("jobs", f"{job_id}.json") or b'{"tasks": []}')
        return sum(len(task["attempts"]) for task in record["tasks"])

    def wait_for_state(self, state: str, *job_ids: str) -> None:
        """Wait until each of these jobs has a state."""

        def reached() -> bool:
            return all(self.state(each) == state for each in job_ids)

        self.wait(reached, f"{', '.join(job_ids)} {state}")

    def fires(self, name: str) -> bool:
        """Return whether an alert fires now."""
        alert = self.alerts[name]
        since = time.monotonic() - alert.window * MINUTE
        return alert.fires([row for row in self.monitor.rows if row.arrived_at >= since])

    def wait(self, look: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Wait until something is true."""
        until = time.monotonic() + seconds
        while not look():
            if time.monotonic() > until:
                raise DrillFailed(f"not within {seconds:.0f} s: {what}")
            time.sleep(0.2)

    def run(self, command: str) -> str:
        """Run a command line at a terminal, and return what it shows."""
        main, side = pty.openpty()
        environment = {
            **{name: value for name, value in os.environ.items() if name != "FORCE_COLOR"},
            **SETTINGS,
            "PATH": f"{self.commands}:{os.environ['PATH']}",
            "COLUMNS": _COLUMNS,
            "TERM": "dumb",
            "ImageStorage": self.stack.ready["storage"],
            "FOUNDRY_ENDPOINT": self.stack.ready["foundry"],
            "FOUNDRY_API_KEY": FOUNDRY_KEY,
            "HOST": self.stack.ready["host"],
            "KEY": self.stack.ready["keys"]["function"],
            "FOUNDRY_DEPLOYMENTS": json.dumps(self.stack.ready["deployments"]),
        }
        process = subprocess.Popen(
            ["bash", "-c", command],
            stdin=side,
            stdout=side,
            stderr=side,
            env=environment,
            cwd=self.commands,
        )
        os.close(side)
        late = threading.Timer(PATIENCE, process.kill)
        late.start()
        shown = b""
        while part := _read(main):
            shown += part
        os.close(main)
        late.cancel()
        if process.wait() < 0:
            raise DrillFailed(f"not within {PATIENCE:.0f} s: {command}")
        lines = shown.decode().replace("\r\n", "\n").split("\n")
        return "\n".join(line.rstrip() for line in lines).strip("\n")

    def watch(self) -> None:
        """Run the timer `watch` at its times, until the scene ends."""
        while not self._ended.wait(WATCH_MINUTES * MINUTE):
            try:
                self.watch_queues()
            except OSError:
                continue  # a drill stopped the app

    def end(self) -> None:
        """Stop the timer."""
        self._ended.set()


def _read(terminal: int) -> bytes:
    """Return what is shown; empty at its end, which Linux reports as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


@contextmanager
def open_scene(out: Path, log: Callable[[str], None]) -> Iterator[Scene]:
    """Start a stack and its monitor; stop both at the end."""
    settings = [part for each in _OPTIONS.items() for part in ("--set", "=".join(each))]
    alerts = {each.name: each for each in read_alerts(BICEP.read_text(), THRESHOLDS)}
    with (
        run_monitor() as monitor,
        run_stack(StackClient, ("--hide", "10", *monitor.options, *settings), log) as stack,
    ):
        scene = Scene(stack, monitor, alerts, _write_command(out))
        timer = threading.Thread(target=scene.watch, daemon=True)
        timer.start()
        try:
            yield scene
        finally:
            scene.end()
            timer.join()


def _write_command(out: Path) -> Path:
    """Write the command `image-jobs` of this working copy, and return its directory."""
    out.mkdir(parents=True, exist_ok=True)
    program = out / "image-jobs"
    program.write_text(
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} "
        f'exec {shlex.quote(sys.executable)} -m shared.client.cli "$@"\n'
    )
    program.chmod(0o755)
    return out
