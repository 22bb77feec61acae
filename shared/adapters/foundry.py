"""The images endpoint: one POST per call, never repeated, and its result.

The one question that matters when a call fails is whether the request may have reached the
endpoint, since then it may have been paid for. `NotSent` is said only with proof: no connection
was ever made. Whatever happens on a made connection, a failed write included, is `NoReply`:
bytes handed to the kernel may arrive although the call that handed them over failed.

A body is JSON or a form, with pictures streamed out of storage while they go out. It knows its
length beforehand, and it cannot be sent twice: a paid call never is. Nothing here holds a picture.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import pybase64
from pydantic import JsonValue

from ..errors import BrokenReply, CallFailed, DeliveryFailed, NoConnection, NoReply, NotSent
from ..images_api.requests import ImageRequest, Upload
from ..ports import Tokens
from ..stores.inputs import Inputs
from ..vocabulary import USER_AGENT, extension_of
from .foundry_transport import Evidence, FoundryReply, describe_error, open_session
from .storage.rest import find_proxy

_CRLF: Final = b"\r\n"
#: Failures that aiohttp means to come before the first byte; believed only with the evidence.
_BEFORE_SENDING: Final = (aiohttp.ClientConnectionError, aiohttp.ClientHttpProxyError)
#: Failures of the address itself.
_NO_REQUEST: Final = (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)


class InputLost(Exception):
    """A picture could not be read to its end: the request that was to carry it is not whole."""


class RequestBody:
    """The bytes of a request, in pieces, once."""

    def __init__(self, request: ImageRequest, inputs: Inputs) -> None:
        self.request, self.inputs = request, inputs
        #: Why it broke off before its end, if it did: then the endpoint has no whole request.
        self.failure: Exception | None = None
        self._boundary = secrets.token_hex(16)

    @property
    def content_type(self) -> str:
        """Say what the body is."""
        if self.request.form:
            return f"multipart/form-data; boundary={self._boundary}"
        return "application/json"

    def whole(self) -> bytes | None:
        """Return the body at once where it is small, None where pictures go along."""
        if self.request.uploads:
            return None
        return b"".join(part for part in self._parts() if isinstance(part, bytes))

    def __len__(self) -> int:
        return sum(
            len(part) if isinstance(part, bytes) else self._length(part) for part in self._parts()
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts():
            if isinstance(part, bytes):
                yield part
                continue
            try:
                async for piece in self._encoded(part):
                    yield piece
            except Exception as error:
                self.failure = error
                raise

    def _parts(self) -> Iterator[bytes | Upload]:
        return self._form() if self.request.form else self._json()

    def _json(self) -> Iterator[bytes | Upload]:
        text = json.dumps(self.request.body, ensure_ascii=False).encode()
        if not self.request.uploads:
            yield text
            return
        yield text.removesuffix(b"}")
        for upload in self.request.uploads:
            yield f', {json.dumps(upload.field)}: "'.encode()
            yield upload
            yield b'"'
        yield b"}"

    def _form(self) -> Iterator[bytes | Upload]:
        start = f"--{self._boundary}\r\ncontent-disposition: form-data; name=".encode()
        for name, value in self.request.body.items():
            yield start + f'"{name}"\r\n\r\n'.encode() + _as_text(value).encode() + _CRLF
        for number, upload in enumerate(self.request.uploads):
            # A name of our own: a caller's would travel in a header.
            kind = upload.picture.content_type
            filename = f"{upload.picture.role}-{number}.{extension_of(kind)}"
            yield (
                start
                + (
                    f'"{upload.field}"; filename="{filename}"\r\ncontent-type: {kind}\r\n\r\n'
                ).encode()
            )
            yield upload
            yield _CRLF
        yield f"--{self._boundary}--\r\n".encode()

    def _length(self, upload: Upload) -> int:
        length = upload.picture.bytes
        return length if self.request.form else (length + 2) // 3 * 4

    async def _encoded(self, upload: Upload) -> AsyncIterator[bytes]:
        picture, left, rest = upload.picture, upload.picture.bytes, b""
        async for piece in self.inputs.read(picture.blob, picture.version):
            left -= len(piece)
            if self.request.form:
                yield piece
                continue
            whole = rest + piece
            cut = len(whole) - len(whole) % 3
            rest = whole[cut:]
            yield pybase64.b64encode(whole[:cut])
        if left:
            raise InputLost(f"the input {picture.blob!r} is not {picture.bytes:,} bytes long")
        if rest:
            yield pybase64.b64encode(rest)


def _as_text(value: JsonValue) -> str:
    """Write a member as a field of a form: numbers and booleans as JSON has them."""
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How long a call may take to connect and to go on; the whole is bounded call by call."""

    #: Name look-up, TCP and TLS together, seconds.
    connect_seconds: float = 10.0
    #: Silence in a body that has begun to arrive, seconds. Not before: an answer that is not
    #: streamed sends nothing for minutes, and a stream may send nothing before its picture.
    read_seconds: float = 120.0


