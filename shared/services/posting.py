"""POSTs of events to other systems: small, bounded in time and in bytes, and never redirected."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver

from ..errors import NotTaken
from ..reply_headers import retry_after

#: The version is the one of pyproject.toml; a test holds them together.
USER_AGENT: Final = "image-jobs/0.1.0"
#: What is read of an answer, bytes: enough for the words of an error.
MAX_ANSWER_BYTES: Final = 4096
#: What is repeated of it.
_MAX_WORDS: Final = 200
#: Name look-up, connection, request and answer together, seconds.
LIMIT_SECONDS: Final = 15.0


class OpensResolver(Protocol):
    """How names become addresses; asked within the event loop."""

    def __call__(self) -> AbstractResolver:
        """Return a resolver."""
        ...


@dataclass(slots=True)
class Poster:
    """One session for POSTs, opened at the first of them."""

    #: None: the system's resolver, and proxies as the environment has them.
    open_resolver: OpensResolver | None = None
    tls: ssl.SSLContext | None = None
    limit_seconds: float = LIMIT_SECONDS
    _session: aiohttp.ClientSession | None = field(default=None, init=False)

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        final: frozenset[int] = frozenset(),
    ) -> None:
        """Send the body once; `NotTaken` unless the answer is a success.

        An answer whose status is in `final` would be the same each time.
        """
        try:
            async with (
                asyncio.timeout(self.limit_seconds),
                self._opened().post(
                    url, data=body, headers=dict(headers), allow_redirects=False
                ) as response,
            ):
                if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
                    return
                raise NotTaken(
                    await _words(response),
                    status=response.status,
                    retry_after=retry_after(response.headers),
                    final=response.status in final,
                )
        except TimeoutError as error:
            raise NotTaken(f"no answer within {self.limit_seconds:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotTaken(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close what is open."""
        if self._session:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = self.open_resolver() if self.open_resolver else None
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=resolver,
                    use_dns_cache=resolver is None,
                    ssl=self.tls or True,
                    # A kept connection has passed its resolver long ago.
                    force_close=resolver is not None,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"user-agent": USER_AGENT},
                # A proxy would do its own look-up, past our resolver.
                trust_env=resolver is None,
                auto_decompress=False,
            )
        return self._session


async def _words(response: aiohttp.ClientResponse) -> str:
    """Say what an answer was, without more of its body than helps."""
    said = f"{response.status} {response.reason or ''}".strip()
    if response.status < HTTPStatus.BAD_REQUEST:
        return f"{said}: a redirect is not followed; configure the address it leads to"
    body = await response.content.read(MAX_ANSWER_BYTES)
    text = " ".join(body.decode("utf-8", "replace").split())
    text = "".join(character for character in text if character.isprintable())
    return f"{said}: {text[:_MAX_WORDS]}" if text else said
