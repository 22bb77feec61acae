"""Requests to blob and queue storage, one by one: signed, repeated where that helps, told plainly.

Written to the REST API, without the storage SDKs: a picture of 25 MB is 25 requests, each of which
cost 1.5-3 ms of CPU in the SDK's pipeline and costs a fifth of that here beside its bytes, and
importing the SDKs was half of the CPU time before the first paid call (docs/decisions/0009).

A conditional write that is repeated may find its own first try there ("it exists", "it changed"):
`stores.documents` and `stores.pictures` know that.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from ...errors import StoreUnavailable
from ...ports import Body
from ..clock import SystemClock
from .account import API_VERSION, Request, Signature

USER_AGENT: Final = "image-jobs"
#: Statuses that a later try may mend, beside 500 and above.
_PASSING: Final = frozenset({408, 429})
#: Statuses of 500 and above that none mends: not implemented, version not supported.
_LASTING: Final = frozenset({501, 505})
#: What a status means that no retry mends.
_ADVICE: Final = {
    403: "; the app's identity needs the data roles of the account (Storage Blob Data Contributor, "
    "Storage Queue Data Message Sender)",
    404: "; create it first, the app never does",
}


@dataclass(frozen=True, slots=True)
class StorageTuning:
    """How patient we are: the first repeat is at once, later ones wait `base ** repeats` seconds.

    The defaults try six times within about 30 s: longer than a partition takes to move, shorter
    than anybody waits for the account to come back while holding a finished picture.
    """

    retries: int = 5
    backoff_base: float = 2
    jitter_seconds: int = 1
    connect_seconds: int = 10
    #: Silence of the service while it owes an answer, seconds.
    read_seconds: float = 30

    def wait(self, repeats: int) -> float:
        """Return how long to wait when so many repeats have failed, seconds.

        A kept-alive connection that was closed meanwhile is nothing to wait for.
        """
        if not repeats:
            return 0.0
        jitter = self.jitter_seconds
        return self.backoff_base**repeats + random.uniform(-jitter, jitter)  # noqa: S311 (no secret)


@dataclass(frozen=True, slots=True)
class Response:
    """What the service said; header names are looked up in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def etag(self) -> str:
        """The version of what was read or written."""
        return self.headers.get("etag", "")


class StorageRefusal(StoreUnavailable):
    """The service answered, and not with what was asked for; `code` is its own word for why."""

    def __init__(self, doing: str, status: int, code: str, reason: str | None) -> None:
        super().__init__(f"{doing}: {status} {code or reason or ''}{_ADVICE.get(status, '')}")
        self.status = status
        self.code = code

    @property
    def passing(self) -> bool:
        """Whether a later try may be answered otherwise."""
        return self.status in _PASSING or (
            self.status >= 500 and self.status not in _LASTING  # noqa: PLR2004 (server errors)
        )


class StorageClient:
    """The connections to one account, kept alive, and what all requests have in common.

    Nothing is opened, and no event loop is needed, before the first request.
    """

    def __init__(
        self,
        signature: Signature,
        tuning: StorageTuning | None = None,
        *,
        clock: SystemClock | None = None,
    ) -> None:
        self._signature = signature
        #: Is corrected by what the service says.
        self._clock = clock or SystemClock()
        self._tuning = tuning or StorageTuning()
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        url: str,
        *,
        doing: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body = b"",
    ) -> Response:
        """Send a request until it is answered with success or for good.

        Raises `StorageRefusal` for any other answer, `StoreUnavailable` for none; `doing` begins
        their sentence.
        """
        repeats, renewed = 0, False
        while True:
            asking = Request(method, url, dict(query or {}), dict(headers or {}))
            try:
                return await self._once(asking, body, doing)
            except StorageRefusal as refusal:
                if refusal.status == 401 and not renewed and self._signature.refused():  # noqa: PLR2004 (HTTP)
                    renewed = True
                    continue
                if not refusal.passing or repeats == self._tuning.retries:
                    raise
            except (aiohttp.ClientError, OSError) as error:
                if repeats == self._tuning.retries:
                    raise StoreUnavailable(f"{doing}: {_describe_error(error)}") from error
            await asyncio.sleep(self._tuning.wait(repeats))
            repeats += 1

    async def close(self) -> None:
        """Close what is open."""
        session, self._session = self._session, None
        if session:
            await session.close()

    async def _once(self, asking: Request, body: bytes | Body, doing: str) -> Response:
        asking.headers["x-ms-version"] = API_VERSION
        if asking.method not in {"GET", "HEAD"}:
            asking.headers["content-length"] = str(len(body))
            asking.headers.setdefault("content-type", "application/octet-stream")
        await self._signature.sign(asking)
        sent_at = self._clock.now()
        query = f"?{urlencode(asking.query, quote_via=quote)}" if asking.query else ""
        async with self._opened(asking.url).request(
            asking.method,
            URL(f"{asking.url}{query}", encoded=True),
            headers=asking.headers,
            data=body or None,
        ) as response:
            self._clock.observe(response.headers.get("date", ""), sent_at=sent_at)
            said = await response.read()
            if response.status >= 300:  # noqa: PLR2004 (none is followed, none is expected)
                code = response.headers.get("x-ms-error-code", "")
                raise StorageRefusal(doing, response.status, code, response.reason)
            return Response(response.status, response.headers, said)

    def _opened(self, url: str) -> aiohttp.ClientSession:
        if self._session is None:
            tuning = self._tuning
            self._session = aiohttp.ClientSession(
                # What is under way at once is bounded by the blocks there are.
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"user-agent": USER_AGENT, "accept-encoding": "identity"},
                # Looked up once. `trust_env` would read ~/.netrc in a thread for each request.
                proxy=find_proxy(url),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=tuning.connect_seconds, sock_read=tuning.read_seconds
                ),
            )
        return self._session


def find_proxy(url: str) -> str | None:
    """Return the proxy that the environment names for a host, None where it is exempt or alone."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get(parts.scheme)


def _describe_error(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition('\n')[0]}"