class FoundryEndpoint:
    """`ImagesEndpoint` over HTTP, with a key or with tokens.

    Nothing is opened, and no event loop is needed, before the first call.
    """

    def __init__(
        self,
        tokens: Tokens,
        inputs: Inputs,
        limits: CallLimits | None = None,
        *,
        api_key: str | None = None,
        open_session: Callable[[str], aiohttp.ClientSession] = open_session,
    ) -> None:
        self.tokens = tokens
        #: Where the pictures are that a request sends along.
        self.inputs = inputs
        self.limits = limits or CallLimits()
        self.api_key = api_key
        self._open_session = open_session
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def post(
        self, request: ImageRequest, *, limit: timedelta, client_request_id: str
    ) -> AsyncIterator[FoundryReply]:
        """Send the request once and hand over the reply while its body still arrives.

        `limit` bounds everything from connecting to the last byte. A 401 to a token makes the
        next call ask for a new one.
        """
        body = RequestBody(request, self.inputs)
        headers = {
            "content-type": body.content_type,
            "content-length": str(len(body)),
            "x-ms-client-request-id": client_request_id,
        }
        headers |= await self._authorisation(request.scope)
        host = _host(request.url)
        evidence = Evidence()
        total = asyncio.timeout(limit.total_seconds())
        try:
            async with total:
                response = await self._send(request.url, body, headers, evidence, host)
                try:
                    if response.status == HTTPStatus.UNAUTHORIZED and not self.api_key:
                        self.tokens.forget(request.scope)
                    yield FoundryReply(response, self.limits.read_seconds, total, host)
                finally:
                    response.close()
        except TimeoutError as error:
            if not total.expired():
                raise  # the caller's own
            sentence = f"{host} did not answer in full within {limit.total_seconds():g} s"
            if evidence.connected:
                raise NoReply(sentence) from error
            raise NoConnection(f"{sentence}: no connection was made") from error

    @asynccontextmanager
    async def follow(
        self, link: str, *, own: bool, limit: timedelta
    ) -> AsyncIterator[FoundryReply]:
        """Ask for a linked picture, with nothing of ours, and hand over the reply.

        Every address is looked at before it is connected to. Raises `CallFailed`; what aiohttp
        says is not repeated, since it may hold the link.
        """
        from .sinks import GuardedResolver  # noqa: PLC0415 (rare: no start waits for it)

        host = urlsplit(link).hostname or ""
        local = (host,) if own else ()
        total = asyncio.timeout(limit.total_seconds())
        try:
            async with (
                total,
                open_session(USER_AGENT, GuardedResolver(local)) as session,
                session.get(
                    link,
                    allow_redirects=False,
                    timeout=self._timeout,
                    trace_request_ctx=Evidence(),
                ) as response,
            ):
                yield FoundryReply(response, self.limits.read_seconds, total, host)
        except CallFailed:
            raise
        except TimeoutError as error:
            if not total.expired():
                raise  # the caller's own
            sentence = f"{host} did not give it within {limit.total_seconds():g} s"
            raise BrokenReply(sentence) from error
        except (aiohttp.ClientError, DeliveryFailed, OSError) as error:
            said = str(error) if isinstance(error, DeliveryFailed) else type(error).__name__
            raise BrokenReply(f"{host}: {said}") from error

    @property
    def _timeout(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=None, connect=self.limits.connect_seconds)

    async def close(self) -> None:
        """Close what is open."""
        session, self._session = self._session, None
        if session:
            await session.close()

    async def _authorisation(self, scope: str) -> dict[str, str]:
        if self.api_key:
            return {"api-key": self.api_key}
        return {"authorization": f"Bearer {await self.tokens.token(scope)}"}

    async def _send(
        self, url: str, body: RequestBody, headers: dict[str, str], evidence: Evidence, host: str
    ) -> aiohttp.ClientResponse:
        whole = body.whole()
        self._session = self._session or self._open_session(USER_AGENT)
        try:
            return await self._session.post(
                url,
                data=body if whole is None else whole,
                headers=headers,
                allow_redirects=False,
                timeout=self._timeout,
                proxy=_find_proxy(urlsplit(url)._replace(path="", query="").geturl()),
                trace_request_ctx=evidence,
            )
        except Exception as error:
            if body.failure:
                # Fewer bytes went out than were announced: no endpoint acts on half a request.
                raise NotSent(
                    f"an input broke off: {describe_error(body.failure)}"
                ) from body.failure
            raise _failure(error, evidence, host) from error


def _failure(error: Exception, evidence: Evidence, host: str) -> NotSent | NoReply:
    if not evidence.connected and isinstance(error, _NO_REQUEST):
        return NotSent(f"no request can be made for {host}: {describe_error(error)}")
    if not evidence.connected and isinstance(error, _BEFORE_SENDING):
        return NoConnection(f"no connection to {host}: {describe_error(error)}")
    return NoReply(f"{host} took the request and gave no reply: {describe_error(error)}")


@cache
def _find_proxy(origin: str) -> str | None:
    """Return the proxy of an endpoint, looked up once.

    `trust_env` would look it up, and into ~/.netrc, in two threads for each call.
    """
    return find_proxy(origin)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or url
    except ValueError as error:
        raise NotSent(f"{url!r} is no URL: {describe_error(error)}") from error
