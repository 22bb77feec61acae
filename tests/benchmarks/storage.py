"""A storage account that costs little: keeps what is small, throws pictures away, writes all down.

It speaks as much of the Blob and Queue service as the ways need, over TLS, and answers each
request after a latency of its own.
"""

import asyncio
import hashlib
import json
import re
import ssl
import sys
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_KEY = re.compile(rb"bench-[0-9a-z-]+")
#: Bodies up to this long are kept, to be read again.
_SMALL = 1 << 18


@dataclass(slots=True)
class Account:
    """The state of the account, and its log."""

    latency: float = 0.0
    #: Keep blocks, so that the digests of whole pictures can be told.
    verify: bool = False
    blobs: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    blocks: dict[tuple[str, str], bytes] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    writes: int = 0

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> "Answer":
        """Do one request."""
        parts = urlsplit(target)
        name, query = unquote(parts.path).partition("/account/")[2], parse_qs(parts.query)
        if parts.path == "/control":
            return self._control(query)
        comp = query.get("comp", [""])[0]
        if method == "POST" or name.endswith("/messages"):
            return Answer(201, _MESSAGE, kind="send", key=_key(body))
        if comp == "block":
            if self.verify:
                self.blocks[name, query["blockid"][0]] = body
            return Answer(201, kind="block", key=_key(name.encode()))
        if comp == "blocklist":
            self._digest(name, body)
            return self._write(name, b"", headers, kind="commit")
        if method == "DELETE":
            there = self.blobs.pop(name, None)
            kind, key = f"delete {_what(name)}", _key(name.encode())
            return Answer(
                202 if there else 404, code="" if there else "BlobNotFound", kind=kind, key=key
            )
        if method == "PUT":
            if self.verify and name.endswith(".png"):
                self.digests.append(hashlib.sha256(body).hexdigest())
            return self._write(name, body, headers, kind="put")
        return self._read(method, name)

    def _write(self, name: str, body: bytes, headers: dict[str, str], *, kind: str) -> "Answer":
        there = self.blobs.get(name)
        if there and headers.get("if-none-match") == "*":
            return Answer(409, code="BlobAlreadyExists", kind=kind)
        if (wanted := headers.get("if-match")) and (not there or there[1] != wanted):
            return Answer(412, code="ConditionNotMet", kind=kind)
        self.writes += 1
        etag = f'"0x{self.writes:X}"'
        self.blobs[name] = (body if len(body) <= _SMALL else b"", etag)
        return Answer(201, etag=etag, kind=f"{kind} {_what(name)}", key=_key(name.encode()))

    def _read(self, method: str, name: str) -> "Answer":
        kind = f"{'find' if method == 'HEAD' else 'read'} {_what(name)}"
        there = self.blobs.get(name)
        if there is None:
            return Answer(404, code="BlobNotFound", kind=kind, key=_key(name.encode()))
        body, etag = there
        ranged = f"bytes 0-{len(body) - 1}/{len(body)}"
        extra = {"content-range": ranged, "x-ms-blob-type": "BlockBlob"}
        return Answer(206, body, etag=etag, kind=kind, key=_key(name.encode()), extra=extra)

    def _digest(self, name: str, listed: bytes) -> None:
        if not self.verify:
            return
        ids = re.findall(r"<(?:Latest|Uncommitted)>([^<]+)<", listed.decode())
        whole = hashlib.sha256()
        for block in ids:
            whole.update(self.blocks.pop((name, block)))
        self.digests.append(whole.hexdigest())

    def _control(self, query: dict[str, list[str]]) -> "Answer":
        told = {"log": self.log, "digests": self.digests}
        body = json.dumps(told).encode()
        self.log, self.digests, self.blobs, self.blocks = [], [], {}, {}
        self.latency = float(query["latency"][0])
        self.verify = query["verify"][0] == "True"
        return Answer(200, body, content_type="application/json")


