"""The wire of a paid call: one connection a call, wide reads, nothing kept, silence noticed."""

import asyncio
import gzip
import socket
import zlib

import pytest
from aiohttp import web

from shared.adapters.foundry import CallLimits
from shared.adapters.foundry_transport import (
    CHUNK_BYTES,
    KEEPALIVE_IDLE_SECONDS,
    _kept_alive_socket,
    describe_error,
)
from shared.errors import BrokenReply, UnreadableReply
from tests.contract.endpoints import (
    LONG,
    PICTURE,
    a_request,
    endpoint_of,
    http,
    read_request,
    tcp,
    whole,
)


async def test_every_call_has_a_connection_of_its_own() -> None:
    peers: list[object] = []

    async def answers(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        response = web.Response(body=b"{}")
        response.force_close = lambda: None  # type: ignore[method-assign] # it would keep it open
        return response

    async with http(answers) as url, endpoint_of() as endpoint:
        for _ in range(3):
            await whole(endpoint, url)
    assert len(set(peers)) == 3


async def test_no_cookie_is_kept() -> None:
    async def answers(request: web.Request) -> web.Response:
        response = web.json_response(dict(request.cookies))
        response.set_cookie("affinity", "one")
        return response

    async with http(answers) as url, endpoint_of() as endpoint:
        await whole(endpoint, url)
        assert await whole(endpoint, url) == (200, b"{}")


async def test_a_call_goes_through_the_proxy_of_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def answers(request: web.Request) -> web.Response:
        asked.append(str(request.url))
        return web.Response(body=b"{}")

    async with http(answers) as proxy, endpoint_of() as endpoint:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert await whole(endpoint, "http://far.example") == (200, b"{}")
        assert await whole(endpoint, proxy) == (200, b"{}")
    assert asked == ["http://far.example/images", f"{proxy}/images"]


def deflate(text: bytes) -> bytes:
    """Raw deflate: what some servers send under the name, without the head of zlib."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush()


BODY = b'{"x": "' + b"y" * 3 * CHUNK_BYTES + b'"}'
ZIPPED = gzip.compress(BODY, mtime=0)
ZIPPED_IN_TWO = gzip.compress(BODY[:99], mtime=0) + gzip.compress(BODY[99:], mtime=0)


@pytest.mark.parametrize("status", [200, 201, 429])
@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (ZIPPED, "gzip"),
        (ZIPPED, "X-GZIP"),
        (ZIPPED, None),
        (ZIPPED_IN_TWO, "gzip"),
        (gzip.compress(ZIPPED, mtime=0), "gzip, gzip"),
        (BODY, "gzip"),
        (BODY, "identity"),
        (zlib.compress(BODY), "deflate"),
        (deflate(BODY), "deflate"),
    ],
    ids=range(9),
)
async def test_a_packed_body_is_unpacked_in_pieces(
    packed: bytes, encoding: str | None, status: int
) -> None:
    async def packs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(packed)}\r\n"
        head += f"Content-Encoding: {encoding}\r\n" if encoding else ""
        writer.write(f"{head}\r\n".encode() + packed)
        await writer.drain()

    async with tcp(packs) as url, endpoint_of() as endpoint:
        assert await whole(endpoint, url) == (status, BODY)


@pytest.mark.parametrize(
    ("body", "encoding", "error"),
    [
        (b"?", "br", UnreadableReply),
        (ZIPPED[:9] + b"broken bytes", "gzip", UnreadableReply),
        (b"\x78no deflate", "deflate", UnreadableReply),
        (ZIPPED[:-20], "gzip", BrokenReply),
    ],
    ids=range(4),
)
async def test_what_can_not_be_unpacked_is_told_apart_from_what_is_cut(
    body: bytes, encoding: str, error: type[BrokenReply]
) -> None:
    async def packs(_request: web.Request) -> web.Response:
        return web.Response(body=body, headers={"content-encoding": encoding})

    async with http(packs) as url, endpoint_of() as endpoint:
        with pytest.raises(BrokenReply) as caught:
            await whole(endpoint, url)
    assert caught.type is error


async def test_headers_of_64_kib_are_read() -> None:
    async def answers(_request: web.Request) -> web.Response:
        return web.Response(body=b"{}", headers={"x-content-filter": "y" * 65_000})

    async with http(answers) as url, endpoint_of() as endpoint:
        assert await whole(endpoint, url) == (200, b"{}")


async def test_a_body_that_stalls_is_a_broken_reply_after_the_silence() -> None:
    async def stalls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await reader.read()

    async with tcp(stalls) as url, endpoint_of(limits=CallLimits(1, 0.05)) as endpoint:
        with pytest.raises(BrokenReply, match=r"nothing came for 0\.05 s"):
            await whole(endpoint, url)


async def test_a_body_that_has_not_begun_may_be_silent_for_longer() -> None:
    go_on = asyncio.Event()

    async def thinks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await go_on.wait()
        writer.write(b"{}")
        await writer.drain()

    async with tcp(thinks) as url, endpoint_of(limits=CallLimits(1, 0.01)) as endpoint:
        asyncio.get_running_loop().call_later(0.1, go_on.set)
        assert await whole(endpoint, url) == (200, b"{}")


async def test_reads_are_wide_and_nothing_is_lost_between_them() -> None:
    async def answers(_request: web.Request) -> web.Response:
        return web.Response(body=PICTURE)

    async with (
        http(answers) as url,
        endpoint_of() as endpoint,
        endpoint.post(a_request(url), limit=LONG, client_request_id="1") as reply,
    ):
        chunks = [chunk async for chunk in reply.chunks()]
    assert b"".join(chunks) == PICTURE
    assert max(map(len, chunks)) <= CHUNK_BYTES
    assert len(chunks) < len(PICTURE) / 16_384  # fewer than one for each record of TLS


def test_a_silent_connection_is_kept_alive_for_longer_than_a_gateway_forgets_it() -> None:
    made = _kept_alive_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1)))
    with made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    assert idle == KEEPALIVE_IDLE_SECONDS < 240  # Azure forgets after four minutes


def test_an_error_names_its_kind_and_what_it_says() -> None:
    assert describe_error(OSError("cut off")) == "OSError cut off"
    assert describe_error(TimeoutError()) == "TimeoutError"
