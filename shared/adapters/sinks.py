"""Sinks of events: webhooks and callbacks, and a topic of Event Grid.

A webhook is a signed POST (Standard Webhooks) to an address that was looked at first. Event Grid
gets one POST for each CloudEvent, which is all its SDK does for one: the SDK would cost a seventh
of a second of every cold start. Each POST is small, bounded in time and in bytes, and is never
redirected.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from pydantic import JsonValue, SecretStr

from ..config.url_policy import Webhook, is_public, is_reachable_here
from ..errors import CredentialUnavailable, DeliveryFailed
from ..images_api.replies import read_retry_after
from ..ports import Tokens
from ..vocabulary import USER_AGENT

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
        """Send the body once; `DeliveryFailed` unless the answer is a success.

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
                raise DeliveryFailed(
                    await _words(response),
                    status=response.status,
                    retry_after=read_retry_after(response.headers),
                    final=response.status in final,
                )
        except TimeoutError as error:
            raise DeliveryFailed(f"no answer within {self.limit_seconds:g} s") from error
        except aiohttp.InvalidURL:  # its text holds the URL, which may hold a secret
            raise DeliveryFailed("the URL can't be requested", final=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeliveryFailed(f"{type(error).__name__}: {error}") from error

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


_CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
#: The receiver has switched the webhook off (Standard Webhooks): it gets no more of this event.
_FINAL: Final = frozenset({HTTPStatus.GONE})


@dataclass(frozen=True, slots=True)
class WebhookSink:
    """`Sink` of one receiver."""

    webhook: Webhook
    poster: Poster

    @property
    def name(self) -> str:
        """Return the sink's name."""
        return f"webhook-{self.webhook.name}"

    def wants(self, event_type: str) -> bool:
        """Tell whether events of this type are for this receiver."""
        return self.webhook.wants(event_type)

    async def take(self, event: Mapping[str, JsonValue]) -> None:
        """Sign and send the event; `DeliveryFailed` unless the receiver says that it has it."""
        await _post_signed(event, self.webhook.url, self.webhook.keys, self.poster)


@dataclass(frozen=True, slots=True)
class CallbackSink:
    """`Sink` of the URL that a job names."""

    url: str = field(repr=False)
    keys: tuple[SecretStr, ...]
    poster: Poster
    name: str = "callback"

    def wants(self, event_type: str) -> bool:
        """Tell that events of every type are for this receiver."""
        del event_type
        return True

    async def take(self, event: Mapping[str, JsonValue]) -> None:
        """Sign and send the event; `DeliveryFailed` unless the receiver says that it has it."""
        await _post_signed(event, self.url, self.keys, self.poster)


async def _post_signed(
    event: Mapping[str, JsonValue], url: str, keys: Sequence[SecretStr], poster: Poster
) -> None:
    """Send the event, signed with each of the keys as Standard Webhooks define it."""
    # Here, not above: most apps have no webhook.
    from standardwebhooks import Webhook as Signer  # noqa: PLC0415 - as said above

    body, event_id, now = json.dumps(event), str(event["id"]), datetime.now(UTC)
    signed = [Signer(key.get_secret_value()).sign(event_id, now, body) for key in keys]
    headers = {
        "content-type": _CONTENT_TYPE,
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signed),
    }
    await poster.post(url, body.encode(), headers, final=_FINAL)


class GuardedResolver(AbstractResolver):
    """Looks a name up once for each connection, and lets no address pass that leads inward.

    What it returns is what is connected to, with the name in TLS and in `Host`: a name that points
    elsewhere a moment later changes nothing. One bad address among good ones refuses all.
    """

    def __init__(
        self, local: tuple[str, ...], open_inner: Callable[[], AbstractResolver] = ThreadedResolver
    ) -> None:
        self._local = local
        self._inner = open_inner()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name; raise `DeliveryFailed` when one of them is forbidden."""
        found = await self._inner.resolve(host, port, family)
        allowed = is_reachable_here if host in self._local else is_public
        for each in found:
            if not allowed(each["host"]):
                raise DeliveryFailed(f"{host} is at {each['host']}, where no receiver can be")
        return found

    async def close(self) -> None:
        """Close what is open."""
        await self._inner.close()


def guarded(local: tuple[str, ...]) -> Poster:
    """Return a poster that reaches the internet, and of this network only these hosts."""
    return Poster(open_resolver=lambda: GuardedResolver(local))


#: What a token for Event Grid is requested for.
SCOPE: Final = "https://eventgrid.azure.net/.default"
#: Of the publishing API; https://learn.microsoft.com/rest/api/eventgrid/dataplane.
_API_VERSION: Final = "2018-01-01"
#: The topic has another schema, or the event is too large for it.
_REFUSED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})


@dataclass(frozen=True, slots=True)
class EventGridTopic:
    """`Sink` of an Event Grid topic, with a key or with tokens."""

    endpoint: str
    tokens: Tokens
    key: str | None = field(default=None, repr=False)
    poster: Poster = field(default_factory=Poster)
    name: str = "event-grid"

    def wants(self, event_type: str) -> bool:  # noqa: ARG002 (the topic's subscriptions filter)
        """Tell that all events are for the topic."""
        return True

    async def take(self, event: Mapping[str, JsonValue]) -> None:
        """Publish the event; `DeliveryFailed` unless the topic has it."""
        body = json.dumps(event).encode()
        url = f"{self.endpoint}?api-version={_API_VERSION}"
        try:
            headers = {"content-type": _CONTENT_TYPE} | await self._authorisation()
            await self.poster.post(url, body, headers, final=_REFUSED)
        except CredentialUnavailable as error:
            raise DeliveryFailed(str(error)) from error
        except DeliveryFailed as error:
            if error.status == HTTPStatus.UNAUTHORIZED and not self.key:
                self.tokens.forget(SCOPE)
            raise

    async def _authorisation(self) -> dict[str, str]:
        if self.key:
            return {"aeg-sas-key": self.key}
        return {"authorization": f"Bearer {await self.tokens.token(SCOPE)}"}
