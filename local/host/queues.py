"""The queue trigger: polls, renews, retries, poisons and deletes like the storage extension."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.host import logs
from local.host.bindings import Function, QueueTrigger
from local.host.configuration import QueueOptions
from local.host.invoker import Invoker, send
from local.host.messages import Undecodable, decode, metadata, trigger_data

POISON = "-poison"

#: Statuses of a message or queue that is gone, or held by another host.
_GONE = {400, 404, 409}

#: From here on the service has failed, not the request.
_SERVER_ERROR = 500

#: Shortest wait between two polls of an empty queue, in seconds.
SHORTEST_POLL = 0.1

_JITTER = 0.2


@dataclass(slots=True)
class Backoff:
    """Random exponential waits between polls of an empty queue, up to `longest` seconds."""

    longest: float
    exponent: int = 0

    def next(self) -> float:
        """Return the seconds to wait after an empty poll."""
        factor = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load, no secret
        wait = (
            SHORTEST_POLL * (1 + factor * 2 ** (self.exponent - 1))
            if self.exponent
            else SHORTEST_POLL
        )
        # Grow beyond the longest, or the next random wait could be shorter.
        if wait < 2 * self.longest:
            self.exponent += 1
        return min(wait, self.longest)

    def reset(self) -> None:
        """Start again after a poll that found messages."""
        self.exponent = 0


@dataclass(slots=True)
class _HeldMessage:
    """A message we hold, with the receipt of its last update."""

    message: QueueMessage
    receipt: str


class QueueListener:
    """The listener of one queue: runs its function for each message.

    `hide`: seconds a running message is invisible, 600 in Azure. `cold`: seconds until the function
    of a poison queue starts when the first message comes; in Azure it has an instance of its own.

    Where storage refuses, the real host ends, and the platform starts it again; so does `listen`.
    """

    def __init__(
        self,
        function: Function,
        trigger: QueueTrigger,
        invoker: Invoker,
        *,
        options: QueueOptions,
        hide: float,
        cold: float = 0.0,
    ) -> None:
        self._function = function
        self._trigger = trigger
        self._invoker = invoker
        self._options = options
        self._hide = hide
        self._cold = cold
        self._tasks = asyncio.TaskGroup()
        self._stopping = False
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def queue(self) -> str:
        """The name of the queue."""
        return self._trigger.queue

    def wake(self) -> None:
        """Poll at once."""
        self._wake.set()

    def stop(self) -> None:
        """Receive no more messages; `listen` returns when the running ones are done."""
        self._stopping = True
        self._wake.set()

    async def listen(self) -> None:
        """Receive and run messages until stopped, then wait for the running ones.

        Raises an ExceptionGroup with the HttpResponseError of storage that refuses.
        """
        queue = await self._invoker.storage.queue(self._trigger.connection, self._trigger.queue)
        backoff = Backoff(self._options.max_polling_interval)
        async with self._tasks:
            if self._is_poison and self._cold:
                await self._start_cold(queue, backoff)
            while not self._stopping:
                self._wake.clear()
                messages = await self._receive(queue)
                for message in messages:
                    task = self._tasks.create_task(self._process(queue, message))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
                if messages:
                    backoff.reset()
                    await self._wait_for_room()
                elif not self._stopping:
                    await _within(self._wake, backoff.next())

    async def _start_cold(self, queue: QueueClient, backoff: Backoff) -> None:
        """Wait for the first message, and then as long as an instance takes to start."""
        while not self._stopping:
            with suppress(AzureError):
                if await queue.peek_messages():
                    await _within(self._wake, self._cold)
                    return
            await _within(self._wake, backoff.next())

    async def _receive(self, queue: QueueClient) -> list[QueueMessage]:
        batch = self._options.batch_size
        try:
            self._invoker.storage.refuse("receive")
            found = queue.receive_messages(
                messages_per_page=batch, visibility_timeout=whole(self._hide)
            )
            page = await anext(found.by_page(), None)  # one request only
            return [] if page is None else [message async for message in page]
        except AzureError as error:
            self._raise_if_refused(error, passing=lambda status: status >= _SERVER_ERROR)
            return []

    def _raise_if_refused(
        self, error: AzureError, *, passing: Callable[[int], bool] = lambda _: False
    ) -> None:
        """Raise what ends the real host: it goes on only where a queue or message is gone.

        A connection that breaks ends the real host too; here it is a laptop under load.
        """
        status = error.status_code if isinstance(error, HttpResponseError) else None
        if status is not None and status not in _GONE and not passing(status):
            raise error
        if status != HTTPStatus.NOT_FOUND:  # the queue does not exist yet
            logs.log.warning("queue %s: %s", self.queue, error)

    async def _wait_for_room(self) -> None:
        while len(self._running) > self._options.new_batch_threshold and not self._stopping:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _process(self, queue: QueueClient, message: QueueMessage) -> None:
        held = _HeldMessage(message, str(message.pop_receipt))
        try:
            await self._run(queue, held)
        except AzureError as error:
            # It becomes visible again and is delivered again: at least once.
            self._raise_if_refused(error)

    async def _run(self, queue: QueueClient, held: _HeldMessage) -> None:
        message = held.message
        attempt = message.dequeue_count or 0
        try:
            body = decode(message.content, self._options.encoding)
        except Undecodable as error:
            logs.log.warning("message %s of %s: %s", message.id, self.queue, error)
            await self._poison(queue, held)
            return
        if attempt > self._options.max_dequeue_count and not self._is_poison:
            await self._poison(queue, held)
            return
        done = asyncio.Event()
        renewal = self._tasks.create_task(self._renew(queue, held, done))
        try:
            value = trigger_data(body, binary=self._trigger.binary)
            about = metadata(message, body, binary=self._trigger.binary)
            result = await self._invoker.run(self._function, value, about)
        finally:
            done.set()
            await renewal  # a running update ends first: it changes the receipt
        if result.succeeded:
            await self._delete(queue, held)
        elif self._is_poison:
            return  # a poison queue has no poison queue: it stays hidden, to avoid a loop
        elif attempt >= self._options.max_dequeue_count:
            await self._poison(queue, held)
        else:
            await self._show_again(queue, held)

    @property
    def _is_poison(self) -> bool:
        return self.queue.endswith(POISON)

    async def _renew(self, queue: QueueClient, held: _HeldMessage, done: asyncio.Event) -> None:
        while not await _within(done, self._hide / 2):
            try:
                self._invoker.storage.refuse("renew")
                renewed = await queue.update_message(
                    held.message.id, held.receipt, visibility_timeout=whole(self._hide)
                )
            except AzureError as error:
                self._raise_if_refused(error)
                return
            held.receipt = str(renewed.pop_receipt)

    async def _show_again(self, queue: QueueClient, held: _HeldMessage) -> None:
        wait = self._options.visibility_timeout
        await queue.update_message(held.message.id, held.receipt, visibility_timeout=whole(wait))

    async def _poison(self, queue: QueueClient, held: _HeldMessage) -> None:
        if self._is_poison:
            return
        name = f"{self.queue}{POISON}"
        logs.log.warning("Message has been moved to %s: %s", name, held.message.id)
        target = await self._invoker.storage.queue(self._trigger.connection, name)
        await send(target, held.message.content)
        await self._delete(queue, held)

    async def _delete(self, queue: QueueClient, held: _HeldMessage) -> None:
        try:
            await queue.delete_message(held.message.id, held.receipt)
        except AzureError as error:
            logs.log.debug("message %s was not deleted: %s", held.message.id, error)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event; return False after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def whole(seconds: float) -> int:
    """Round up to whole seconds, as storage needs them."""
    return -int(-seconds // 1)
