"""Receive a reply: decode it and store each picture.

A picture is committed at its last byte, so pictures that arrived before a reply breaks are kept:
they were paid for. No picture or reply is loaded whole into memory.

A reply may link pictures instead of sending them. A link is not trusted: it is followed only to the
endpoint itself, or by https to a host that the operator has named for the deployment, without
credentials, without redirects and within limits. A link grants access, so only its host is logged.
"""

import fnmatch
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from ...config.url_policy import is_address, split_url
from ...errors import BrokenReply, CallFailed, NameTaken, StoreUnavailable, UnreadableReply
from ...images_api.decoder import (
    PictureData,
    PictureDropped,
    PictureEnded,
    PictureEvent,
    PictureSpoiled,
    PictureStarted,
    PreviewEvent,
    ReplyDecoder,
    ReplyRest,
)
from ...images_api.outcomes import PICTURE_LINKED, STORE_FAILED, UNREADABLE, Loss
from ...images_api.requests import ImageRequest
from ...pictures.measuring import PictureMeter
from ...ports import ImagesEndpoint, Reply, StoredPicture
from ...stores.pictures import Pictures, PictureWriter
from ...vocabulary import Slot, name_by_type, preview_name


async def receive(
    reply: Reply, receiver: "Receiver", previews: "PreviewReceiver | None" = None
) -> ReplyRest:
    """Hand the pictures of a reply to the receiver as they arrive, and return the rest of it.

    Their drafts go to `previews`, where there is one.

    Of a reply that is not 200, a 202 say, what can't be read is empty: its status tells more. Else
    raises `BrokenReply` if it is cut, `UnreadableReply` if it is neither JSON nor an event stream.
    """
    decoder = ReplyDecoder(reply.headers.get("content-type", ""))
    try:
        async for chunk in reply.chunks():
            for piece in decoder.feed(chunk):
                if not isinstance(piece, PreviewEvent):
                    await receiver.take(piece)
                elif previews:
                    await previews.take(piece.of_draft)
        return decoder.finish()
    except BrokenReply:
        if reply.status == HTTPStatus.OK:
            raise
        return ReplyRest({}, 0)
    finally:
        if previews:
            await previews.close()


class Receiver:
    """Writes the decoder's pieces, one picture at a time; what spoils one does not harm the next.

    `stored` gets each picture as it ends, by its index within the task. A picture's name ends in
    what the picture is, whatever was asked for.
    """

    def __init__(
        self,
        pictures: Pictures,
        slots: Sequence[Slot],
        metadata: Mapping[str, str],
        stored: dict[int, StoredPicture],
    ) -> None:
        #: Why a picture is not stored, by its position in the reply.
        self.losses: dict[int, Loss] = {}
        self._stored = stored
        self._pictures = pictures
        self._slots = slots
        self._metadata = metadata
        self._meter: PictureMeter | None = None  # None: what comes is not stored
        self._start = b""  # of the picture, until it shows its type
        self._writer: PictureWriter | None = None

    async def take(self, piece: PictureEvent) -> None:
        """Take the next piece."""
        try:
            await self._take(piece)
        except UnreadableReply as error:
            await self._lose(piece.index, Loss(UNREADABLE, str(error)))
        except (StoreUnavailable, NameTaken) as error:
            why = f"it was made and could not be stored: {error}"
            await self._lose(piece.index, Loss(STORE_FAILED, why))

    async def _take(self, piece: PictureEvent) -> None:
        match piece:
            case PictureStarted(index) if index < len(self._slots):
                self._meter, self._start = PictureMeter(), b""
            case PictureData(index, data) if self._meter:
                self._meter.feed(data)
                await self._write(self._slots[index], data, self._meter.content_type)
            case PictureEnded(index) if self._meter:
                facts = self._meter.finish()
                if self._writer:
                    stored = await self._writer.commit(facts, self._metadata)
                    self._stored[self._slots[index].index] = stored
                await self.close()
            case PictureSpoiled(index, reason) if self._meter:
                raise UnreadableReply(reason)
            case PictureDropped(index):
                self.losses.pop(index, None)
                await self.close()
            case _:
                # More pictures than were asked for, which have no blob, or the rest of a lost one.
                pass

    async def _write(self, slot: Slot, data: bytes, content_type: str | None) -> None:
        if self._writer is None:
            if content_type is None:
                self._start += data[: _TYPE_BYTES - len(self._start)]
                return
            self._writer = self._create(slot, content_type)
            data = self._start + data
        await self._writer.write(data)

    def _create(self, slot: Slot, content_type: str) -> PictureWriter:
        return self._pictures.create(name_by_type(slot.blob, content_type))

    async def _lose(self, index: int, loss: Loss) -> None:
        self.losses[index] = loss
        await self.close()

    async def close(self) -> None:
        """Forget a picture that has not ended; safe at any time."""
        writer, self._writer, self._meter = self._writer, None, None
        if writer:
            await writer.abandon()


