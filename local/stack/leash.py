"""Runs a program that dies with the one that started it: `python leash.py PARENT_PID COMMAND …`.

Run by its path with `python -I -S`, so that it costs a few milliseconds and imports nothing of the
project. On Linux the kernel sends SIGKILL to the program when the *thread* that started it ends
(prctl(2), PR_SET_PDEATHSIG; kept across execve(2)), however it ended: nothing is orphaned even by
`kill -9`. Elsewhere the program is only stopped by whoever started it.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tie_to(parent: int) -> None:
    """Let this process be killed when its parent dies; `parent` is the parent's process id."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - needed on Linux alone

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was asked
        raise SystemExit(f"the parent, process {parent}, is gone")


if __name__ == "__main__":
    tie_to(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - replaces itself, so the process id stays
