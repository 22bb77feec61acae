"""Blobs and queues of a storage account, by either side of its SDK.

The asynchronous clients of the SDK return awaitables where the synchronous ones return results, and
are alike otherwise. So one class serves both: on the synchronous side its coroutines never suspend.
"""

import inspect
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobProperties, ContainerClient, ContentSettings
from azure.storage.blob.aio import ContainerClient as AsyncContainerClient
from azure.storage.queue import QueueMessage, QueueServiceClient
from azure.storage.queue.aio import QueueServiceClient as AsyncQueueServiceClient

from ..config.settings import CONNECTION
from ..errors import (
    AlreadyExists,
    BlobLeased,
    Misconfigured,
    NoSuchQueue,
    StaleVersion,
    StoreUnavailable,
    TagsRefused,
    TooLarge,
    UnreadableCursor,
)
from ..jobs.parsing import MAX_MESSAGE_BYTES
from ..ports import Blob, BlobPage, ReceivedMessage, SentMessage

#: The SDK's retries: five tries within about half a minute. What is repeated is safe to repeat,
#: for a job that arrives twice is one job.
OPTIONS: Final[dict[str, Any]] = {
    "retry_total": 4,
    "retry_connect": 4,
    "retry_read": 4,
    "retry_status": 4,
    "initial_backoff": 0,
    "increment_base": 2,
    "random_jitter_range": 1,
    "connection_timeout": 10,
    "read_timeout": 30,
    "logging_enable": False,
}
#: The longest that a message can be hidden.
MAX_DELAY: Final = timedelta(days=7)
#: A job must still be on the queue when the app takes it.
NEVER_EXPIRES: Final = -1


