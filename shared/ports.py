"""What the work needs of the world, as protocols; `services` makes them real, tests fake them.

Ports raise only errors of `shared.errors`; names are full names, and none is built of user text.

What is kept book of beside the records, as two more ports: open jobs and lists, and money.

Like those of `shared.ports`, they raise only errors of `shared.errors`.

What batches need of the world, as protocols: a part of `ports.World`.

What the work needs of the quota pools: their ledgers, in the words of `shared.limits.pool_ledger`.

What events need of the world, as protocols: a part of `ports.World`.

What a piece of work did, for the one line the shell logs; never a prompt, never a secret.
"""

from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import JsonValue

from .images_api.requests import ImageRequest
from .limits.budget import CostReservation, DayLedger, Refusal
from .limits.circuit_breaker import CallFeedback
from .limits.pool_ledger import AcquireRequest, AcquireResult, Alarm, Ledger, Reservation
from .pictures.inputs import InputHead
from .pictures.measuring import PictureFacts
from .pictures.renditions import RenditionSpec, SheetCell
from .records.index_entry import IndexEntry, Page
from .records.record import JobRecord, JobState

if TYPE_CHECKING:  # no start waits for what is seldom asked for
    from cloudevents.core.v1.event import CloudEvent

    from .batches.record import BatchRecord


@dataclass(frozen=True, slots=True)
class OpenEntry:
    """An open job as the register has it, and the version that a conditional step must name."""

    entry: IndexEntry
    #: From when on a sweep should look at it.
    next_check_at: datetime
    version: str


class Index(Protocol):
    """Which jobs are open, and all jobs newest first, without reading a record."""

    async def enter(self, entry: IndexEntry, *, next_check_at: datetime) -> OpenEntry:
        """Add an open job before its record exists; sweeps check it from `next_check_at` on.

        An equal opening is written over.
        """
        ...

    async def postpone(self, marker: OpenEntry, *, next_check_at: datetime) -> None:
        """Have sweeps look at the job later, unless its marker was changed or taken away."""
        ...

    async def withdraw(self, marker: OpenEntry) -> None:
        """Take a marker away that no job needs, unless it was changed meanwhile."""
        ...

    async def close(self, entry: IndexEntry) -> None:
        """Keep the entry of an ended job, then take the marker of its opening away."""
        ...

    def open_entries(self, *, due: datetime) -> AsyncIterator[OpenEntry]:
        """Yield the open jobs that a sweep should have looked at by then."""
        ...

    async def page(
        self,
        *,
        after: str | None = None,
        limit: int = 50,
        state: JobState | None = None,
        tag: tuple[str, str] | None = None,
    ) -> Page:
        """Return at most `limit` jobs, newest first, of one state or with one tag if it is given.

        Fewer may come with a cursor to go on from, when many had to be passed over.
        `UnreadableCursor` if `after` is none.
        """
        ...


class Budget(Protocol):
    """What all calls of a day may cost, and what they have: a ledger a day, shared by all hosts."""

    async def reserve(
        self, hold: CostReservation, *, day: date, limit: int | None
    ) -> str | Refusal:
        """Set money of a day aside and return the ticket, or why that would pass the limit."""
        ...

    async def settle(self, ticket: str, amount: int) -> None:
        """Put what a call has cost in place of what was set aside; once, however often asked."""
        ...

    async def overdue(self, day: date, *, now: datetime) -> Mapping[str, CostReservation]:
        """Return the holds of calls that must be over, by ticket."""
        ...

    async def look(self, day: date) -> DayLedger | None:
        """Return the ledger of a day, None if nothing was ever set aside; one read."""
        ...


@dataclass(frozen=True, slots=True)
class FoundManifest:
    """A manifest as it stands: its version (ETag), its size, when it was written."""

    version: str
    bytes: int
    modified_at: datetime


class Manifests(Protocol):
    """The container that files are dropped into."""

    async def find(self, name: str) -> FoundManifest | None:
        """Tell how a manifest stands, None when there is none of this name."""
        ...

    async def read(self, name: str, version: str, *, start: int, length: int) -> bytes:
        """Return bytes of this version; `StaleVersion` when it was changed or deleted."""
        ...


