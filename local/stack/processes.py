"""Child processes: started on a leash, heard line by line, stopped with everything they started."""

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

#: Lines of a child's last words that are quoted when it dies before it is ready.
LAST_WORDS = 20

_saying = Lock()


class DidNotStart(RuntimeError):
    """A child ended, or stayed silent for too long, before it was ready."""


def to_stderr(line: str) -> None:
    """Say one line, whole, on our stderr."""
    with _saying:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class Child[T]:
    """A process of ours, in a process group of its own.

    Every line it prints is said with its name before it, until `ready` makes something of a line of
    its stdout: that is the value `wait_ready` returns, and that line is not said. Start it from the
    thread that lives as long as it should (see `local.leash`).
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        ready: Callable[[str], T | None],
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        say: Callable[[str], None] = to_stderr,
    ) -> None:
        self.name = name
        self._say = say
        self._read_ready = ready
        self._asked = False
        self._ready: Future[T] = Future()
        self._last: deque[str] = deque(maxlen=LAST_WORDS)
        leash = [sys.executable, "-I", "-S", str(Path(__file__).with_name("leash.py"))]
        self.process = subprocess.Popen(
            [*leash, str(os.getpid()), *command],
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
            Thread(target=self._hear, args=(self.process.stderr, False), daemon=True),
            Thread(target=self._hear, args=(self.process.stdout, True), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """The process id, which is also its process group's."""
        return self.process.pid

    def wait_ready(self, seconds: float) -> T:
        """What `ready` made of the child's line; raises DidNotStart after so many seconds."""
        try:
            return self._ready.result(seconds)
        except Late:
            self.kill()
            raise DidNotStart(f"{self.name} was not ready after {seconds:g} s") from None

    def ask_to_stop(self) -> None:
        """Send SIGTERM and wait for nothing; not twice, since a second one means at once."""
        if not self._asked:
            self._asked = True
            self._signal(signal.SIGTERM)

    def stop(self, seconds: float = 10.0) -> int:
        """Ask it to end (SIGTERM), kill it after so many seconds; its exit code."""
        self.ask_to_stop()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._say(f"[{self.name}] did not stop within {seconds:g} s: killed")
        return self.kill()

    def kill(self) -> int:
        """End it and whatever it started, at once; its exit code."""
        self._signal(signal.SIGKILL)
        code = self.process.wait()
        for reader in self._readers:
            reader.join(5.0)
        return code

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):  # gone already (macOS says the second)
            return

    def _hear(self, pipe: IO[str], is_stdout: bool) -> None:  # noqa: FBT001 - a thread's argument
        with pipe:
            for raw in pipe:
                line = raw.rstrip("\n")
                if is_stdout and not self._ready.done():
                    value = self._read_ready(line)
                    if value is not None:
                        self._ready.set_result(value)
                        continue
                self._last.append(line)
                self._say(f"[{self.name}] {line}")
        if is_stdout and not self._ready.done():
            self._readers[0].join(5.0)  # its last words are on stderr
            code = self.process.wait()
            words = "\n".join(f"  {line}" for line in self._last)
            self._ready.set_exception(
                DidNotStart(f"{self.name} ended with exit code {code} before it was ready\n{words}")
            )
