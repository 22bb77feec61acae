"""Child processes that end with this process; their output is read line by line."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from pathlib import Path
from threading import Lock, Thread
from typing import IO

#: Last lines of a child that are quoted when it ends before it is ready.
LAST_LINES = 20

_stderr_lock = Lock()


class DidNotStart(RuntimeError):
    """A child ended before it was ready, or was not ready in time."""


def to_stderr(line: str) -> None:
    """Write one whole line to stderr."""
    with _stderr_lock:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class Child[T]:
    """A child process in a new process group.

    Every line it prints is logged with its name. `ready` reads lines of its stdout until it returns
    a value for one: `wait_ready` returns that value, and the line is not logged. Start a child from
    a thread that lives as long as the child should (see `local.stack.launcher`).
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        ready: Callable[[str], T | None],
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        log: Callable[[str], None] = to_stderr,
    ) -> None:
        self.name = name
        self._log = log
        self._read_ready = ready
        self._asked = False
        self._ready: Future[T] = Future()
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py"))]
        self.process = subprocess.Popen(
            [*launcher, str(os.getpid()), *command],
            env=dict(environment) if environment is not None else None,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._readers = [
            Thread(target=self._read, args=(self.process.stderr, False), daemon=True),
            Thread(target=self._read, args=(self.process.stdout, True), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """The id of the process and of its group."""
        return self.process.pid

    def wait_ready(self, seconds: float) -> T:
        """Return the value of `ready`; raise DidNotStart after `seconds`."""
        try:
            return self._ready.result(seconds)
        except Late:
            self.kill()
            raise DidNotStart(f"{self.name} was not ready after {seconds:g} s") from None

    def ask_to_stop(self) -> None:
        """Send SIGTERM once and return at once: a second one would end it without draining."""
        if not self._asked:
            self._asked = True
            self._signal(signal.SIGTERM)

    def stop(self, seconds: float = 10.0) -> int:
        """Send SIGTERM, kill it after `seconds`, and return its exit code."""
        self.ask_to_stop()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._log(f"[{self.name}] did not stop within {seconds:g} s: killed")
        return self.kill()

    def kill(self) -> int:
        """Kill it and everything it started; return its exit code."""
        self._signal(signal.SIGKILL)
        code = self.process.wait()
        for reader in self._readers:
            reader.join(5.0)
        return code

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):  # already ended (macOS raises the second)
            return

    def _read(self, pipe: IO[str], is_stdout: bool) -> None:  # noqa: FBT001 - a thread's argument
        with pipe:
            for raw in pipe:
                line = raw.rstrip("\n")
                if is_stdout and not self._ready.done():
                    value = self._read_ready(line)
                    if value is not None:
                        self._ready.set_result(value)
                        continue
                self._last.append(line)
                self._log(f"[{self.name}] {line}")
        if is_stdout and not self._ready.done():
            self._readers[0].join(5.0)  # its last lines are on stderr
            code = self.process.wait()
            lines = "\n".join(f"  {line}" for line in self._last)
            self._ready.set_exception(
                DidNotStart(f"{self.name} ended with exit code {code} before it was ready\n{lines}")
            )
