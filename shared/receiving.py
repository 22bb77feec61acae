"""A reply on its way into storage: through the decoder, picture by picture.

A picture is committed as soon as its last byte is in, so what was received whole before a reply
breaks is kept: it was paid for. Nothing here holds a picture or a reply.
"""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from .blob_names import Slot
from .decoding import PictureData, PictureDropped, PictureEnded, PictureStarted, Piece, ReplyDecoder
from .pictures import PictureMeter
from .ports import Pictures, PictureWriter, Reply, StoredPicture


async def receive(reply: Reply, receiver: "Receiver") -> dict[str, JsonValue]:
    """Hand the pictures of a reply to the receiver as they arrive, and return the rest of it.

    Raises `BrokenReply` if it is cut or none, `StoreUnavailable` if a picture can't be kept.
    """
    decoder = ReplyDecoder(reply.headers.get("content-type", ""))
    async for chunk in reply.chunks():
        for piece in decoder.feed(chunk):
            await receiver.take(piece)
    return decoder.finish().document


class Receiver:
    """Takes the decoder's pieces and keeps one writer open at a time.

    `stored` gets each picture as it ends, by its index within the task.
    """

    def __init__(
        self,
        pictures: Pictures,
        slots: Sequence[Slot],
        metadata: Mapping[str, str],
        stored: dict[int, StoredPicture],
    ) -> None:
        self._stored = stored
        self._pictures = pictures
        self._slots = slots
        self._metadata = metadata
        self._writer: PictureWriter | None = None
        self._meter = PictureMeter()

    async def take(self, piece: Piece) -> None:
        """Take the next piece; `StoreUnavailable` if a picture can't be kept."""
        match piece:
            case PictureStarted(index) if index < len(self._slots):
                self._meter = PictureMeter()
                self._writer = self._pictures.create(self._slots[index].blob)
            case PictureData(_, data) if self._writer:
                self._meter.feed(data)
                await self._writer.write(data)
            case PictureEnded(index) if self._writer:
                facts = self._meter.finish()
                slot = self._slots[index]
                self._stored[slot.index] = await self._writer.commit(facts, self._metadata)
                await self.close()
            case PictureDropped():
                await self.close()
            case _:
                # More pictures than were asked for: there is no place for them, and no one waits.
                pass

    async def close(self) -> None:
        """Forget a picture that has not ended; safe at any time."""
        writer, self._writer = self._writer, None
        if writer:
            await writer.abandon()
