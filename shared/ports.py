"""What the work needs of the world, as protocols; `services` makes them real, tests fake them.

Ports raise only errors of `shared.errors`; names are full names, and none is built of user text.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from .input_pictures import InputHead
from .payloads import ImageRequest
from .pictures import PictureFacts
from .pool_ports import Pools
from .records import JobRecord
from .renditions import Renderer

if TYPE_CHECKING:  # not needed before the first event, the first job, or the first batch
    from .batch_ports import Abreast, Batches, Manifests
    from .books import Budget, Register
    from .event_ports import Announcer, Sink


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


@dataclass(frozen=True, slots=True)
class World:
    """All ports together: what a piece of work is handed."""

    clock: Clock
    records: Records
    register: "Register"
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
    announcer: "Announcer"
    #: By name.
    sinks: "Mapping[str, Sink]"
    endpoint: ImagesEndpoint
