"""The way with the model's own SDK: one call, the picture decoded whole, one upload, a message."""

import base64

from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient
from openai import AsyncAzureOpenAI

from tests.benchmarks.orders import Order
from tests.benchmarks.ways import API_KEY, API_VERSION, CONTAINER, EVENTS, MODEL, Addresses


class OpenAiSdk:
    def __init__(self, addresses: Addresses) -> None:
        self._client = AsyncAzureOpenAI(
            azure_endpoint=addresses.foundry, api_key=API_KEY, api_version=API_VERSION
        )
        blobs = BlobServiceClient.from_connection_string(addresses.storage)
        queues = QueueServiceClient.from_connection_string(addresses.storage)
        self._pictures = blobs.get_container_client(CONTAINER)
        self._events = queues.get_queue_client(EVENTS)

    async def make(self, order: Order) -> None:
        reply = await self._client.images.generate(
            model=MODEL, prompt=order.prompt, size="1024x1024", quality="medium", n=order.pictures
        )
        for number, item in enumerate(reply.data):
            data = base64.b64decode(item.b64_json)
            await self._pictures.upload_blob(f"{order.key}/default/{number}.png", data)
        await self._events.send_message(order.key)

    async def close(self) -> None:
        await self._client.close()
