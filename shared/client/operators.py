"""`AsyncOperator`: dead letters, ledgers and checks, for those who run the app."""

import logging
from collections.abc import AsyncGenerator, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal

from ..config.settings import Settings
from ..config.tenants import Tenant
from ..errors import ImageJobsError, UnreadableRecord
from ..events.delivery import Delivery
from ..http_api.limits import describe_pace
from ..limits.adaptive_rate import Quota
from ..limits.budget import DayLedger
from ..limits.pool_ledger import Ledger
from ..records.commands import Action, Command
from ..records.cost_report import CallCost, find_calls
from ..records.dead_letter import DeadLetter, DeadLetterKind
from ..records.record import JobRecord, JobState
from ..stores.waiting_tasks import WaitingTasks
from .connection import Connection, attempt
from .results import NoSuchBlob
from .submission import TEXT, put_input

_LOG: Final = logging.getLogger(__name__)
#: Read at a time where only those with a certain reason are wanted.
_AT_A_TIME: Final = 100
#: Jobs of the index at a time.
_PAGE: Final = 1_000
POISON: Final = "-poison"
#: Written once into the inputs container, to check that this caller may.
PROBE: Final = "prompts/probe.txt"
#: Pools that are listed.
MOST_POOLS: Final = 100
#: A message that waits longer is worth a look; the alert `oldest-message` comes later.
BACKLOG: Final = timedelta(minutes=5)
#: A waiting task that nobody has moved this long after it could be is worth an alert.
LATE: Final = timedelta(seconds=120)
#: How long a probe message is hidden; it is deleted at once.
HIDDEN: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    what: str
    state: Literal["good", "doubtful", "bad"]
    message: str = ""


async def check_storage(app: Connection, *, may_send: bool) -> AsyncGenerator[Check]:
    """Yield a check of every queue and container, and of every permission that can be tried.

    `may_send` puts a hidden message on the jobs queue and deletes it.
    """
    for queue in list_queues(app.settings):
        yield await _check_queue(queue, app)
    for container in list_containers(app.settings):
        yield await _check(f"container {container}", app.blobs(container).list("", limit=1))
    inputs, queue = app.settings.inputs_container, app.settings.jobs_queue
    yield await _check(f"writing into {inputs}", put_input(PROBE, b"", TEXT, app))
    async for check in check_pools(app):
        yield check
    if may_send:
        yield await _check(f"sending to {queue}", _send_hidden(queue, app))


def list_queues(settings: Settings) -> Iterator[str]:
    """Yield the queues, each that starts a function followed by its poison queue."""
    for field in type(settings).model_fields:
        if field.endswith("_queue"):
            queue = getattr(settings, field)
            yield queue
            # Messages of events are for others, and no function reads what waits.
            if field not in {"events_queue", "waiting_queue"}:
                yield f"{queue}{POISON}"


def list_containers(settings: Settings) -> Iterator[str]:
    """Yield the containers that the settings name."""
    for name in type(settings).model_fields:
        if name.endswith("_container"):
            yield getattr(settings, name)


async def check_pools(app: Connection) -> AsyncGenerator[Check]:
    """Yield a check of each quota pool that was ever called: its circuits and its pace."""
    now = app.clock.now()
    names = await attempt(app.pools.names(limit=MOST_POOLS))
    if isinstance(names, ImageJobsError):
        yield Check("pools", "bad", str(names))
        return
    for name in names:
        ledger = await app.pools.look(name)
        if ledger is None:
            yield Check(f"pool {name}", "bad", "its ledger can't be read by this version")
            continue
        pace = describe_pace(ledger, Quota(ledger.pace.rate.configured), now=now)
        for circuit in pace.circuits:
            whose = f"circuit of {circuit.deployment or 'all deployments'}"
            yield Check(
                f"pool {name}", "bad", f"{whose} is open, {circuit.reason}: {circuit.message}"
            )
        if not pace.circuits:
            rate = f"{pace.rate_rpm:,.1f} calls a minute, {pace.waiting:,} waiting"
            yield Check(f"pool {name}", "doubtful" if pace.stopped_until else "good", rate)


