"""The limit: the reply thrown away as it arrives, as many bytes of nothing uploaded beside it.

The same client both ways, the same blocks, the same number of them under way: what a picture's way
costs over this is parsing, decoding, measuring, signing and bookkeeping.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import cast

import httpx
from httpx_aiohttp import AiohttpTransport

from shared.services.blocks import SLICE_BYTES, BlockSizes
from shared.services.transport import EVIDENCE, Evidence, new_client
from tests.benchmarks.orders import Order
from tests.benchmarks.ways import API_KEY, API_VERSION, CONTAINER, EVENTS, MODEL, Addresses

_SIZES = BlockSizes()
_NOTHING = memoryview(bytes(_SIZES.block_bytes))


async def _slices(length: int) -> AsyncIterator[bytes]:
    for start in range(0, length, SLICE_BYTES):
        # Views travel as well as bytes do, without a copy; httpx's types do not know it.
        yield cast("bytes", _NOTHING[start : min(start + SLICE_BYTES, length)])


class RawCopy:
    def __init__(self, addresses: Addresses) -> None:
        self._url = (
            f"{addresses.foundry}/openai/deployments/{MODEL}/images/generations"
            f"?api-version={API_VERSION}"
        )
        parts = dict(part.split("=", 1) for part in addresses.storage.split(";"))
        self._blobs, self._queues = parts["BlobEndpoint"], parts["QueueEndpoint"]
        self._client = new_client("raw-copy")
        self._storage = _kept_alive()

    async def make(self, order: Order) -> None:
        asked = {
            "model": MODEL,
            "prompt": order.prompt,
            "n": order.pictures,
            "stream": order.pictures == 1,
        }
        headers = {"api-key": API_KEY}
        EVIDENCE.set(Evidence())
        uploading = _Upload(self._storage, self._blobs, order)
        async with self._client.stream(
            "POST", self._url, json=asked, headers=headers, timeout=None
        ) as response:
            async for chunk in response.aiter_raw():
                await uploading.more(len(chunk) * 3 // 4)
        await uploading.finish()
        body = f"<QueueMessage><MessageText>{order.key}</MessageText></QueueMessage>"
        await self._storage.post(f"{self._queues}/{EVENTS}/messages", content=body.encode())

    async def close(self) -> None:
        await self._client.aclose()
        await self._storage.aclose()


class _Upload:
    """Uploads as many bytes as are reported, cut as the pictures of the order are."""

    def __init__(self, client: httpx.AsyncClient, blobs: str, order: Order) -> None:
        self._client = client
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

    async def _block(self, size: int) -> None:
        await self._slots.acquire()
        task = asyncio.create_task(self._put(f"comp=block&blockid={uuid.uuid4().hex}", size))
        task.add_done_callback(lambda _: self._slots.release())
        self._sending.append(task)
        self._waiting -= size
        self._begun += size

    async def _commit(self) -> None:
        await asyncio.gather(*self._sending)
        await self._put("comp=blocklist", 1000)
        self._sending.clear()
        self._picture, self._begun = self._picture + 1, 0

    async def _put(self, query: str, size: int) -> None:
        name = f"{self._order.key}/default/{self._picture}.png"
        response = await self._client.put(
            f"{self._blobs}/{CONTAINER}/{name}?{query}",
            content=_slices(size),
            headers={"content-length": str(size)},
        )
        response.raise_for_status()


def _kept_alive() -> httpx.AsyncClient:
    """The wire of the paid call, with connections that are used again, as storage's are."""
    return httpx.AsyncClient(transport=AiohttpTransport(verify=httpx.create_ssl_context()))
