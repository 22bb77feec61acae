"""What surely never left, and what may have: told apart on real connections."""

import asyncio
import socket

import pytest

from shared.adapters.foundry import CallLimits
from shared.errors import BrokenReply, NotSent
from tests.contract.endpoints import SHORT, Answer, endpoint_of, read_request, tcp, whole


async def test_a_closed_port_is_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with endpoint_of() as endpoint:
            with pytest.raises(NotSent, match=r"no connection to 127\.0\.0\.1"):
                await whole(endpoint, f"http://127.0.0.1:{port}")


async def test_an_unknown_host_is_not_sent() -> None:
    async with endpoint_of() as endpoint:
        with pytest.raises(NotSent, match=r"no connection to nowhere\.invalid"):
            await whole(endpoint, "http://nowhere.invalid")


async def test_a_url_that_is_none_is_not_sent() -> None:
    async with endpoint_of() as endpoint:
        for url in ("ftp://127.0.0.1", "http://127.0.0.1:99999", "http://[", "nonsense"):
            with pytest.raises(NotSent):
                await whole(endpoint, url)


async def test_a_failed_tls_handshake_is_not_sent() -> None:
    async def speaks_no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with tcp(speaks_no_tls) as url, endpoint_of() as endpoint:
        with pytest.raises(NotSent):
            await whole(endpoint, url.replace("http:", "https:"))


async def test_a_connection_nobody_accepts_is_not_sent() -> None:
    async def stays_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with tcp(stays_silent) as url, endpoint_of(limits=CallLimits(0.1)) as endpoint:
        with pytest.raises(NotSent):
            await whole(endpoint, url.replace("http:", "https:"))


async def test_a_limit_that_ends_before_there_is_a_connection_is_not_sent() -> None:
    async def stays_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with tcp(stays_silent) as url, endpoint_of() as endpoint:
        with pytest.raises(NotSent, match="no connection was made"):
            await whole(endpoint, url.replace("http:", "https:"), SHORT)


async def closes_at_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def resets_at_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def closes_after_the_request(
    reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
) -> None:
    await read_request(reader)


async def resets_after_the_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await read_request(reader)
    writer.transport.abort()


async def answers_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"nonsense\r\n\r\n")


async def cuts_the_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")


async def cuts_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


async def cuts_a_chunk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{")


async def miscounts_a_chunk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{")


@pytest.mark.parametrize(
    "answer",
    [
        closes_at_once,
        resets_at_once,
        closes_after_the_request,
        resets_after_the_request,
        answers_nonsense,
        cuts_the_head,
        cuts_the_body,
        cuts_a_chunk,
        miscounts_a_chunk,
    ],
)
async def test_whatever_happens_on_a_connection_is_a_broken_reply(answer: Answer) -> None:
    async with tcp(answer) as url, endpoint_of() as endpoint:
        with pytest.raises(BrokenReply) as caught:
            await whole(endpoint, url)
    assert caught.value.__cause__ is not None
