"""Edits: pictures out of storage into a request, over fakes, real blobs and the emulator."""

import io
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from aiohttp import web
from PIL import Image

from shared.errors import BrokenReply, NotSent, StaleVersion
from shared.images_api.decoder import PictureData, ReplyDecoder
from shared.images_api.requests import ImageRequest, Upload, build_request
from shared.pictures.inputs import InputPicture
from shared.ports import BlockBlobs
from shared.stores.inputs import PIECE_BYTES, Inputs
from tests.builders.routed import plan
from tests.builders.strategies import deployment
from tests.contract.endpoints import LONG, endpoint_of, http
from tests.unit.local.foundry.calls import started

type Change = Callable[[str, bytes], Awaitable[None]]


def png(mode: str = "RGB", size: tuple[int, int] = (1024, 1024)) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, "navy" if mode == "RGB" else (0, 0, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


#: More than two pieces, and no multiple of three.
LARGE = bytes(range(256)) * (PIECE_BYTES // 100) + b"x"
BLOBS = {"a.png": png(), "b.png": png(), "m.png": png("RGBA"), "large": LARGE, "empty": b""}


@pytest.fixture
async def stored(blobs: BlockBlobs) -> tuple[Inputs, Change]:
    async def upload(name: str, body: bytes) -> None:
        await blobs.delete(name)
        starts = range(0, len(body), 1 << 19)  # aiohttp warns of larger bodies
        for start in starts:
            await blobs.stage(name, f"{start:010}", body[start : start + (1 << 19)])
        blocks = [f"{start:010}" for start in starts]
        await blobs.commit(name, blocks, content_type="image/png", metadata={})

    for name, body in BLOBS.items():
        await upload(name, body)
    return Inputs(blobs, blobs, "images"), upload


async def test_a_head_tells_the_version_and_the_length_of_the_whole(
    stored: tuple[Inputs, Change],
) -> None:
    inputs, change = stored
    found = await inputs.head("large", most=10)
    assert found is not None
    assert (found.head, found.length) == (LARGE[:10], len(LARGE))
    again = await inputs.head("large", most=1)
    assert again is not None
    assert again.version == found.version
    await change("large", b"another")
    other = await inputs.head("large", most=1)
    assert other is not None
    assert other.version != found.version
    assert await inputs.head("none", most=1) is None
    empty = await inputs.head("empty", most=10)
    assert empty is not None
    assert (empty.length, empty.head) == (0, b"")


async def test_a_picture_is_read_in_pieces_and_as_a_whole(stored: tuple[Inputs, Change]) -> None:
    inputs, _ = stored
    found = await inputs.head("large", most=1)
    assert found is not None
    pieces = [piece async for piece in inputs.read("large", found.version)]
    assert b"".join(pieces) == LARGE
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert len(pieces) == 3


async def test_another_version_is_not_read(stored: tuple[Inputs, Change]) -> None:
    inputs, change = stored
    found = await inputs.head("large", most=1)
    assert found is not None
    pieces = inputs.read("large", found.version)
    assert await anext(pieces)
    await change("large", LARGE[::-1])
    with pytest.raises(StaleVersion, match="'large' was changed or removed"):
        await anext(pieces)


async def looked_at(
    inputs: Inputs, *names: str, mask: str | None = None
) -> tuple[InputPicture, ...]:
    pictures, faults = await inputs.measure(names, mask)
    assert faults == ()
    return pictures


@pytest.mark.parametrize(
    ("model", "names", "mask", "options"),
    [
        ("gpt-image-2", ("a.png",), "m.png", {"moderation": "low"}),
        ("gpt-image-2", ("a.png", "b.png"), None, {}),
        ("gpt-image-1-mini", ("a.png",), None, {}),
        ("gpt-image-1.5", ("a.png",), None, {"input_fidelity": "high"}),
        ("MAI-Image-2.5", ("a.png",), None, {}),
        ("MAI-Image-2.6", ("a.png", "b.png"), None, {"web_grounding": True}),
        ("FLUX.2-pro", ("a.png", "b.png"), None, {"seed": 42, "safety_tolerance": 2}),
        ("FLUX.2-flex", ("a.png",), None, {"guidance": 2.5, "steps": 20}),
    ],
)
async def test_every_family_takes_an_edit(
    stored: tuple[Inputs, Change],
    model: str,
    names: tuple[str, ...],
    mask: str | None,
    options: dict[str, object],
) -> None:
    inputs, _ = stored
    pictures = await looked_at(inputs, *names, mask=mask)
    async with started() as calls, endpoint_of(inputs=inputs, api_key="k") as endpoint:
        url = str(calls.client.make_url("")).rstrip("/")
        served = deployment(model, endpoint=url)
        made = plan(served, model=model, inputs=names, mask=mask, options=options)
        request = build_request(made, served, n=1, prompt="a scarf", inputs=pictures)
        async with endpoint.post(request, limit=LONG, client_request_id="id-1") as reply:
            decoder = ReplyDecoder(reply.headers.get("content-type", ""))
            pieces = [piece async for chunk in reply.chunks() for piece in decoder.feed(chunk)]
            assert reply.status == 200, pieces
        assert any(isinstance(piece, PictureData) for piece in pieces)
        (line,) = calls.emulator.ledger.entries
        assert line.operation == "edits"


async def sent(request: ImageRequest, inputs: Inputs) -> tuple[dict[str, str], bytes]:
    seen: list[tuple[dict[str, str], bytes]] = []

    async def take(arrived: web.Request) -> web.Response:
        seen.append(({k.lower(): v for k, v in arrived.headers.items()}, await arrived.read()))
        return web.json_response({})

    async with http(take) as url, endpoint_of(inputs=inputs) as endpoint:
        there = ImageRequest(
            f"{url}/images", request.body, "scope", stream=False, uploads=request.uploads,
            form=request.form,
        )  # fmt: skip
        async with endpoint.post(there, limit=LONG, client_request_id="id-1") as reply:
            assert reply.status == 200
    return seen[0]


def upload(blob: str, version: str, body: bytes) -> Upload:
    picture = InputPicture(
        blob=blob, version=version, content_type="image/png", width=1, height=1, bytes=len(body)
    )
    return Upload("input_image", picture)


@pytest.mark.parametrize("form", [True, False])
async def test_a_large_picture_arrives_whole_with_its_length_said_beforehand(
    stored: tuple[Inputs, Change], *, form: bool
) -> None:
    inputs, _ = stored
    found = await inputs.head("large", most=1)
    assert found is not None
    request = ImageRequest(
        "", {"prompt": 'Küste "1"', "n": 2, "stream": True}, "", stream=True,
        uploads=(upload("large", found.version, LARGE),), form=form,
    )  # fmt: skip
    headers, body = await sent(request, inputs)
    assert int(headers["content-length"]) == len(body)
    assert "transfer-encoding" not in headers
    if form:
        assert LARGE in body
        assert b'name="n"\r\n\r\n2\r\n' in body
        assert b'name="stream"\r\n\r\ntrue\r\n' in body
        assert b"large" not in body
    else:
        document = json.loads(body)
        assert document["prompt"] == 'Küste "1"'
        assert len(document["input_image"]) == -(-len(LARGE) // 3) * 4


async def test_an_input_that_breaks_off_was_never_sent_whole_so_nothing_is_paid(
    stored: tuple[Inputs, Change],
) -> None:
    inputs, change = stored
    found = await inputs.head("large", most=1)
    assert found is not None
    await change("large", LARGE[::-1])
    whole: list[bytes] = []

    async def take(arrived: web.Request) -> web.Response:
        whole.append(await arrived.read())
        return web.json_response({})

    async with http(take) as url, endpoint_of(inputs=inputs) as endpoint:
        request = ImageRequest(
            f"{url}/images", {"prompt": "x"}, "", stream=False,
            uploads=(upload("large", found.version, LARGE),), form=True,
        )  # fmt: skip
        with pytest.raises(NotSent, match="an input broke off: StaleVersion"):
            async with endpoint.post(request, limit=LONG, client_request_id="id-1"):
                pass
    assert whole == []


async def test_an_endpoint_that_leaves_in_the_middle_of_an_upload_may_have_been_paid(
    stored: tuple[Inputs, Change],
) -> None:
    inputs, _ = stored
    found = await inputs.head("large", most=1)
    assert found is not None

    async def hang_up(arrived: web.Request) -> web.StreamResponse:
        assert arrived.transport is not None
        arrived.transport.abort()
        return web.Response()

    async with http(hang_up) as url, endpoint_of(inputs=inputs) as endpoint:
        request = ImageRequest(
            f"{url}/images", {"prompt": "x"}, "", stream=False,
            uploads=(upload("large", found.version, LARGE),), form=True,
        )  # fmt: skip
        with pytest.raises(BrokenReply):
            async with endpoint.post(
                request, limit=timedelta(seconds=20), client_request_id="id-1"
            ):
                pass