class PreviewReceiver(Receiver):
    """Writes drafts, each in place of the one before; one that is lost is just not shown."""

    def _create(self, slot: Slot, content_type: str) -> PictureWriter:  # noqa: ARG002 (one name for any type)
        return self._pictures.create_preview(preview_name(slot.blob))


#: Bytes that show the type of a picture.
_TYPE_BYTES: Final = 12
#: The longest linked picture, bytes: four bytes for each pixel of the largest size, 4K.
MOST_BYTES: Final = 4 * 3840 * 2160
#: The time for all links of a reply together; their pictures exist already.
MOST_TIME: Final = timedelta(seconds=60)
#: A picture that is paid for is fetched again when its reply broke.
TRIES: Final = 3

_HTTPS: Final = 443

type Take = Callable[[PictureEvent], Awaitable[None]]


async def follow(
    links: Sequence[str],
    request: ImageRequest,
    take: Take,
    endpoint: ImagesEndpoint,
    *,
    first: int,
    limit: timedelta,
) -> dict[int, Loss]:
    """Hand over the pieces of every linked picture; return why some could not be fetched.

    `first` is the position of the first linked picture, after those that the reply holds.
    """
    each = min(limit, MOST_TIME) / (len(links) * TRIES)
    follower = _Follower(request, take, endpoint, each)
    reasons = {at: await follower.fetch(at, link) for at, link in enumerate(links, first)}
    return {at: Loss(PICTURE_LINKED, why) for at, why in reasons.items() if why}


def refusal_of(link: str, request: ImageRequest) -> str | None:
    """Return why a link is not followed; None when it is."""
    try:
        parts = split_url(link)
    except ValueError as error:
        return f"the reply links its picture by an address that is not followed: {error}"
    if _is_own(link, request):
        return None
    host = (parts.hostname or "").lower()
    if parts.scheme != "https" or parts.port not in {None, _HTTPS}:
        return f"the reply links its picture at {host!r}, not by https on port 443"
    if not is_address(host) and any(
        fnmatch.fnmatchcase(host, pattern) for pattern in request.picture_hosts
    ):
        return None
    return (
        f"the reply links its picture at {host!r} instead of sending it; if that host is the "
        "provider's, name it in picture_hosts of the deployment"
    )


def _is_own(link: str, request: ImageRequest) -> bool:
    """Tell whether a link leads to the origin that was called."""
    return _origin(link) == _origin(request.url)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": _HTTPS}.get(parts.scheme)


@dataclass(frozen=True, slots=True)
class _Follower:
    """Follows the links of one reply."""

    request: ImageRequest
    take: Take
    endpoint: ImagesEndpoint
    #: Of one try.
    limit: timedelta

    async def fetch(self, index: int, link: str) -> str | None:
        """Try a link until its picture is stored; return why it could not be."""
        why = refusal_of(link, self.request)
        tries = 0 if why else TRIES
        for _ in range(tries):
            try:
                return await self._once(index, link)
            except CallFailed as error:
                await self.take(PictureDropped(index))
                why = f"the picture that the reply links could not be fetched: {error}"
                if isinstance(error, UnreadableReply):
                    break
        return why

    async def _once(self, index: int, link: str) -> str | None:
        host, own = urlsplit(link).hostname, _is_own(link, self.request)
        async with self.endpoint.follow(link, own=own, limit=self.limit) as reply:
            if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise BrokenReply(f"{host} answered {reply.status}")
            if reply.status != HTTPStatus.OK:
                return f"the picture that the reply links was not given: {host} said {reply.status}"
            length = 0
            await self.take(PictureStarted(index))
            async for chunk in reply.chunks():
                length += len(chunk)
                if length > MOST_BYTES:
                    raise UnreadableReply(f"it has more than {MOST_BYTES:,} bytes")
                await self.take(PictureData(index, chunk))
            await self.take(PictureEnded(index))
        return None