async def _check_queue(queue: str, app: Connection) -> Check:
    what, waiting = f"queue {queue}", await attempt(app.queues.count(queue))
    if isinstance(waiting, ImageJobsError):
        return Check(what, "bad", str(waiting))
    messages = f"{waiting:,} {'message' if waiting == 1 else 'messages'}"
    if waiting and queue == app.settings.waiting_queue:
        return await _check_lateness(what, messages, app)
    if waiting and queue.endswith(POISON):
        return Check(what, "doubtful", f"{messages} given up by the platform")
    oldest = await attempt(app.queues.oldest(queue)) if waiting else None
    if isinstance(oldest, datetime) and queue != app.settings.events_queue:
        age = app.clock.now() - oldest
        state: Literal["good", "doubtful"] = "doubtful" if age > BACKLOG else "good"
        return Check(what, state, f"{messages}, the oldest for {age.total_seconds():,.0f} s")
    return Check(what, "good", messages if waiting else "")


async def _check_lateness(what: str, messages: str, app: Connection) -> Check:
    found = await attempt(WaitingTasks(app.queues, app.pools, app.clock, app.settings).look())
    if isinstance(found, ImageJobsError):
        return Check(what, "bad", str(found))
    if found.late <= LATE:
        return Check(what, "good", messages)
    return Check(what, "doubtful", f"{messages}, late by {found.late.total_seconds():,.0f} s")


async def _check(what: str, work: Coroutine[Any, Any, object]) -> Check:
    """Return whether some work succeeds."""
    done = await attempt(work)
    if isinstance(done, ImageJobsError):
        return Check(what, "bad", str(done))
    return Check(what, "good")


async def _send_hidden(queue: str, app: Connection) -> None:
    await app.queues.delete(queue, await app.queues.send(queue, b"{}", delay=HIDDEN))


class NotAMessage(ImageJobsError):
    """The dead letter holds nothing that could be sent again."""


@dataclass(frozen=True, slots=True)
class Today:
    """The budget of today (UTC)."""

    day: date
    #: None: nothing was reserved, as always where the app has no daily budget.
    ledger: DayLedger | None
    #: `DAILY_BUDGET_USD` where this client knows it; the app's own setting can't be read.
    limit_usd: float | None
    #: `TENANTS`, likewise.
    tenants: tuple[Tenant, ...] = ()


