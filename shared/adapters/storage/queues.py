"""Queues to send to: plain UTF-8 text, as host.json's `messageEncoding: none` expects it.

The parser of XML is imported with the first list of messages: no paid call waits for it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ...errors import NoSuchQueue, TooLarge
from ...jobs.parsing import MAX_MESSAGE_BYTES
from ...ports import ReceivedMessage, SentMessage
from ..clock import read_time
from .rest import StorageClient, StorageRefusal

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: How long a message may stay invisible, seconds.
MAX_DELAY_SECONDS: Final = 7 * 86_400
#: A message that nobody takes must still be there when somebody looks.
_NEVER_EXPIRES: Final = -1
_XML: Final = {"content-type": "application/xml"}
_DECLARATION: Final = '<?xml version="1.0" encoding="utf-8"?>'


class _Lost(Exception):
    """Somebody else has the message by now, or has deleted it."""


class RestQueues:
    """`Queues` of a storage account over REST."""

    def __init__(self, client: StorageClient, url: str) -> None:
        self._client = client
        self._url = url

    async def send(self, queue: str, body: bytes, *, delay: timedelta = timedelta()) -> SentMessage:
        """Send one message that never expires, invisible for `delay` (0 s to 7 days).

        A delay outside those is brought to the nearest of them. An answer that gets lost may send
        the message twice, as the queue itself may deliver it twice.
        """
        if len(body) > MAX_MESSAGE_BYTES:
            raise TooLarge(
                f"the message for the queue {queue!r} has {len(body):,} bytes; "
                f"a queue takes {MAX_MESSAGE_BYTES:,}"
            )
        with _must_exist(queue):
            response = await self._client.send(
                "POST",
                f"{self._url}/{queue}/messages",
                doing=f"sending to the queue {queue!r}",
                query={
                    "visibilitytimeout": str(visibility(delay)),
                    "messagettl": str(_NEVER_EXPIRES),
                },
                headers=_XML,
                body=_document(body),
            )
        return SentMessage(
            message_id=_find("MessageId", response.body) or "",
            inserted_at=read_time(_find("InsertionTime", response.body) or ""),
            receipt=_find("PopReceipt", response.body) or "",
        )

    async def oldest(self, queue: str) -> datetime | None:
        """Return when the message that is next in line was sent; None when none waits."""
        inserted = _find("InsertionTime", await self._peek(queue, 1))
        return read_time(inserted) if inserted else None

    async def peek(self, queue: str, *, limit: int) -> list[str]:
        """Return the texts of up to `limit` visible messages (32 at most), and take none."""
        from xml.etree import ElementTree as ET  # noqa: PLC0415 (see the module)

        found = ET.fromstring(await self._peek(queue, limit))  # noqa: S314 (as below)
        return [message.findtext("MessageText", "") for message in found.iter("QueueMessage")]

    async def _peek(self, queue: str, limit: int) -> bytes:
        with _must_exist(queue):
            answer = await self._client.send(
                "GET",
                f"{self._url}/{queue}/messages",
                doing=f"looking at the queue {queue!r}",
                query={"peekonly": "true", "numofmessages": str(limit)},
            )
        return answer.body

    async def count(self, queue: str) -> int:
        """Return about how many messages a queue has, the hidden ones included."""
        with _must_exist(queue):
            answer = await self._client.send(
                "HEAD",
                f"{self._url}/{queue}",
                doing=f"counting the messages of the queue {queue!r}",
                query={"comp": "metadata"},
            )
        return int(answer.headers.get("x-ms-approximate-messages-count", "0"))

    async def receive(self, queue: str, *, limit: int, hidden: timedelta) -> list[ReceivedMessage]:
        """Take up to `limit` messages (32 at most), hidden from others for a while."""
        from xml.etree import ElementTree as ET  # noqa: PLC0415 (see the module)

        with _must_exist(queue):
            answer = await self._client.send(
                "GET",
                f"{self._url}/{queue}/messages",
                doing=f"reading the queue {queue!r}",
                query={
                    "numofmessages": str(limit),
                    "visibilitytimeout": str(max(visibility(hidden), 1)),
                },
            )
        found = ET.fromstring(answer.body)  # noqa: S314 (the storage account's own reply)
        return [_received(message) for message in found.iter("QueueMessage")]

    async def delete(self, queue: str, message: SentMessage | ReceivedMessage) -> None:
        """Delete a message; one whose time is up is left to others."""
        with suppress(_Lost), _must_exist(queue):
            await self._client.send(
                "DELETE",
                f"{self._url}/{queue}/messages/{quote(message.message_id)}",
                doing=f"deleting from the queue {queue!r}",
                query={"popreceipt": message.receipt},
            )

    async def put_back(
        self, queue: str, message: ReceivedMessage, body: bytes, *, delay: timedelta = timedelta()
    ) -> None:
        """Let others see a message after `delay`; one whose time is up is left to others."""
        with suppress(_Lost), _must_exist(queue):
            await self._client.send(
                "PUT",
                f"{self._url}/{queue}/messages/{quote(message.message_id)}",
                doing=f"returning to the queue {queue!r}",
                query={
                    "popreceipt": message.receipt,
                    "visibilitytimeout": str(visibility(delay)),
                },
                headers=_XML,
                body=_document(body),
            )


def _document(body: bytes) -> bytes:
    text = escape(body.decode("utf-8"), quote=False)
    message = f"<MessageText>{text}</MessageText>"
    return f"{_DECLARATION}<QueueMessage>{message}</QueueMessage>".encode()


def _find(element: str, body: bytes) -> str | None:
    """Return the text of the first of these elements, which has no markup; None without one."""
    found = re.search(f"<{element}>([^<]+)</{element}>".encode(), body)
    return found[1].decode() if found else None


def _received(message: "Element") -> ReceivedMessage:
    return ReceivedMessage(
        message_id=message.findtext("MessageId", ""),
        receipt=message.findtext("PopReceipt", ""),
        text=message.findtext("MessageText", ""),
        until=read_time(message.findtext("TimeNextVisible", "")),
    )


def visibility(delay: timedelta) -> int:
    """Return a delay in whole seconds, never shorter than asked for, within what a queue takes."""
    seconds = -(-delay // timedelta(seconds=1))
    return min(max(seconds, 0), MAX_DELAY_SECONDS)


@contextmanager
def _must_exist(queue: str) -> Iterator[None]:
    try:
        yield
    except StorageRefusal as refusal:
        if refusal.code in {"MessageNotFound", "PopReceiptMismatch"}:
            raise _Lost from refusal
        if refusal.status == HTTPStatus.NOT_FOUND:
            raise NoSuchQueue(f"there is no queue {queue!r}; create it first") from refusal
        raise
