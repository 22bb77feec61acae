"""The obvious way: what the announcement's C# sample does, in Python, into a blob.

The whole reply, parsed; the picture decoded whole; one upload; a message.
"""

import base64

import httpx
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from tests.benchmarks.orders import Order
from tests.benchmarks.ways import API_KEY, API_VERSION, CONTAINER, EVENTS, MODEL, Addresses


class Obvious:
    def __init__(self, addresses: Addresses) -> None:
        self._url = (
            f"{addresses.foundry}/openai/deployments/{MODEL}/images/generations"
            f"?api-version={API_VERSION}"
        )
        self._client = httpx.AsyncClient(timeout=None)  # noqa: S113 (the sample has none either)
        blobs = BlobServiceClient.from_connection_string(addresses.storage)
        queues = QueueServiceClient.from_connection_string(addresses.storage)
        self._pictures = blobs.get_container_client(CONTAINER)
        self._events = queues.get_queue_client(EVENTS)

    async def make(self, order: Order) -> None:
        response = await self._client.post(
            self._url,
            headers={"api-key": API_KEY},
            json={
                "prompt": order.prompt,
                "model": MODEL,
                "size": "1024x1024",
                "quality": "medium",
                "output_compression": 100,
                "output_format": "png",
                "n": order.pictures,
            },
        )
        response.raise_for_status()
        for number, item in enumerate(response.json()["data"]):
            data = base64.b64decode(item["b64_json"])
            await self._pictures.upload_blob(f"{order.key}/default/{number}.png", data)
        await self._events.send_message(order.key)

    async def close(self) -> None:
        await self._client.aclose()