@dataclass(frozen=True, slots=True)
class SdkBlobs:
    """`Blobs` of one container."""

    container: ContainerClient | AsyncContainerClient

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
        """Write a blob and return its version."""
        with self._errors("writing", name, if_absent=if_absent, tags=tags):
            written = await await_result(
                self._blob(name).upload_blob(
                    body,
                    overwrite=not if_absent,
                    content_settings=ContentSettings(content_type=content_type),
                    metadata=dict(metadata or {}),
                    tags=dict(tags) if tags else None,
                    **_condition(if_version),
                )
            )
            return str(written["etag"])

    async def read(
        self,
        name: str,
        *,
        start: int = 0,
        length: int | None = None,
        if_version: str | None = None,
    ) -> Blob | None:
        """Return a blob, or at most `length` bytes of it; None when there is no such blob."""
        part = {} if length is None else {"offset": start, "length": length}
        try:
            with self._errors("reading", name):
                stream = await await_result(
                    self._blob(name).download_blob(**part, **_condition(if_version))
                )
                return _read_blob(stream.properties, await await_result(stream.readall()))
        except StoreUnavailable as error:
            if _code_of(error.__cause__) == "BlobNotFound":
                return None
            if _code_of(error.__cause__) == "InvalidRange":  # there is no byte at `start`
                return await self.find(name)
            raise

    async def find(self, name: str) -> Blob | None:
        """Return the properties of a blob; None when there is no such blob."""
        with self._errors("looking for", name):
            try:
                return _read_blob(await await_result(self._blob(name).get_blob_properties()))
            except ResourceNotFoundError:
                return None

    async def delete(self, name: str, *, if_version: str | None = None) -> bool:
        """Delete a blob; return False when there is no such blob."""
        try:
            with self._errors("deleting", name, is_versioned=if_version is not None):
                await await_result(self._blob(name).delete_blob(**_condition(if_version)))
        except StoreUnavailable as error:
            if _code_of(error.__cause__) == "BlobNotFound":
                return False
            raise
        return True

    async def list(self, prefix: str, *, limit: int, after: str | None = None) -> BlobPage:
        """Return at most `limit` blobs, from where an earlier page ended."""
        with translate_errors(f"listing {self.container.container_name}/{prefix}"):
            try:
                pages = self.container.list_blobs(
                    name_starts_with=prefix, include=["metadata"], results_per_page=limit
                ).by_page(after)
                blobs = await _next_page(pages)
            except HttpResponseError as error:
                if after and error.status_code == 400:  # noqa: PLR2004 (an HTTP status)
                    raise UnreadableCursor("no such page in storage; start without one") from error
                raise
        found = {str(each.name): replace(_read_blob(each), modified_at=None) for each in blobs}
        return BlobPage(found, getattr(pages, "continuation_token", None) or None)

    def _blob(self, name: str) -> Any:  # noqa: ANN401 (of either side)
        return self.container.get_blob_client(name)

    @contextmanager
    def _errors(
        self,
        doing: str,
        name: str,
        *,
        if_absent: bool = False,
        is_versioned: bool = False,
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[None]:
        """Raise the errors of `Blobs` for those of the SDK."""
        blob = f"{self.container.container_name}/{name}"
        with translate_errors(f"{doing} {blob}"):
            try:
                yield
            except HttpResponseError as error:
                status, code = error.status_code, _code_of(error)
                if "Lease" in code:
                    raise BlobLeased(f"{blob}: {code}; break the lease or wait") from error
                if tags and ("Tags" in code or status in {400, 403}):
                    raise TagsRefused(f"{status} {code}") from error
                if if_absent and (status in {409, 412}):
                    raise AlreadyExists(f"{blob} exists already") from error
                if status == 412 or (is_versioned and code == "BlobNotFound"):  # noqa: PLR2004 (an HTTP status)
                    raise StaleVersion(f"{blob} has changed") from error
                raise


@dataclass(frozen=True, slots=True)
class SdkQueues:
    """`Queues` of an account."""

    service: QueueServiceClient | AsyncQueueServiceClient

    async def send(self, queue: str, body: bytes, *, delay: timedelta = timedelta()) -> SentMessage:
        """Send one message that never expires, hidden for `delay` (0 s to 7 days)."""
        if len(body) > MAX_MESSAGE_BYTES:
            raise TooLarge(
                f"the message for the queue {queue!r} has {len(body):,} bytes; "
                f"a queue takes {MAX_MESSAGE_BYTES:,}"
            )
        hidden = _visibility(delay)
        with _queue_errors(f"sending to the queue {queue!r}", queue):
            sent = await await_result(
                self._queue(queue).send_message(
                    body.decode(), visibility_timeout=hidden, time_to_live=NEVER_EXPIRES
                )
            )
            inserted_at = sent.inserted_on or datetime.now(UTC)
            return SentMessage(str(sent.id), inserted_at, str(sent.pop_receipt))

    async def oldest(self, queue: str) -> datetime | None:
        """Return when the next message in line was sent; None when no message is visible."""
        with _queue_errors(f"looking at the queue {queue!r}", queue):
            found: list[QueueMessage] = await await_result(self._queue(queue).peek_messages(1))
            return found[0].inserted_on if found else None

    async def peek(self, queue: str, *, limit: int) -> list[str]:
        """Return the texts of up to `limit` visible messages (32 at most), and take none."""
        with _queue_errors(f"looking at the queue {queue!r}", queue):
            found: list[QueueMessage] = await await_result(self._queue(queue).peek_messages(limit))
            return [str(each.content) for each in found]

    async def count(self, queue: str) -> int:
        """Return about how many messages a queue has, the hidden ones included."""
        with _queue_errors(f"looking at the queue {queue!r}", queue):
            found = await await_result(self._queue(queue).get_queue_properties())
            return found.approximate_message_count or 0

    async def receive(self, queue: str, *, limit: int, hidden: timedelta) -> list[ReceivedMessage]:
        """Take up to `limit` messages, hidden from others for a while."""
        with _queue_errors(f"reading the queue {queue!r}", queue):
            messages = self._queue(queue).receive_messages(
                messages_per_page=limit, visibility_timeout=_seconds(hidden)
            )
            found: list[QueueMessage] = await _next_page(messages.by_page())
            latest = datetime.now(UTC) + hidden
            return [
                ReceivedMessage(
                    str(each.id),
                    str(each.pop_receipt),
                    str(each.content),
                    each.next_visible_on or latest,
                )
                for each in found
            ]

    async def delete(self, queue: str, message: SentMessage | ReceivedMessage) -> None:
        """Delete a message; one whose time is up is left to others."""
        with _queue_errors(f"deleting from the queue {queue!r}", queue), _pass_over_lost():
            await await_result(
                self._queue(queue).delete_message(message.message_id, message.receipt)
            )

    async def put_back(
        self, queue: str, message: ReceivedMessage, body: bytes, *, delay: timedelta = timedelta()
    ) -> None:
        """Let others see a message after `delay`; one whose time is up is left to others."""
        hidden = _visibility(delay)
        with _queue_errors(f"returning to the queue {queue!r}", queue), _pass_over_lost():
            await await_result(
                self._queue(queue).update_message(
                    message.message_id,
                    message.receipt,
                    content=body.decode(),
                    visibility_timeout=hidden,
                )
            )

    def _queue(self, name: str) -> Any:  # noqa: ANN401 (of either side)
        return self.service.get_queue_client(name)


async def await_result(answer: Any) -> Any:  # noqa: ANN401 (whatever the SDK returns)
    """Return what either side of the SDK returns."""
    return await answer if inspect.isawaitable(answer) else answer


async def _next_page(pages: Any) -> list[Any]:  # noqa: ANN401 (an iterator of either side)
    """Return the items of the next page; empty at the end."""
    if isinstance(pages, AsyncIterator):
        async for page in pages:
            return [each async for each in page]
        return []
    return list(next(pages, ()))


def _condition(version: str | None) -> dict[str, Any]:
    if version is None:
        return {}
    return {"etag": version, "match_condition": MatchConditions.IfNotModified}


def _read_blob(found: BlobProperties, body: bytes = b"") -> Blob:
    whole = str(found.content_range or "").rpartition("/")[2]
    return Blob(
        str(found.etag),
        found.content_settings.content_type,
        {name.lower(): value for name, value in (found.metadata or {}).items()},
        size=int(whole or found.size or 0),
        body=body,
        modified_at=found.last_modified,
    )


def _visibility(delay: timedelta) -> int:
    """Return a delay in whole seconds, within what a queue takes."""
    return _seconds(min(max(delay, timedelta()), MAX_DELAY))


def _seconds(time: timedelta) -> int:
    """Return whole seconds, never fewer than asked for."""
    return -(-time // timedelta(seconds=1))


@contextmanager
def check_address() -> Iterator[None]:
    """Raise `Misconfigured` where the account's address is wrong, or a transport is missing."""
    try:
        yield
    except ImportError as error:
        raise Misconfigured("AsyncImageJobs needs aiohttp: the extra `aio` of the wheel") from error
    except ValueError as error:
        raise Misconfigured(
            f"{CONNECTION}: not the connection string or the URL of an account ({error})"
        ) from error


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Raise `StoreUnavailable` for the errors of the SDK: what was tried, and what was wrong."""
    try:
        yield
    except (AzureError, OSError) as error:
        raise StoreUnavailable(f"{doing}: {describe_error(error)}") from error


@contextmanager
def _queue_errors(doing: str, queue: str) -> Iterator[None]:
    with translate_errors(doing):
        try:
            yield
        except ResourceNotFoundError as error:
            raise NoSuchQueue(f"{doing}: there is no queue {queue!r} in this account") from error


@contextmanager
def _pass_over_lost() -> Iterator[None]:
    """Ignore that a message is not ours any more: it is deleted, or somebody else has it."""
    try:
        yield
    except HttpResponseError as error:
        if _code_of(error) not in {"MessageNotFound", "PopReceiptMismatch"}:
            raise


def describe_error(error: Exception) -> str:
    """Return an SDK's error in one line, with its remedy where that is known."""
    if isinstance(error, ClientAuthenticationError) and not error.status_code:
        return f"no token: {str(error).partition('\n')[0]}; `az login`, or pass a credential"
    if isinstance(error, HttpResponseError) and error.status_code:
        advice = {
            403: "; the caller needs Storage Queue Data Message Sender on the jobs queue, Storage "
            "Blob Data Reader on records and pictures, and writes to the inputs container",
            404: "; is this the app's account?",
        }
        code = _code_of(error) or error.reason or type(error).__name__
        return f"{error.status_code} {code}{advice.get(error.status_code, '')}"
    return f"{type(error).__name__}: {str(error).partition('\n')[0]}"


def _code_of(error: BaseException | None) -> str:
    """Return the service's own code of an error; empty if it gave none."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")
