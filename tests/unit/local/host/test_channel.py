import asyncio
import socket

import pytest

from local.host import channel
from local.host.channel import Finished, Result
from local.host.protos import PROTOS, TypedData


async def test_messages_of_the_worker_protocol_arrive_as_they_were_sent() -> None:
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=ours)
    reader, other = await asyncio.open_connection(sock=theirs)
    http = PROTOS.RpcHttp(
        status_code="200", headers={"a": "b"}, body=TypedData(bytes=b"x" * 99_999)
    )
    channel.write(writer, Finished("one", Result(returned=TypedData(http=http))))
    channel.write(writer, Finished("two", Result(error="failed")))
    first, second = await channel.read(reader), await channel.read(reader)
    assert first.result.returned.WhichOneof("data") == "http"
    assert first.result.returned.http.headers == {"a": "b"}
    assert len(first.result.returned.http.body.bytes) == 99_999
    assert second == Finished("two", Result(error="failed"))
    writer.close()
    with pytest.raises(EOFError):
        await channel.read(reader)
    other.close()
