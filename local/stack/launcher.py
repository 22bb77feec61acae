"""Run a program that dies with its parent: `python launcher.py PARENT_PID COMMAND …`.

Run it by its path with `python -I -S`: it then starts in a few milliseconds and imports nothing of
the project. On Linux the kernel sends SIGKILL to the program when the *thread* that started it ends
(prctl(2), PR_SET_PDEATHSIG; kept across execve(2)), so that even `kill -9` leaves no orphan. On
other systems only the parent stops the program.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies; `parent` is a process id."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - needed only on Linux

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the request
        raise SystemExit(f"the parent, process {parent}, has ended")


if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - replaces itself, so the process id stays
