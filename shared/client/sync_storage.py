"""`Storage` without an event loop: every coroutine here ends at its first step.

Running coroutines that never suspend: how the synchronous client does what the other does.

What the client decides and does is written once, against `Storage`. Where storage answers at once,
as the synchronous one does, a coroutine runs to its end at the first step and needs no event loop.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobServiceClient, ContentSettings
from azure.storage.queue import QueueServiceClient

from ..config.settings import Settings
from ..pictures.inputs import InputHead
from .results import NoSuchBlob
from .storage import Listed, Received, Sent, Stored, Written
from .storage_account import (
    AT_ONCE,
    NEVER_EXPIRES,
    OPTIONS,
    addresses,
    checked,
    connection_string,
    error_code,
    head_of,
    not_ours_any_more,
    queue_errors,
    received,
    sent,
    storage_errors,
)


def run_coroutine[T](work: Awaitable[T]) -> T:
    """Return what the work comes to; `RuntimeError` if it waits for an event loop."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise RuntimeError("synchronous work waited for an event loop: its storage is not synchronous")


def run_generator[T](values: AsyncGenerator[T]) -> Iterator[T]:
    """Yield what an asynchronous generator yields; closing this closes that."""
    try:
        while True:
            try:
                value = run_coroutine(values.__anext__())
            except StopAsyncIteration:
                return
            yield value
    finally:
        run_coroutine(values.aclose())


class SyncStorage:
    """The account, by the SDK's synchronous clients; several threads may share one."""

    def __init__(self, settings: Settings, credential: Any = None) -> None:  # noqa: ANN401 (any TokenCredential)
        self._open = ExitStack()
        text = connection_string(settings)
        if text is None and credential is None:
            # Here, not above: it costs more than all the rest, and a laptop does without.
            from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - as said

            credential = self._open.enter_context(
                DefaultAzureCredential(managed_identity_client_id=settings.client_id)
            )
        with addresses():
            self._queues = self._open.enter_context(
                QueueServiceClient.from_connection_string(text, **OPTIONS)
                if text
                else QueueServiceClient(settings.queue_service_uri or "", credential, **OPTIONS)
            )
            self._blobs = self._open.enter_context(
                BlobServiceClient.from_connection_string(text, **OPTIONS)
                if text
                else BlobServiceClient(settings.blob_service_uri or "", credential, **OPTIONS)
            )

    def now(self) -> datetime:
        """Return the time, UTC."""
        return datetime.now(UTC)

    async def pause(self, seconds: float) -> None:
        """Wait, and the thread with it."""
        time.sleep(seconds)  # noqa: ASYNC251 (this is the side without a loop)

    async def all_of[T](
        self, calls: Sequence[Callable[[], Awaitable[T]]]
    ) -> list[T | BaseException]:
        """Make these calls in threads, several at a time."""

        def made(call: Callable[[], Awaitable[T]]) -> T | BaseException:
            try:
                return run_coroutine(call())
            except Exception as error:  # noqa: BLE001 (told to whoever asked for all)
                return error

        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(made, calls))

    async def send(self, queue: str, body: bytes, *, hidden_seconds: int = 0) -> Sent:
        """Send one message that never expires, hidden from all for a while."""
        text = checked(queue, body)
        with queue_errors(f"sending to the queue {queue!r}", queue):
            client = self._queues.get_queue_client(queue)
            return sent(
                client.send_message(
                    text, visibility_timeout=hidden_seconds, time_to_live=NEVER_EXPIRES
                )
            )

    async def count(self, queue: str) -> int:
        """Say how many messages a queue has, the hidden ones too."""
        with queue_errors(f"looking at the queue {queue!r}", queue):
            found = self._queues.get_queue_client(queue).get_queue_properties()
            return found.approximate_message_count or 0

    async def receive(self, queue: str, *, most: int, hidden_seconds: int) -> list[Received]:
        """Take up to `most` messages, hidden from others for a while."""
        with queue_errors(f"reading the queue {queue!r}", queue):
            pages = (
                self._queues.get_queue_client(queue)
                .receive_messages(messages_per_page=most, visibility_timeout=hidden_seconds)
                .by_page()
            )
            page = next(pages, ())
            return [received(message, hidden_seconds=hidden_seconds) for message in page]

    async def delete(self, queue: str, message: Received) -> None:
        """Be done with a message; one that is somebody else's by now is left to them."""
        with queue_errors(f"deleting from the queue {queue!r}", queue), not_ours_any_more():
            client = self._queues.get_queue_client(queue)
            client.delete_message(message.message_id, message.receipt)

    async def put_back(self, queue: str, message: Received) -> None:
        """Let others see a message at once."""
        with queue_errors(f"putting back into the queue {queue!r}", queue), not_ours_any_more():
            self._queues.get_queue_client(queue).update_message(
                message.message_id, message.receipt, visibility_timeout=0
            )

    async def listed(self, container: str, *, prefix: str, most: int) -> list[Listed]:
        """List the first blobs whose names begin so, in order."""
        with storage_errors(f"listing {container}/{prefix}"):
            blobs = self._blobs.get_container_client(container).list_blobs(
                name_starts_with=prefix, include=["metadata"], results_per_page=most
            )
            return [Listed(blob.name, blob.metadata) for blob in islice(blobs, most)]

    async def read(self, container: str, name: str) -> Stored | None:
        """Return a small blob, or None when there is none."""
        with storage_errors(f"reading {container}/{name}"):
            try:
                stream = self._blobs.get_blob_client(container, name).download_blob()
            except ResourceNotFoundError as error:
                if error_code(error) == "BlobNotFound":
                    return None
                raise
            return Stored(stream.readall(), str(stream.properties.etag))

    async def head(self, container: str, name: str, *, most: int) -> InputHead | None:
        """Return the first `most` bytes of a blob, or None when there is none."""
        with storage_errors(f"looking at {container}/{name}"):
            try:
                blob = self._blobs.get_blob_client(container, name)
                stream = blob.download_blob(offset=0, length=most)
                first = stream.readall()
            except ResourceNotFoundError as error:
                if error_code(error) == "BlobNotFound":
                    return None
                raise
            except HttpResponseError as error:
                if error_code(error) == "InvalidRange":
                    return InputHead("", 0, b"")  # an empty blob has no first byte to ask for
                raise
            return head_of(stream.properties, first)

    async def create(
        self, container: str, name: str, body: bytes, *, content_type: str
    ) -> Written | None:
        """Write a new blob; None when there is one of this name."""
        with storage_errors(f"writing {container}/{name}"):
            try:
                written = self._blobs.get_blob_client(container, name).upload_blob(
                    body, content_settings=ContentSettings(content_type=content_type)
                )
            except ResourceExistsError:
                return None
            return Written(str(written["etag"]), written["last_modified"])

    async def remove(self, container: str, name: str) -> bool:
        """Delete a blob; False when there is none."""
        with storage_errors(f"deleting {container}/{name}"):
            try:
                self._blobs.get_blob_client(container, name).delete_blob()
            except ResourceNotFoundError as error:
                if error_code(error) == "BlobNotFound":
                    return False
                raise
            return True

    async def chunks(self, container: str, name: str) -> AsyncIterator[bytes]:
        """Yield a blob as it arrives; `NoSuchBlob` when there is none."""
        with storage_errors(f"reading {container}/{name}"):
            try:
                stream = self._blobs.get_blob_client(container, name).download_blob()
            except ResourceNotFoundError as error:
                raise NoSuchBlob(f"there is no blob {container}/{name}") from error
            for chunk in stream.chunks():
                yield chunk

    async def close(self) -> None:
        """Close what is open."""
        self._open.close()
