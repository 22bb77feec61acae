"""The timer trigger: in UTC, on one of several hosts, never twice at a time."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob.aio import BlobClient

from local.host import leases, logs
from local.host.bindings import Function, TimerTrigger
from local.host.invoker import Invoker
from local.host.protos import TypedData

#: More frequent schedules are not monitored.
_LEAST_MONITORED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Status:
    """The last and next run of a timer, stored in `timers/<host id>/<function>/status`."""

    last: datetime | None
    next: datetime

    def to_json(self) -> dict[str, str]:
        """Return the document as the real host stores it."""
        last = self.last or datetime.min.replace(tzinfo=UTC)
        return {
            "Last": last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": last.isoformat(),
        }


def timer_info(status: Status | None, *, past_due: bool) -> TypedData:
    """Return the data of the function's TimerRequest."""
    schedule_status = status.to_json() if status else None
    document = {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": schedule_status,
        "IsPastDue": past_due,
    }
    return TypedData(json=json.dumps(document))


class TimerListener:
    """The listener of one timer: runs its function while this host has the lease."""

    def __init__(
        self,
        function: Function,
        trigger: TimerTrigger,
        invoker: Invoker,
        *,
        host_id: str,
        lock: int = leases.LEASE_SECONDS,
    ) -> None:
        self._function = function
        self._trigger = trigger
        self._invoker = invoker
        self._host_id = host_id
        self._lock = lock
        self._stop = asyncio.Event()
        self._has_lease = False
        first = trigger.schedule.after(datetime.now(UTC))
        often = trigger.schedule.after(first) - first < _LEAST_MONITORED
        self._monitored = trigger.use_monitor and not often

    def stop(self) -> None:
        """Start no more runs; `listen` returns after the current one."""
        self._stop.set()

    async def listen(self) -> None:
        """Acquire the lease and follow the schedule until stopped."""
        lock = f"locks/{self._host_id}/{self._function.name}.Listener"
        blob = await self._invoker.storage.host_blob(lock)
        running = asyncio.create_task(self._run_with_lease(blob))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not running.done() and not self._has_lease:
            running.cancel()  # it waits for the lease of another host
        with suppress(asyncio.CancelledError):
            await running
        stopping.cancel()

    async def _run_with_lease(self, blob: BlobClient) -> None:
        while not self._stop.is_set():
            async with leases.hold_lease(blob, self._lock) as lost:
                self._has_lease = True
                try:
                    await self._follow_schedule(lost)
                finally:
                    self._has_lease = False

    async def _follow_schedule(self, lost: asyncio.Event) -> None:
        status = await self._read() if self._monitored else None
        now = datetime.now(UTC)
        if status and status.next < now:
            await self._run(status, past_due=True)
        elif self._trigger.run_on_startup:
            await self._run(status, past_due=False)
        due = self._trigger.schedule.after(now)
        await self._write(Status(status.last if status else None, due))
        while await self._wait_until(due, lost):
            ran, due = due, self._trigger.schedule.after(due)
            await self._run(Status(ran, due) if self._monitored else None, past_due=False)
            # Runs that came due meanwhile become one run, at once; then the schedule continues.
            now = datetime.now(UTC)
            if due <= now:
                await self._run(Status(ran, due) if self._monitored else None, past_due=False)
                ran, due = due, self._trigger.schedule.after(datetime.now(UTC))
            await self._write(Status(ran, due))

    async def _wait_until(self, due: datetime, lost: asyncio.Event) -> bool:
        """Wait until it is due; return False when stopped or when the lease is lost."""
        waits = [asyncio.create_task(self._stop.wait()), asyncio.create_task(lost.wait())]
        left = (due - datetime.now(UTC)).total_seconds()
        done, pending = await asyncio.wait(
            waits, timeout=max(left, 0), return_when=asyncio.FIRST_COMPLETED
        )
        for wait in pending:
            wait.cancel()
        return not done

    async def _run(self, status: Status | None, *, past_due: bool) -> None:
        await self._invoker.run(self._function, timer_info(status, past_due=past_due), {})

    async def _read(self) -> Status | None:
        blob = await self._invoker.storage.host_blob(self._status_name)
        try:
            document = json.loads(await (await blob.download_blob()).readall())
            last = datetime.fromisoformat(document["Last"])
            return Status(last, datetime.fromisoformat(document["Next"]))
        except ResourceNotFoundError:
            return None
        except (AzureError, ValueError, KeyError) as error:
            logs.log.warning("timer status %s cannot be read: %s", self._status_name, error)
            return None

    async def _write(self, status: Status) -> None:
        if not self._monitored:
            return
        blob = await self._invoker.storage.host_blob(self._status_name)
        try:
            await blob.upload_blob(json.dumps(status.to_json()).encode(), overwrite=True)
        except AzureError as error:
            logs.log.warning("timer status %s cannot be written: %s", self._status_name, error)

    @property
    def _status_name(self) -> str:
        return f"timers/{self._host_id}/{self._function.name}/status"
