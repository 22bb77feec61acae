"""The interfaces to the world: adapters make them real, tests have them in memory.

They raise only errors of `shared.errors`. Names of blobs and queues are full names, and none is
built from a caller's text.
"""

from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Protocol, Self

from pydantic import JsonValue

from .images_api.requests import ImageRequest
from .pictures.measuring import PictureFacts
from .pictures.provenance import Provenance
from .pictures.renditions import RenditionSpec, SheetCell
from .redaction import quote_fact


class Clock(Protocol):
    """The time, and a way to let it pass."""

    def now(self) -> datetime:
        """Return the time, UTC and aware."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let others work for so long."""
        ...


class Gather(Protocol):
    """Several things done at a time."""

    async def __call__[T](self, work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """Await all, some at a time, and return their results in order.

        The first error is raised once the work under way has stopped; the rest is not begun.
        """
        ...


@dataclass(frozen=True, slots=True)
class Versioned[T]:
    """A stored value and the version (ETag) that a conditional write names."""

    value: T
    version: str


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob as it was read, found or listed."""

    version: str
    content_type: str | None
    metadata: Mapping[str, str]
    #: Of the whole blob, bytes.
    size: int
    #: Empty where only the properties were asked for.
    body: bytes = b""
    #: None in a listing.
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BlobPage:
    """Some blobs by name, without their bodies, in the order of their names."""

    blobs: Mapping[str, Blob]
    #: Where the next page begins, in the service's own words; None at the end.
    next: str | None


class Body(Protocol):
    """Bytes in pieces, from the start again for each try."""

    def __len__(self) -> int: ...

    def __aiter__(self) -> AsyncIterator[memoryview]: ...


class Blobs(Protocol):
    """The blobs of one container.

    `if_absent` makes a write fail with `AlreadyExists` where a blob has the name. `if_version`
    makes an operation fail with `StaleVersion` where the blob has another version, or is gone.
    A lease that somebody else holds fails it with `BlobLeased`, every other failure with
    `StoreUnavailable`. A write that is repeated after a lost reply may find its own first try.
    """

    async def put(
        self,
        name: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        if_absent: bool = False,
        if_version: str | None = None,
    ) -> str:
        """Write a blob in one request and return its version.

        Raises `TagsRefused` where the write may succeed without its index tags.
        """
        ...

    async def read(
        self,
        name: str,
        *,
        start: int = 0,
        length: int | None = None,
        if_version: str | None = None,
    ) -> Blob | None:
        """Return a blob, or at most `length` bytes of it; None when there is no such blob.

        The body is empty where `start` is past the end.
        """
        ...

    async def find(self, name: str) -> Blob | None:
        """Return the properties of a blob; None when there is no such blob."""
        ...

    async def delete(self, name: str, *, if_version: str | None = None) -> bool:
        """Delete a blob; return False when there is no such blob."""
        ...

    async def list(self, prefix: str, *, limit: int, after: str | None = None) -> BlobPage:
        """Return at most `limit` blobs (5,000 at most), from where an earlier page ended.

        Raises `UnreadableCursor` where `after` is not the end of a page.
        """
        ...


class BlockBlobs(Blobs, Protocol):
    """Blobs that are written in blocks as well, and have URLs that events name."""

    def url(self, name: str) -> str:
        """Return the URL of a blob."""
        ...

    async def stage(self, name: str, block: str, body: bytes | Body) -> None:
        """Upload a block for a later commit; the ids of a blob's blocks have one length."""
        ...

    async def commit(
        self,
        name: str,
        blocks: Sequence[str],
        *,
        content_type: str,
        metadata: Mapping[str, str],
        tags: Mapping[str, str] | None = None,
        if_absent: bool = True,
    ) -> None:
        """Make these blocks the blob; without `if_absent`, in place of the one that is there.

        Raises `AlreadyExists` also where another commit has discarded the blocks, `TagsRefused`
        as `put` does.
        """
        ...


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that is on its queue."""

    message_id: str
    inserted_at: datetime
    #: What deletes it or shows it.
    receipt: str


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message that is hidden from others for a while."""

    message_id: str
    #: What deletes it or shows it, until its time is up.
    receipt: str
    text: str
    #: When others may see it again.
    until: datetime


class Queues(Protocol):
    """The queues of the account. Raises `NoSuchQueue` where one does not exist."""

    async def send(self, queue: str, body: bytes, *, delay: timedelta = timedelta()) -> SentMessage:
        """Send one message that never expires, hidden for `delay` (0 s to 7 days).

        Raises `TooLarge` above 64 KiB.
        """
        ...

    async def oldest(self, queue: str) -> datetime | None:
        """Return when the next message in line was sent; None when no message is visible."""
        ...

    async def peek(self, queue: str, *, limit: int) -> list[str]:
        """Return the texts of up to `limit` visible messages (32 at most), and take none."""
        ...

    async def count(self, queue: str) -> int:
        """Return about how many messages a queue has, the hidden ones included."""
        ...

    async def receive(self, queue: str, *, limit: int, hidden: timedelta) -> list[ReceivedMessage]:
        """Take up to `limit` messages (32 at most), hidden from others for a while."""
        ...

    async def delete(self, queue: str, message: SentMessage | ReceivedMessage) -> None:
        """Delete a message; one whose time is up is left to others."""
        ...

    async def put_back(
        self, queue: str, message: ReceivedMessage, body: bytes, *, delay: timedelta = timedelta()
    ) -> None:
        """Let others see a message after `delay` (0 s to 7 days), with this body.

        One whose time is up is left to others.
        """
        ...


class Tokens(Protocol):
    """Entra tokens of the app's identity."""

    async def token(self, scope: str) -> str:
        """Return a token for the scope; raise `CredentialUnavailable` when there is no token."""
        ...

    def forget(self, scope: str) -> None:
        """Get a new token next time: this one was refused."""
        ...


class SignedLinks(Protocol):
    """Links to finished pictures, for callers without a role on storage."""

    async def link(self, name: str, *, until: datetime) -> str:
        """Return a URL that reads this picture, and nothing else, until then."""
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
        """Yield the body as it arrives; raise `BrokenReply` if it is cut, stalls or is late."""
        ...


class ImagesEndpoint(Protocol):
    """The paid call."""

    def post(
        self, request: ImageRequest, *, limit: timedelta, client_request_id: str
    ) -> AbstractAsyncContextManager[Reply]:
        """Send the request once, and never repeat it.

        `limit` bounds everything up to the last byte of the reply. After a 401 the next call gets
        a new token. Raises `NotSent` when the request surely did not reach the endpoint,
        `BrokenReply` when it may have, `CredentialUnavailable` when there is no token (and nothing
        was sent).
        """
        ...

    def follow(
        self, link: str, *, own: bool, limit: timedelta
    ) -> AbstractAsyncContextManager[Reply]:
        """Get a picture that a reply has linked; it is paid for, so this may be repeated.

        Sends no credentials and follows no redirect. Only a link to the endpoint's `own` origin, or
        to a host that settings name as one of this network, may lead to an address that is not
        public. Raises `CallFailed`, which names no more of the
        link than its host.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A committed picture: its name, its URL, its facts as measured, and the labels it bears."""

    name: str
    url: str
    facts: PictureFacts
    labels: Mapping[str, str] = field(default_factory=dict)
    #: What the service made of the prompt, if it says so.
    revised_prompt: str | None = None


class Renderer(Protocol):
    """Makes pictures from stored originals and stores them; the first one of a name stays."""

    async def render(
        self,
        source: str,
        specs: Sequence[RenditionSpec],
        provenance: Provenance,
        *,
        metadata: Mapping[str, str],
    ) -> tuple[StoredPicture, ...]:
        """Make every rendition of an original; raise `CannotRender` if it can't be opened."""
        ...

    async def sheet(
        self,
        cells: Sequence[SheetCell],
        blob: str,
        provenance: Provenance,
        *,
        metadata: Mapping[str, str],
    ) -> StoredPicture:
        """Put pictures side by side, each with its label under it."""
        ...


class Sink(Protocol):
    """A receiver of events outside the account, one of the settings."""

    @property
    def name(self) -> str:
        """Its name in delivery messages."""
        ...

    def wants(self, event_type: str) -> bool:
        """Tell whether it receives events of this type."""
        ...

    async def take(self, event: Mapping[str, JsonValue]) -> None:
        """Deliver one event, in structured JSON; raise `DeliveryFailed` if it is refused."""
        ...


class What(StrEnum):
    """The words for what a piece of work did, each with the level of its log line."""

    level: Literal["INFO", "WARNING"]

    def __new__(cls, word: str, level: Literal["INFO", "WARNING"]) -> Self:
        """Make a word with its level."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.level = level
        return member

    ACCEPTED = "accepted", "INFO"
    REPEATED = "repeated", "INFO"
    EXECUTED = "executed", "INFO"
    ALREADY_ENDED = "already_ended", "INFO"
    EARLIER_RUN = "earlier_run", "INFO"
    IN_PROGRESS = "in_progress", "INFO"
    POSTPONED = "postponed", "INFO"
    PENDING = "pending", "INFO"
    DONE = "done", "INFO"
    SUCCEEDED = "succeeded", "INFO"
    AWAITING_REVIEW = "awaiting_review", "INFO"
    SWEPT = "swept", "INFO"
    COMPLETED = "completed", "INFO"
    OVERTAKEN = "overtaken", "INFO"
    IGNORED = "ignored", "INFO"
    DELIVERED = "delivered", "INFO"
    REFUSED = "refused", "INFO"
    REJECTED = "rejected", "WARNING"
    MALFORMED = "malformed", "WARNING"
    NOT_EXECUTED = "not_executed", "WARNING"
    NO_SUCH_JOB = "no_such_job", "WARNING"
    NO_SUCH_TASK = "no_such_task", "WARNING"
    NO_SUCH_BATCH = "no_such_batch", "WARNING"
    MANIFEST_GONE = "manifest_gone", "WARNING"
    WAITING = "waiting", "WARNING"
    SUPERSEDED = "superseded", "WARNING"
    FAILED = "failed", "WARNING"
    PARKED = "parked", "WARNING"
    CANCELLED = "cancelled", "WARNING"
    # Another process has taken the task or the job up meanwhile.
    CALLING = "calling", "WARNING"
    RUNNING = "running", "WARNING"
    POISONED = "poisoned", "WARNING"
    PUT_BACK = "put_back", "WARNING"
    UNDELIVERABLE = "undeliverable", "WARNING"
    SWEPT_IN_PART = "swept_in_part", "WARNING"


@dataclass(frozen=True, slots=True)
class Report:
    """One word for what happened, the job, and facts for one log line; no prompt, no secret."""

    what: What
    job_id: str | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    #: What operators must see, each a line of its own.
    alarms: tuple[object, ...] = ()

    def __str__(self) -> str:
        facts = " ".join(f"{name}={quote_fact(value)}" for name, value in self.facts.items())
        return f"{self.what} job_id={quote_fact(self.job_id or '-')} {facts}".rstrip()