class Batches(Protocol):
    """The records of batches, and their pages: `batches/{batch_id}/`."""

    async def create(self, record: "BatchRecord") -> str:
        """Write a new record and return its version; `AlreadyExists` if the batch has one."""
        ...

    async def read(self, batch_id: str) -> "Versioned[BatchRecord] | None":
        """Return the record, or None when there is none."""
        ...

    async def replace(self, record: "BatchRecord", version: str) -> str:
        """Write the record if it still has `version`; `StaleVersion` if it does not."""
        ...

    async def put_page(self, batch_id: str, name: str, body: bytes) -> bytes:
        """Write a page once; return what stands there, whoever wrote it."""
        ...

    async def read_page(self, batch_id: str, name: str) -> bytes | None:
        """Return a page, None when there is none."""
        ...

    async def publish(self, name: str, pages: AsyncIterator[bytes]) -> str:
        """Write a result manifest beside the pictures, once and whole; return its URL."""
        ...


class Abreast(Protocol):
    """Several things done at a time."""

    async def run[T](self, work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """Await all, some at a time, and return what they return in their order.

        The first error is raised once those under way have stopped; the others are not begun.
        """
        ...


class Pools(Protocol):
    """The ledgers of the quota pools, `pace/{pool}.json`, shared by all hosts.

    Steps of `shared.limits.pool_ledger`, each taken for everybody at once or not at all.
    """

    async def acquire(self, question: AcquireRequest) -> AcquireResult:
        """AcquireRequest for a turn."""
        ...

    async def wait_for(self, reservation: Reservation) -> bool:
        """Let others work until the turn has come; tell whether it may still be used then."""
        ...

    async def report(self, reservation: Reservation, finding: CallFeedback) -> tuple[Alarm, ...]:
        """Say what came of a turn; returns every alarm of the pool that is not raised yet.

        That a call was accepted is kept, and said with the next ask.
        """
        ...

    async def mark_sent(self, pool: str, alarms: Sequence[Alarm]) -> None:
        """Note that these alarms were raised."""
        ...

    async def look(self, pool: str) -> Ledger | None:
        """Return the ledger as it was about a second ago at most, None if there is none.

        At most one read, and no write: a look changes nothing for who asks.
        """
        ...


class Publisher(Protocol):
    """Where events go out: the events queue, the job's own reply queue, the sinks."""

    async def publish(self, event: "CloudEvent", *, reply_to: str | None) -> None:
        """Send the event to the queues, and on its way to every sink; at least once.

        A reply queue that does not exist is passed over.
        """
        ...


class Sink(Protocol):
    """Somewhere beyond our storage that events go to; adding one is one file in `services`."""

    @property
    def name(self) -> str:
        """What the sink is called in messages, logs and dead letters: `a-z 0-9 -`."""
        ...

    def wants(self, event_type: str) -> bool:
        """Tell whether events of this type are for this sink."""
        ...

    async def take(self, event: Mapping[str, JsonValue]) -> None:
        """Hand over a structured CloudEvent, once; `NotTaken` unless the sink has it for sure.

        Returns or raises within seconds, whatever the other side does.
        """
        ...


class Clock(Protocol):
    """What time it is (UTC, aware)."""

    def now(self) -> datetime:
        """Return the time."""
        ...


@dataclass(frozen=True, slots=True)
class Versioned[T]:
    """A stored thing and the version (ETag) that a conditional write must name."""

    value: T
    version: str


class Records(Protocol):
    """The job records, `jobs/{job_id}.json`: the truth about every job."""

    async def create(self, record: JobRecord) -> str:
        """Write a new record and return its version; `AlreadyExists` if the job has one."""
        ...

    async def read(self, job_id: str) -> Versioned[JobRecord] | None:
        """Return the record, or None when there is none."""
        ...

    async def replace(self, record: JobRecord, version: str) -> str:
        """Write the record if it still has `version`; `StaleVersion` if it does not."""
        ...


class Queues(Protocol):
    """The queues we send to, and the ends of which we see."""

    async def send(self, queue: str, body: bytes, *, delay: timedelta = timedelta()) -> None:
        """Send one message that never expires, invisible for `delay` (0 s to 7 days).

        `TooLarge` above 64 KiB; `NoSuchQueue`, a `StoreUnavailable`, when there is none.
        """
        ...

    async def oldest(self, queue: str) -> datetime | None:
        """Return when the message that is next in line was sent; None when none waits.

        A message that is hidden, by a delay or by who works on it, does not wait.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A committed picture: its name, its facts as measured, and its URL."""

    name: str
    url: str
    facts: PictureFacts


class PictureWriter(Protocol):
    """One picture on its way into storage; nothing is visible before `commit`."""

    async def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes; blocks are staged while more arrive."""
        ...

    async def commit(self, facts: PictureFacts, metadata: Mapping[str, str]) -> StoredPicture:
        """Make the picture visible, once and whole.

        If a picture of this name is there already, that one stays and is returned: it was paid
        for too, and whoever was told of it must find it unchanged.
        """
        ...

    async def abandon(self) -> None:
        """Forget what was staged; safe at any time, and after `commit`."""
        ...


@dataclass(frozen=True, slots=True)
class PicturePart:
    """Some bytes of a stored picture; none where `start` is past its end."""

    data: bytes
    start: int
    #: Of the whole picture, bytes.
    total: int
    content_type: str
    version: str


class Pictures(Protocol):
    """The container of finished pictures."""

    def create(self, name: str) -> PictureWriter:
        """Open a writer for the blob `name`; its type is what `commit` is told was measured."""
        ...

    async def find(self, name: str) -> StoredPicture | None:
        """Return the committed picture of this name, or None."""
        ...

    async def read(self, name: str, *, start: int, length: int) -> PicturePart | None:
        """Return at most `length` bytes of the picture from `start` on, or None if it is none."""
        ...

    async def remove(self, name: str) -> None:
        """Delete a picture that nobody was told of, if it is there."""
        ...

    async def put_sidecar(self, name: str, body: bytes) -> None:
        """Write a small JSON blob once; if it is there already, leave it."""
        ...


class ReadLinks(Protocol):
    """Links to finished pictures, for whoever has no grant of their own."""

    async def link(self, name: str, *, until: datetime) -> str:
        """Return a URL that reads this one picture, and nothing else, until then."""
        ...


class Inputs(Protocol):
    """The container callers put long prompts and pictures to edit into."""

    async def read_text(self, name: str, *, max_bytes: int) -> str | None:
        """Return the blob as text, or None; `InvalidJob` if it is over `max_bytes` or no UTF-8."""
        ...

    async def head(self, name: str, *, most: int) -> InputHead | None:
        """Return the first `most` bytes of the blob, None when there is none."""
        ...

    def read(self, name: str, version: str) -> AsyncIterator[bytes]:
        """Yield the blob piece by piece; `StaleVersion` as soon as it is another than `version`."""
        ...


class DeadLetters(Protocol):
    """What was given up on, kept for people: `{yyyy}/{mm}/{dd}/{name}.json`."""

    async def put(self, name: str, body: bytes) -> None:
        """Keep a dead letter; an equal name is written over."""
        ...


class Reply(Protocol):
    """The reply of the images endpoint, its body still arriving."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names are in lower case."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives; `BrokenReply` if it is cut, stalls or takes too long."""
        ...


class ImagesEndpoint(Protocol):
    """The paid call."""

    def post(
        self, request: ImageRequest, *, limit: timedelta, client_request_id: str
    ) -> AbstractAsyncContextManager[Reply]:
        """Send the request once, never again on its own.

        `limit` bounds everything up to the last byte of the reply. After a 401 the next call asks
        for a new token. Raises `NotSent` when it surely did not reach the endpoint, `BrokenReply`
        when it may have, `CredentialUnavailable` when no token could be had (nothing was sent).
        """
        ...

    def follow(
        self, link: str, *, own: bool, limit: timedelta
    ) -> AbstractAsyncContextManager[Reply]:
        """Get a picture that a reply has linked; it is paid for, so this may be repeated.

        No credentials go along, no redirect is followed, and only a link to the endpoint's `own`
        origin may lead to an address that is not public. Raises `CallFailed`, and tells no more of
        the link than its host.
        """
        ...


class Renderer(Protocol):
    """Who makes pictures from stored originals, and stores them: the first one of a name stays."""

    async def render(
        self, source: str, wishes: Sequence[RenditionSpec], *, metadata: Mapping[str, str]
    ) -> tuple[PictureFacts, ...]:
        """Make every wish from the original; `CannotRender` if it is none that can be opened."""
        ...

    async def sheet(
        self, cells: Sequence[SheetCell], blob: str, *, metadata: Mapping[str, str]
    ) -> PictureFacts:
        """Put pictures side by side, each with its label under it."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """All ports together: what a piece of work is handed."""

    clock: Clock
    records: Records
    index: "Index"
    budget: "Budget"
    queues: Queues
    pictures: Pictures
    renderer: Renderer
    links: ReadLinks
    inputs: Inputs
    manifests: "Manifests"
    batches: "Batches"
    abreast: "Abreast"
    dead_letters: DeadLetters
    pools: Pools
    publisher: "Publisher"
    #: By name.
    sinks: "Mapping[str, Sink]"
    endpoint: ImagesEndpoint


@dataclass(frozen=True, slots=True)
class Report:
    """One word for what happened, the job, and the facts an operator looks for."""

    what: str
    job_id: str | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    #: What operators must see, each a line of its own.
    alarms: tuple[object, ...] = ()

    def __str__(self) -> str:
        facts = " ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.what} job_id={self.job_id or '-'} {facts}".rstrip()
