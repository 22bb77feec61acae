"""Event Grid as a sink: each event to a topic that takes CloudEvents 1.0.

One POST is all the publishing SDK does for a single event, so there is no SDK: it would cost a
seventh of a second of every cold start.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from pydantic import JsonValue

from ..errors import CredentialUnavailable, DeliveryFailed
from ..ports import Tokens
from .webhook import Poster

SCOPE: Final = "https://eventgrid.azure.net/.default"
#: Of the publishing API; https://learn.microsoft.com/rest/api/eventgrid/dataplane.
_API_VERSION: Final = "2018-01-01"
_CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
#: The topic has another schema, or the event is too large for it.
_FINAL: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})


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
            await self.poster.post(url, body, headers, final=_FINAL)
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
