"""The timer trigger: on schedule in UTC, on one host of several, never overlapping itself."""

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

#: Schedules more frequent than this are not monitored.
_LEAST_MONITORED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Status:
    """When a timer ran last and is due next, as kept in `timers/<host id>/<function>/status`."""

    last: datetime | None
    next: datetime

    def to_json(self) -> dict[str, str]:
        """The document the true host keeps."""
        last = self.last or datetime.min.replace(tzinfo=UTC)
        return {
            "Last": last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": last.isoformat(),
        }


def timer_info(status: Status | None, *, past_due: bool) -> TypedData:
    """What the function's TimerRequest is read from."""
    schedule_status = status.to_json() if status else None
    document = {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": schedule_status,
        "IsPastDue": past_due,
    }
    return TypedData(json=json.dumps(document))


class TimerListener:
    """Runs one function on its schedule while this host holds the function's lease."""

    def __init__(
        self, function: Function, trigger: TimerTrigger, invoker: Invoker, *, host_id: str
    ) -> None:
        self._function = function
        self._trigger = trigger
        self._invoker = invoker
        self._host_id = host_id
        self._stop = asyncio.Event()
        self._holds = False
        first = trigger.schedule.after(datetime.now(UTC))
        often = trigger.schedule.after(first) - first < _LEAST_MONITORED
        self._monitored = trigger.use_monitor and not often

    def stop(self) -> None:
        """Start no more runs; `listen` returns when the one under way is done."""
        self._stop.set()

    async def listen(self) -> None:
        """Hold the lease and keep the schedule until stopped."""
        lock = f"locks/{self._host_id}/{self._function.name}.Listener"
        blob = await self._invoker.storage.host_blob(lock)
        keeping = asyncio.create_task(self._keep(blob))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait([keeping, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not keeping.done() and not self._holds:
            keeping.cancel()  # it only waits for another host
        with suppress(asyncio.CancelledError):
            await keeping
        stopping.cancel()

    async def _keep(self, blob: BlobClient) -> None:
        while not self._stop.is_set():
            async with leases.held(blob) as lost:
                self._holds = True
                try:
                    await self._keep_schedule(lost)
                finally:
                    self._holds = False

    async def _keep_schedule(self, lost: asyncio.Event) -> None:
        status = await self._read() if self._monitored else None
        now = datetime.now(UTC)
        if status and status.next < now:
            await self._run(status, past_due=True)
        elif self._trigger.run_on_startup:
            await self._run(status, past_due=False)
        due = self._trigger.schedule.after(now)
        await self._write(Status(status.last if status else None, due))
        while await self._reached(due, lost):
            ran, due = due, self._trigger.schedule.after(due)
            await self._run(Status(ran, due) if self._monitored else None, past_due=False)
            # All that came due during the run is one run, at once; then back to the schedule.
            now = datetime.now(UTC)
            if due <= now:
                await self._run(Status(ran, due) if self._monitored else None, past_due=False)
                ran, due = due, self._trigger.schedule.after(datetime.now(UTC))
            await self._write(Status(ran, due))

    async def _reached(self, due: datetime, lost: asyncio.Event) -> bool:
        """Wait until it is due; False when stopped or when another host may be running it."""
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