class AsyncOperator:
    """Dead letters, ledgers, and a check of everything that the app needs."""

    def __init__(self, connection: Connection) -> None:
        self._app = connection

    async def pools(self) -> dict[str, Ledger]:
        """Return the ledger of each quota pool that was ever called, by the pool's name.

        A ledger that this version can't read is left out, with a warning in the log.
        """
        names = await self._app.pools.names(limit=MOST_POOLS)
        ledgers = await self._app.gather(map(self._app.pools.look, names))
        return {name: ledger for name, ledger in zip(names, ledgers, strict=True) if ledger}

    async def today(self) -> Today:
        """Return what today's calls (UTC) have cost, and what is reserved for calls in progress."""
        day = self._app.clock.now().astimezone(UTC).date()
        ledger, settings = await self._app.budget.look(day), self._app.settings
        return Today(day, ledger, settings.daily_budget_usd, settings.tenants)

    async def calls(self, *, since: datetime, until: datetime) -> list[CallCost]:
        """Return the calls that were or may have been paid for and began within a time.

        Two listings for each 1,000 jobs, and one read for each job that was changed since. The
        calls of a job whose record can't be read are missing, with a warning in the log.
        """
        found: list[CallCost] = []
        after: str | None = None
        while True:
            page = await self._app.index.page(after=after, limit=_PAGE)
            ids = [
                each.job_id
                for each in page.entries
                if each.accepted_at < until
                and (each.state is JobState.RUNNING or each.updated_at >= since)
            ]
            records = await self._app.gather(_read_record(each, self._app) for each in ids)
            for job_id, record in zip(ids, records, strict=True):
                if record is None:
                    _LOG.warning("the calls of job %s are not counted: it has no record", job_id)
                else:
                    found += find_calls(record, since=since, until=until)
            after = page.next
            if after is None:
                return found

    async def backlog(self, queue: str, /) -> int:
        """Return about how many messages a queue has, the hidden ones included."""
        return await self._app.queues.count(queue)

    async def check_pictures(self) -> None:
        """Read the container of pictures; raises `StoreUnavailable` if that is refused."""
        await self._app.blobs(self._app.settings.images_container).list("", limit=1)

    async def dead_letters(
        self,
        *,
        days: int = 7,
        limit: int = 50,
        reason: str | None = None,
        last: date | None = None,
    ) -> list[DeadLetter]:
        """Return what the app rejected, gave up on or could not deliver, the newest day first.

        `last` is the newest of the days (UTC), today where it is None. With a `reason` (a code),
        only those that have it. One listing for each day, and one read for each letter.
        """
        newest = last or self._app.clock.now().date()
        found: list[DeadLetter] = []
        for back in range(days):
            names = await self._app.dead_letters.names(newest - timedelta(days=back))
            while names and len(found) < limit:
                some = names[: limit if reason is None else _AT_A_TIME]
                names = names[len(some) :]
                letters = await self._app.gather(map(self._app.dead_letters.read, some))
                # None: deleted since it was listed.
                found += [each for each in letters if each and reason in {None, each.reason}]
            if len(found) >= limit:
                break
        return found[:limit]

    async def dead_letter(self, name: str, /) -> DeadLetter:
        """Read one dead letter; raises `NoSuchBlob` when it does not exist."""
        return await _read_letter(name, self._app)

    async def send_again(self, name: str, /) -> str:
        """Retry a dead letter, and return a sentence about it; the letter stays in storage.

        A message of the jobs queue is sent again unchanged. A job that failed, or whose task did,
        is replayed for the missing pictures. An event is delivered for another day. Raises
        `NotAMessage` when the letter holds none of them.
        """
        app, letter = self._app, await _read_letter(name, self._app)
        match letter:
            case DeadLetter(kind=DeadLetterKind.MESSAGE, message=bytes() as message):
                await app.queues.send(app.settings.jobs_queue, message)
                return f"{name} is on the queue again"
            case DeadLetter(kind=DeadLetterKind.JOB | DeadLetterKind.TASK, job_id=str() as job_id):
                # A replay that names its run is executed once, however often it is sent.
                command = Command(command=Action.REPLAY, job_id=job_id, run=letter.run)
                await app.queues.send(app.settings.jobs_queue, command.to_bytes())
                return f"{name}: the replay of {job_id} is on the queue"
            case DeadLetter(
                kind=DeadLetterKind.DELIVERY, sink=str() as sink, event=dict() as event
            ):
                since = app.clock.now()
                delivery = Delivery(sink=sink, since=since, url=letter.url, event=event)
                await app.queues.send(app.settings.deliveries_queue, delivery.to_bytes())
                return f"{name}: the event is on its way to {sink} again"
            case _:
                raise NotAMessage(f"{name!r} holds no message, job or event that can be sent again")

    async def purge(self, name: str, /) -> None:
        """Delete a dead letter; raises `NoSuchBlob` when it does not exist."""
        if not await self._app.dead_letters.delete(name):
            raise _missing(name)

    def check(self, *, send: bool = False) -> AsyncGenerator[Check]:
        """Yield a check of each queue, container and permission that callers and the app need.

        With `send`, a hidden message is put on the jobs queue and deleted.
        """
        return check_storage(self._app, may_send=send)


async def _read_record(job_id: str, app: Connection) -> JobRecord | None:
    try:
        stored = await app.records.read(job_id)
    except UnreadableRecord:
        return None
    return stored.value if stored else None


async def _read_letter(name: str, app: Connection) -> DeadLetter:
    found = await app.dead_letters.read(name)
    if found is None:
        raise _missing(name)
    return found


def _missing(name: str) -> NoSuchBlob:
    return NoSuchBlob(f"there is no dead letter {name!r}; `dead list` names them")
