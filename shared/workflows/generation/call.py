"""Make one paid call, and return every result as an outcome.

The receiver is imported with the first good reply, not at the start. It takes 10 ms, while the
endpoint draws if it streams.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from ...catalogue.pricing import Usage
from ...errors import BrokenReply, CallFailed, CredentialUnavailable
from ...images_api.outcomes import Outcome, OutcomeKind, of_failure, of_losses, of_reply
from ...images_api.replies import find_links, find_revised_prompts
from ...images_api.requests import ImageRequest
from ...ports import Reply, StoredPicture
from ...stores.world import World
from ...vocabulary import Slot

if TYPE_CHECKING:
    from .receive import Receiver

#: Error bodies are small; what is longer than this is cut before it is read.
MAX_ERROR_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class CallResult:
    """The result of a call: its outcome, the stored pictures, and its usage."""

    outcome: Outcome
    stored: Mapping[int, StoredPicture]
    usage: Usage | None = None


async def call(
    world: World,
    request: ImageRequest,
    slots: Sequence[Slot],
    *,
    metadata: Mapping[str, str],
    limit: timedelta,
    client_request_id: str,
) -> CallResult:
    """Make one call and store its pictures; return every result as an outcome."""
    receiver: Receiver | None = None
    stored: dict[int, StoredPicture] = {}
    headers: Mapping[str, str] = {}
    now = world.clock.now
    started_at = now()
    try:
        async with world.endpoint.post(
            request, limit=limit, client_request_id=client_request_id
        ) as reply:
            headers = reply.headers
            if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
                document, text = await _error_body(reply)
                outcome = of_reply(reply.status, headers, document, text, now=now())
                return CallResult(outcome, {})
            from . import receive  # noqa: PLC0415 (see the module)

            receiver = receive.Receiver(world.pictures, slots, metadata, stored)
            previews = None
            if request.previews:
                previews = receive.PreviewReceiver(world.pictures, slots, metadata, {})
            rest = await receive.receive(reply, receiver, previews)
        outcome = of_reply(reply.status, headers, rest.document, "", now=now())
        if links := find_links(rest.document)[: max(len(slots) - rest.pictures, 0)]:
            left = max(limit - (now() - started_at), timedelta())
            receiver.losses |= await receive.follow(
                links, request, receiver.take, world.endpoint, first=rest.pictures, limit=left
            )
        for place, text in find_revised_prompts(rest.document).items():
            if place < len(slots) and (picture := stored.get(slots[place].index)):
                stored[slots[place].index] = replace(picture, revised_prompt=text)
        outcome = of_losses(outcome, receiver.losses, stored=len(stored))
        return CallResult(outcome, stored, Usage.read(rest.document))
    except CallFailed as error:
        outcome = of_failure(error, headers=headers)
        losses = receiver.losses if receiver else {}
        return CallResult(of_losses(outcome, losses, stored=len(stored)), stored)
    except CredentialUnavailable as error:
        return CallResult(_not_sent(error), {})
    finally:
        if receiver:
            await receiver.close()


async def _error_body(reply: Reply) -> tuple[JsonValue | None, str]:
    """Return an error reply's body as JSON where it is JSON, and as text.

    A body may be cut: the status alone says whether the call was paid.
    """
    body = b""
    try:
        async for chunk in _bounded(reply.chunks(), MAX_ERROR_BYTES):
            body += chunk
    except BrokenReply:
        pass
    text = body.decode("utf-8", "replace")
    try:
        document: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return None, text
    return document, text


async def _bounded(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    left = limit
    async for chunk in chunks:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


def _not_sent(error: CredentialUnavailable) -> Outcome:
    """Return the outcome of a call that was not made because there is no token."""
    return Outcome(
        kind=OutcomeKind.NOT_SENT, code="no_credential", message=str(error), charged="no"
    )
