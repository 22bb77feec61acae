"""Calls to an emulator that runs inside the test."""

import base64
import contextlib
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any  # of JSON, and of form fields

import aiohttp
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from local.foundry.api.server import Foundry
from local.foundry.state.emulator import Emulator
from local.foundry.state.models import Deployment, default_deployments
from local.foundry.state.quota import Clock
from local.foundry.state.settings import Settings

DATED = "/openai/deployments/{}/images/{}?api-version=2025-04-01-preview"
V1 = "/openai/v1/images/{}?api-version=preview"
SMALL = "1024x640"  # the smallest area the free sizes have
PLAIN = {"prompt": "A red fox", "size": SMALL, "quality": "low"}
KEY = {"api-key": "local-key"}


@dataclass
class Calls:
    """A client of the emulator, and the world behind it."""

    client: TestClient[Any, Any]
    emulator: Emulator

    async def generate(
        self,
        body: dict[str, Any] | None = None,
        *,
        deployment: str = "gpt-image-2",
        fault: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        sent = {**KEY, **(headers or {}), **({"x-emulator-fault": fault} if fault else {})}
        url = DATED.format(deployment, "generations")
        return await self.client.post(url, json={**PLAIN, **(body or {})}, headers=sent)

    async def error(self, body: dict[str, Any], *, deployment: str = "gpt-image-2") -> Any:  # noqa: ANN401  # JSON
        """The error object of a call that must be refused with 400."""
        reply = await self.generate(body, deployment=deployment)
        assert reply.status == 400, await reply.text()
        return (await reply.json())["error"]

    async def edit(
        self,
        deployment: str = "gpt-image-2",
        url: str = DATED,
        **fields: Any,  # noqa: ANN401  # form fields
    ) -> aiohttp.ClientResponse:
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in {"prompt": "Make it blue", "size": SMALL, **fields}.items():
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, bytes):
                    form.add_field(
                        name, io.BytesIO(each), filename="a.png", content_type="image/png"
                    )
                elif each is not None:
                    form.add_field(name, str(each))
        return await self.client.post(url.format(deployment, "edits"), data=form, headers=KEY)

    async def admin(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401  # JSON
        reply = await self.client.request(method, f"/admin/{path}", json=body)
        assert reply.status == 200, await reply.text()
        return await reply.json()


@contextlib.asynccontextmanager
async def started(
    deployments: tuple[Deployment, ...] | None = None,
    *,
    clock: Clock | None = None,
    **switches: Any,  # noqa: ANN401  # those of Settings
) -> AsyncIterator[Calls]:
    settings = Settings(**{"time_scale": 0, **switches})
    emulator = Emulator(deployments or default_deployments(600), settings, clock=clock)
    async with TestClient(TestServer(Foundry(emulator).application())) as client:
        yield Calls(client, emulator)


def picture(text: str) -> Image.Image:
    """The picture a base64 string holds, opened whole."""
    image = Image.open(io.BytesIO(base64.b64decode(text, validate=True)))
    image.load()
    return image


def png(width: int, height: int, mode: str = "RGBA") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream, comments left out."""
    found = []
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith(":")]
        if lines:
            name, data = lines
            assert name.startswith("event: ")
            assert data.startswith("data: ")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found
