"""Linked pictures over HTTP: from where a reply says, with nothing of ours, and never inward."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from typing import override
from urllib.parse import urlsplit

import httpx
from aiohttp.abc import AbstractResolver

from ..errors import BrokenReply, CallFailed, DeliveryFailed
from .foundry_transport import EVIDENCE, Evidence, FoundryReply, WideTransport, new_client
from .webhook import USER_AGENT, GuardedResolver


class GuardedTransport(WideTransport):
    """The paid call's transport, with a look at every address before it is connected to."""

    #: Hosts that may be of this network.
    local: tuple[str, ...] = ()

    @override
    def open_resolver(self) -> AbstractResolver | None:
        return GuardedResolver(self.local)


@asynccontextmanager
async def followed(
    link: str, *, own: bool, limit: timedelta, connect_seconds: float, read_seconds: float
) -> AsyncIterator[FoundryReply]:
    """Ask for a linked picture and hand over the reply while its body still arrives.

    Raises `CallFailed`; what httpx says is not repeated, since it may hold the link.
    """
    host = urlsplit(link).hostname or ""
    transport = GuardedTransport(verify=_trust())
    transport.local = (host,) if own else ()
    noting, total = EVIDENCE.set(Evidence()), asyncio.timeout(limit.total_seconds())
    try:
        async with total, new_client(USER_AGENT, transport=transport) as client:
            timeout = httpx.Timeout(None, connect=connect_seconds, pool=connect_seconds)
            async with client.stream("GET", link, timeout=timeout) as response:
                yield FoundryReply(response, read_seconds, total, host)
    except CallFailed:
        raise
    except TimeoutError as error:
        if not total.expired():
            raise  # the caller's own
        raise BrokenReply(f"{host} did not give it within {limit.total_seconds():g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, DeliveryFailed, OSError) as error:
        said = str(error) if isinstance(error, DeliveryFailed) else type(error).__name__
        raise BrokenReply(f"{host}: {said}") from error
    finally:
        EVIDENCE.reset(noting)


@cache
def _trust() -> ssl.SSLContext:
    """Return whom we trust, read once: it takes 20 ms, in which every other call stands still."""
    return httpx.create_ssl_context()
