"""Queues to send to: plain UTF-8 text, as host.json's `messageEncoding: none` expects it."""

from datetime import datetime, timedelta
from typing import Final

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from ..errors import NoSuchQueue, TooLarge
from .storage_accounts import storage_errors

#: What one message may hold, bytes as stored.
MAX_MESSAGE_BYTES: Final = 65_536
#: How long a message may stay invisible, seconds.
MAX_DELAY_SECONDS: Final = 7 * 86_400
#: A message that nobody takes must still be there when somebody looks.
_NEVER_EXPIRES: Final = -1


class StorageQueues:
    """`Queues` of a storage account."""

    def __init__(self, service: QueueServiceClient) -> None:
        self._service = service
        self._clients: dict[str, QueueClient] = {}

    async def send(self, queue: str, body: bytes, *, delay: timedelta = timedelta()) -> None:
        """Send one message that never expires, invisible for `delay` (0 s to 7 days).

        A delay outside those is brought to the nearest of them. An answer that gets lost may send
        the message twice, as the queue itself may deliver it twice.
        """
        if len(body) > MAX_MESSAGE_BYTES:
            raise TooLarge(
                f"the message for the queue {queue!r} has {len(body):,} bytes; "
                f"a queue takes {MAX_MESSAGE_BYTES:,}"
            )
        with storage_errors(f"sending to the queue {queue!r}"):
            try:
                await self._client(queue).send_message(
                    body.decode("utf-8"),
                    visibility_timeout=visibility(delay),
                    time_to_live=_NEVER_EXPIRES,
                )
            except ResourceNotFoundError as error:
                raise NoSuchQueue(f"there is no queue {queue!r}; create it first") from error

    async def oldest(self, queue: str) -> datetime | None:
        """Return when the message that is next in line was sent; None when none waits."""
        with storage_errors(f"looking at the queue {queue!r}"):
            try:
                messages = await self._client(queue).peek_messages(max_messages=1)
            except ResourceNotFoundError as error:
                raise NoSuchQueue(f"there is no queue {queue!r}; create it first") from error
        return messages[0].inserted_on if messages else None

    def _client(self, queue: str) -> QueueClient:
        if queue not in self._clients:
            self._clients[queue] = self._service.get_queue_client(queue)
        return self._clients[queue]


def visibility(delay: timedelta) -> int:
    """Return a delay in whole seconds, never shorter than asked for, within what a queue takes."""
    seconds = -(-delay // timedelta(seconds=1))
    return min(max(seconds, 0), MAX_DELAY_SECONDS)
