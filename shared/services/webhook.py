"""Webhooks as sinks: a signed POST (Standard Webhooks) to an address that was looked at first."""

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from pydantic import JsonValue

from ..addresses import is_public, is_reachable_here
from ..errors import NotTaken
from ..webhooks import Webhook
from .posting import Poster

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
        """Sign and send the event; `NotTaken` unless the receiver says that it has it."""
        # Here, not above: most apps have no webhook.
        from standardwebhooks import Webhook as Signer  # noqa: PLC0415 - as said above

        body, event_id, now = json.dumps(event), str(event["id"]), datetime.now(UTC)
        signed = [
            Signer(key.get_secret_value()).sign(event_id, now, body) for key in self.webhook.keys
        ]
        headers = {
            "content-type": _CONTENT_TYPE,
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signed),
        }
        await self.poster.post(self.webhook.url, body.encode(), headers, final=_FINAL)


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
        """Return the addresses of a name; `NotTaken` if any of them is none to connect to."""
        found = await self._inner.resolve(host, port, family)
        allowed = is_reachable_here if host in self._local else is_public
        for each in found:
            if not allowed(each["host"]):
                raise NotTaken(f"{host} is at {each['host']}, where no receiver can be")
        return found

    async def close(self) -> None:
        """Close what is open."""
        await self._inner.close()


def guarded(local: tuple[str, ...]) -> Poster:
    """Return a poster that reaches the internet, and of this network only these hosts."""
    return Poster(open_resolver=lambda: GuardedResolver(local))
