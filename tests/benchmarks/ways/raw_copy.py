"""The limit: the reply thrown away as it arrives, as many bytes of nothing uploaded beside it.

The same clients both ways, the same blocks, the same number of them under way: what a picture's way
costs over this is parsing, decoding, measuring and bookkeeping.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from shared.adapters.foundry_transport import CHUNK_BYTES, Evidence, open_session
from shared.adapters.identity import EntraCredential
from shared.adapters.storage.account import StorageAddress
from shared.adapters.storage.blobs import RestBlobs
from shared.adapters.storage.queues import RestQueues
from shared.adapters.storage.rest import StorageClient
from shared.stores.pictures import SLICE_BYTES, BlockSizes
from tests.benchmarks.orders import Order
from tests.benchmarks.ways import API_KEY, API_VERSION, CONTAINER, EVENTS, MODEL, Addresses

_SIZES = BlockSizes()
_NEVER = aiohttp.ClientTimeout()
_NOTHING = memoryview(bytes(_SIZES.block_bytes))


@dataclass(frozen=True, slots=True)
class _Nothing:
    """A body of so many zeros."""

    length: int

    def __len__(self) -> int:
        return self.length

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        for start in range(0, self.length, SLICE_BYTES):
            yield _NOTHING[start : min(start + SLICE_BYTES, self.length)]


class RawCopy:
    def __init__(self, addresses: Addresses) -> None:
        self._url = (
            f"{addresses.foundry}/openai/deployments/{MODEL}/images/generations"
            f"?api-version={API_VERSION}"
        )
        address = StorageAddress(addresses.storage)
        self._session = open_session("raw-copy")
        self._wire = StorageClient(address.signature(EntraCredential()))
        self.account = address.url("blob")
        self.blobs = self.container(CONTAINER)
        self.queues = RestQueues(self._wire, address.url("queue"))

    def container(self, name: str) -> RestBlobs:
        """Return a container of the account."""
        return RestBlobs(self._wire, f"{self.account}/{name}")

    async def make(self, order: Order) -> None:
        asked = {
            "model": MODEL,
            "prompt": order.prompt,
            "n": order.pictures,
            "stream": order.pictures == 1,
        }
        headers = {"api-key": API_KEY}
        uploading = _Upload(self.blobs, order)
        async with self._session.post(
            self._url, json=asked, headers=headers, timeout=_NEVER, trace_request_ctx=Evidence()
        ) as response:
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                self.see(chunk)
                await uploading.more(len(chunk) * 3 // 4)
        await uploading.finish()
        await self.queues.send(EVENTS, order.key.encode())

    def see(self, chunk: bytes) -> None:
        """Do what has to be done with a chunk: nothing."""

    async def close(self) -> None:
        await self._session.close()
        await self._wire.close()


class _Upload:
    """Uploads as many bytes as are reported, cut as the pictures of the order are."""

    def __init__(self, blobs: RestBlobs, order: Order) -> None:
        self._order = order
        self._blobs = blobs
        self._slots = asyncio.Semaphore(_SIZES.in_flight)
        self._sending: list[asyncio.Task[None]] = []
        self._picture, self._begun, self._waiting = 0, 0, 0

    async def more(self, count: int) -> None:
        self._waiting += count
        while self._picture < self._order.pictures:
            left = self._order.picture_bytes - self._begun
            size = min(left, _SIZES.block_bytes)
            if self._waiting < size:
                return
            await self._block(size)
            if left == size:
                await self._commit()

    async def finish(self) -> None:
        await self.more(self._order.picture_bytes)  # what rounding has left

    @property
    def _name(self) -> str:
        return f"{self._order.key}/default/{self._picture}.png"

    async def _block(self, size: int) -> None:
        await self._slots.acquire()
        staging = self._blobs.stage(self._name, uuid.uuid4().hex, _Nothing(size))
        task = asyncio.create_task(staging)
        task.add_done_callback(lambda _: self._slots.release())
        self._sending.append(task)
        self._waiting -= size
        self._begun += size

    async def _commit(self) -> None:
        await asyncio.gather(*self._sending)
        await self._blobs.commit(self._name, [], content_type="image/png", metadata={})
        self._sending.clear()
        self._picture, self._begun = self._picture + 1, 0
