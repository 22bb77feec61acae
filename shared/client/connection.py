"""What the client reaches of an app: its repositories, its queues, a clock.

What the client does is written once, as coroutines over a connection. On the synchronous side no
coroutine ever suspends, so each ends at its first step and needs no event loop
(docs/decisions/0010).
"""

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final

from azure.storage.blob import BlobServiceClient
from azure.storage.blob.aio import BlobServiceClient as AsyncBlobServiceClient
from azure.storage.queue import QueueServiceClient
from azure.storage.queue.aio import QueueServiceClient as AsyncQueueServiceClient

from ..config.settings import Configuration
from ..errors import ImageJobsError
from ..ports import Blobs, Clock, Gather, Queues
from ..stores.batches import BatchRecords
from ..stores.dead_letters import DeadLetters
from ..stores.index import JobIndex
from ..stores.inputs import Inputs
from ..stores.ledgers import BudgetLedgers, PoolLedgers
from ..stores.manifests import Manifests
from ..stores.records import JobRecords
from .storage_account import OPTIONS, SdkBlobs, SdkQueues, await_result, check_address

#: Jobs sent, and other things done, at a time.
AT_ONCE: Final = 16


class Connection:
    """An app as its callers reach it: through its storage account."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        blobs: Callable[[str], Blobs],
        queues: Queues,
        clock: Clock,
        gather: Gather,
        addresses: Sequence[str] = (),
        opened: Iterable[Any] = (),
    ) -> None:
        settings = configuration.settings
        jobs = blobs(settings.jobs_container)
        #: What this client knows of the app.
        self.configuration = configuration
        self.settings = settings
        #: Opens a container by its name.
        self.blobs = blobs
        self.queues = queues
        #: URLs of the account's services.
        self.addresses = tuple(addresses)
        self.clock = clock
        self.gather = gather
        self.records = JobRecords(jobs, clock)
        self.index = JobIndex(jobs)
        self.budget = BudgetLedgers(jobs, clock)
        self.pools = PoolLedgers(blobs(settings.pace_container), clock)
        self.batches = BatchRecords(jobs)
        images = settings.images_container
        self.inputs = Inputs(blobs(settings.inputs_container), blobs(images), images)
        self.manifests = Manifests(blobs(settings.manifests_container))
        self.dead_letters = DeadLetters(blobs(settings.dead_letters_container))
        self._opened = tuple(opened)

    async def close(self) -> None:
        """Close the connections to the account."""
        for each in self._opened:
            await await_result(each.close())


async def attempt[T](work: Coroutine[Any, Any, T]) -> T | ImageJobsError:
    """Return the result of the work, or its error where that is one of `shared.errors`."""
    try:
        return await work
    except ImageJobsError as error:
        return error


class ThreadClock:
    """`Clock` of a thread."""

    def now(self) -> datetime:
        """Return the time, UTC and aware."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Block the thread for so long."""
        time.sleep(seconds)  # noqa: ASYNC251 (this is the side without a loop)


class LoopClock(ThreadClock):
    """`Clock` of an event loop."""

    async def sleep(self, seconds: float) -> None:
        """Let others work for so long."""
        await asyncio.sleep(seconds)


async def gather_in_threads[T](work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all in threads, some at a time, and return their results in order."""
    coroutines = list(work)
    try:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(run_coroutine, coroutines))
    finally:
        for each in coroutines:  # those that an error left unbegun
            each.close()


async def gather_on_loop[T](work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all, some at a time, and return their results in order."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def run(coroutine: Coroutine[Any, Any, T]) -> T:
        with closing(coroutine):
            async with slots:
                return await coroutine

    tasks = [asyncio.ensure_future(run(each)) for each in work]
    await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]


def run_coroutine[T](work: Awaitable[T]) -> T:
    """Return the result of the work; `RuntimeError` if it waits for an event loop."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise RuntimeError("synchronous work waited for an event loop: its storage is not synchronous")


def run_generator[T](values: AsyncGenerator[T]) -> Generator[T]:
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


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the SDK, with the clock and the gathering that go with it."""

    blobs: type[BlobServiceClient] | type[AsyncBlobServiceClient]
    queues: type[QueueServiceClient] | type[AsyncQueueServiceClient]
    #: The module of its `DefaultAzureCredential`.
    identity: str
    clock: Clock
    gather: Gather


#: For threads, of which several may share a connection.
SYNC: Final = Side(
    BlobServiceClient, QueueServiceClient, "azure.identity", ThreadClock(), gather_in_threads
)
#: For one event loop; it needs the extra `aio` (aiohttp, the SDK's transport there).
ASYNC: Final = Side(
    AsyncBlobServiceClient,
    AsyncQueueServiceClient,
    "azure.identity.aio",
    LoopClock(),
    gather_on_loop,
)


def connect(configuration: Configuration, side: Side, credential: Any = None) -> Connection:  # noqa: ANN401 (any TokenCredential of the side)
    """Return a connection to the app's storage account; no I/O, no event loop needed."""
    settings, opened = configuration.settings, list[Any]()
    secret = settings.storage_connection
    if secret is None and credential is None:
        # Not at the top: it costs more than everything else, and a laptop does without.
        identity: Any = import_module(side.identity)
        credential = identity.DefaultAzureCredential(managed_identity_client_id=settings.client_id)
        opened.append(credential)
    with check_address():
        if secret:
            text = secret.get_secret_value()
            blobs = side.blobs.from_connection_string(text, **OPTIONS)
            queues = side.queues.from_connection_string(text, **OPTIONS)
        else:
            blobs = side.blobs(settings.blob_service_uri or "", credential, **OPTIONS)
            queues = side.queues(settings.queue_service_uri or "", credential, **OPTIONS)
    return Connection(
        configuration,
        blobs=lambda name: SdkBlobs(blobs.get_container_client(name)),
        queues=SdkQueues(queues),
        clock=side.clock,
        gather=side.gather,
        addresses=[str(blobs.url), str(queues.url)],
        opened=[blobs, queues, *opened],
    )
