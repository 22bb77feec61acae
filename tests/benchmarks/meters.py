"""What a process takes: its peak of memory, its CPU, and how long its event loop was held up."""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

#: How often the loop is asked whether it is in time, seconds.
TICK = 0.005
_STATUS = Path("/proc/self/status")


def _kibibytes(field_name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field_name}:"):
            return int(line.split()[1])
    raise LookupError(f"{_STATUS} has no {field_name}")


def resident_mb() -> float:
    """Memory of this process now, MB of 10^6 bytes."""
    return _kibibytes("VmRSS") * 1024 / 1e6


def peak_mb() -> float:
    """Its peak since `settle`, MB of 10^6 bytes."""
    return _kibibytes("VmHWM") * 1024 / 1e6


def settle() -> float:
    """Collect garbage, begin the peak anew, and return what the idle process takes, MB."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return resident_mb()


@contextmanager
def memory_cgroup(limit_mb: int) -> Iterator[Path]:
    """Make a group of processes that may hold so much memory together, and remove it afterwards.

    `PermissionError` where this process may not make one.
    """
    version_1 = Path("/sys/fs/cgroup/memory")
    group = (version_1 if version_1.exists() else Path("/sys/fs/cgroup")) / f"bench-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        raise PermissionError(f"{group} can't be made: {error}") from error
    try:
        limit = "memory.limit_in_bytes" if version_1.exists() else "memory.max"
        (group / limit).write_text(str(limit_mb * 1_000_000))
        yield group
    finally:
        group.rmdir()


def group_peak_mb(group: Path) -> float:
    """Return the most that a group held, MB of 10^6 bytes; its file cache counts."""
    names = ("memory.max_usage_in_bytes", "memory.peak")
    (peak,) = (group / name for name in names if (group / name).exists())
    return int(peak.read_text()) / 1e6


@dataclass(slots=True)
class Stalls:
    """How late the loop was (wall), and how long its single steps took (CPU), milliseconds."""

    late: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)

    def told(self) -> dict[str, float]:
        """The worst, and the 99th of 100, of both."""
        return {
            "late_p99_ms": _of(self.late, 0.99),
            "late_max_ms": _of(self.late, 1.0),
            "step_p99_ms": _of(self.steps, 0.99),
            "step_max_ms": _of(self.steps, 1.0),
        }


def _of(values: list[float], share: float) -> float:
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@asynccontextmanager
async def stalls(*, steps: bool) -> AsyncIterator[Stalls]:
    """Watch the loop; `steps` also times each step, which costs some CPU itself.

    Lateness is what a second job on the loop would see; on a busy machine it holds what others
    did to us. A step's CPU time is ours alone.
    """
    seen = Stalls()

    async def tick() -> None:
        due = time.monotonic()
        while True:
            due = max(due + TICK, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            seen.late.append((time.monotonic() - due) * 1000)

    ticking = asyncio.create_task(tick())
    with _timed(seen.steps) if steps else _untimed():
        yield seen
    ticking.cancel()


@contextmanager
def _untimed() -> Iterator[None]:
    yield


@contextmanager
def _timed(steps: list[float]) -> Iterator[None]:
    handle = asyncio.Handle
    run = handle._run

    def timed(self: asyncio.Handle) -> None:
        begun = time.thread_time()
        run(self)
        steps.append((time.thread_time() - begun) * 1000)

    handle._run = timed  # type: ignore[method-assign] # nothing else sees single steps
    try:
        yield
    finally:
        handle._run = run  # type: ignore[method-assign] # as above