def _what(name: str) -> str:
    """Return what kind of blob this is."""
    container, _, rest = name.partition("/")
    if container == "jobs":
        return "index entry" if rest.startswith(("open/", "ended/")) else "record"
    if container == "images":
        return "sidecar" if rest.endswith(".json") else "picture"
    return {"pace": "ledger"}.get(container, container)


def _key(text: bytes) -> str:
    found = _KEY.search(text)
    return found[0].decode() if found else ""


_MESSAGE = (
    b'<?xml version="1.0" encoding="utf-8"?><QueueMessagesList><QueueMessage>'
    b"<MessageId>5974b586-0df3-4e2d-ad0c-18e3892bfca2</MessageId>"
    b"<InsertionTime>Fri, 20 Nov 2026 12:00:00 GMT</InsertionTime>"
    b"<ExpirationTime>Fri, 31 Dec 9999 23:59:59 GMT</ExpirationTime>"
    b"<PopReceipt>YzQ4Yzg1MDItYTc0Ny00OWNjLTkxYTUtZGM0MDFiZDAwYzEw</PopReceipt>"
    b"<TimeNextVisible>Fri, 20 Nov 2026 12:00:00 GMT</TimeNextVisible>"
    b"</QueueMessage></QueueMessagesList>"
)


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


@dataclass(slots=True)
class Answer:
    """What is answered, and what is written down of it."""

    status: int
    body: bytes = b""
    etag: str = '"0x0"'
    code: str = ""
    kind: str = ""
    key: str = ""
    content_type: str = "application/xml"
    extra: dict[str, str] = field(default_factory=dict)

    def head(self) -> bytes:
        """The head of the response."""
        headers = {
            "content-length": str(len(self.body)),
            "content-type": self.content_type,
            "date": _date(int(time.time())),  # each process corrects its clock by it
            "etag": self.etag,
            "last-modified": "Fri, 20 Nov 2026 12:00:00 GMT",
            "x-ms-request-id": "5974b586-0df3-4e2d-ad0c-18e3892bfca2",
            "x-ms-request-server-encrypted": "true",
            "x-ms-version": "2025-01-05",
            **self.extra,
        }
        if self.code:
            headers["x-ms-error-code"] = self.code
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} Said\r\n{lines}\r\n".encode()


class _Connection(asyncio.Protocol):
    def __init__(self, account: Account) -> None:
        self._account = account
        self._head = b""
        self._request: tuple[str, str, dict[str, str]] | None = None
        self._body = bytearray()
        self._left = 0
        self._keep = False
        self._length = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment] # it is one

    def data_received(self, data: bytes) -> None:
        if self._request is None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._head = b""
            self._open(head.decode("latin-1"))
        if self._keep:
            self._body += data
        self._left -= len(data)
        if self._left <= 0:
            self._close()

    def _open(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        self._length = self._left = int(headers.get("content-length", "0"))
        if headers.get("transfer-encoding"):
            raise ValueError("a body without a length")
        self._keep = self._length <= _SMALL or self._account.verify
        self._request = method, target, headers

    def _close(self) -> None:
        if self._request is None:
            return
        at = time.monotonic()
        method, target, headers = self._request
        answer = self._account.answer(method, target, headers, bytes(self._body))
        self._request, self._body, self._left = None, bytearray(), 0
        wait = self._account.latency if answer.kind else 0.0
        asyncio.get_running_loop().call_later(wait, self._send, answer, at, method)

    def _send(self, answer: Answer, at: float, method: str) -> None:
        if answer.kind:
            now = time.monotonic()
            entry = {"kind": answer.kind, "key": answer.key, "at": at, "done": now}
            self._account.log.append(entry | {"status": answer.status, "bytes": self._length})
        self._transport.write(answer.head() + (b"" if method == "HEAD" else answer.body))


async def _serve(tls: ssl.SSLContext) -> None:
    loop = asyncio.get_running_loop()
    account = Account()
    server = await loop.create_server(
        lambda: _Connection(account), "127.0.0.1", 0, ssl=tls, backlog=256
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve until standard input ends; the first line of output is the port."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*sys.argv[1:3])
    asyncio.run(_serve(tls))


if __name__ == "__main__":
    main()
