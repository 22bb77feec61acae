"""Decode the reply of an images endpoint while it arrives: return pictures, keep the rest."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

import pybase64
from pydantic import JsonValue

from ..errors import BrokenReply, UnreadableReply
from .json_extractor import EXCERPT_BYTES, Boundary, Extract, JsonExtractor, excerpt
from .sse import EventData, EventName, EventPart, EventStream


class EventKind(Enum):
    """How an event of an image stream is handled."""

    #: Its pictures are results, and its other members (`usage`) belong to the reply.
    COMPLETED = auto()
    #: A draft of a picture: handed out as a preview, never as a result.
    PARTIAL = auto()
    #: An error of the provider.
    ERROR = auto()
    #: Ignored: `keepalive`, progress, unknown events.
    OTHER = auto()
    #: Not known yet: the event has no name (`message` is the default name).
    UNKNOWN = auto()


def classify_event_name(name: str) -> EventKind:
    """Return the kind of an event by its `event:` line or its `type`.

    `image_generation.completed` and `image_edit.completed` come from Azure and OpenAI; gateways
    use other words before the dot.
    """
    match name.rpartition(".")[2]:
        case "completed":
            return EventKind.COMPLETED
        case "partial_image":
            return EventKind.PARTIAL
        case "error" | "failed":
            return EventKind.ERROR
        case "" | "message":
            return EventKind.UNKNOWN
        case _:
            return EventKind.OTHER


def classify_document(document: Mapping[str, JsonValue], *, pictures: bool) -> EventKind:
    """Return the kind of an event without a name by its members.

    Without a `type` it is completed if it has a picture and no `partial_image_index`: a gateway
    that omits both sends no drafts, and its pictures were paid.
    """
    name = document.get("type")
    if document.get("error"):
        return EventKind.ERROR
    if isinstance(name, str):
        return classify_event_name(name)
    if "partial_image_index" in document:
        return EventKind.PARTIAL
    return EventKind.COMPLETED if pictures else EventKind.OTHER


_WHITESPACE = b" \t\r\n"
#: A character that base64 has not, or the end of padding with more text after it.
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]|=(?=[^=])")
_PAD = ord("=")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#: The alphabet of URLs (RFC 4648, section 5) in that of all others.
_STANDARD = bytes.maketrans(b"-_", b"+/")
_DATA_URI = b"data:"
_MAX_MEDIA_TYPE = 200  # bytes before the comma of a data URI


class Base64Stream:
    """Decodes one base64 text in any chunks; an invalid character is an error, never skipped.

    Both alphabets, white space, missing padding and a data URI around the text are accepted. Beside
    the start of a data URI, at most three characters are kept between chunks.
    """

    def __init__(self) -> None:
        self._carry = b""
        self._padded = False
        self._started = False  # the text has begun: it is no data URI, or its comma was read

    def feed(self, text: bytes | memoryview) -> bytes:
        """Decode all whole groups of four characters; keep the remainder for the next call."""
        joined = self._carry + text if self._carry else text
        if not self._started:
            start = self._skip_data_uri(bytes(joined))
            if start is None:
                self._carry = bytes(joined)
                return b""
            self._started, joined = True, joined[start:]
        with suppress(ValueError):  # white space, or invalid: the slow way below finds out
            return self._decode_groups(joined)
        solid = bytes(joined).translate(_STANDARD, _WHITESPACE)
        try:
            return self._decode_groups(solid)
        except ValueError as error:
            raise UnreadableReply(_describe_fault(b"=" * self._padded + solid)) from error

    def feed_plain(self, text: bytes) -> bytes | None:
        """Decode a text that has nothing but the alphabet; None, and no change, if it has more.

        Decoding proves it: no other look at the text is needed.
        """
        if not self._started or self._padded:
            return None
        joined = memoryview(self._carry + text if self._carry else text)
        whole = len(joined) & ~3
        left = bytes(joined[whole:])
        if left.strip(_ALPHABET) or not whole or joined[whole - 1] == _PAD:
            return None
        try:
            decoded = pybase64.b64decode(joined[:whole], validate=True)
        except ValueError:
            return None
        self._carry = left
        return decoded

    def finish(self) -> bytes:
        """Decode the remainder at the end of the text, with or without padding."""
        left = self._carry.translate(_STANDARD, _WHITESPACE)
        try:
            return pybase64.b64decode(left + b"=" * (-len(left) % 4), validate=True)
        except ValueError as error:
            raise UnreadableReply(_describe_fault(left)) from error

    def _skip_data_uri(self, text: bytes) -> int | None:
        """Return where the base64 starts, or None while that is not known."""
        blank = len(text) - len(text.lstrip(_WHITESPACE))
        start = text[blank : blank + len(_DATA_URI)].lower()
        if not _DATA_URI.startswith(start):
            return 0
        if len(start) < len(_DATA_URI):
            return None
        head, comma, _ = text.partition(b",")
        longest = blank + _MAX_MEDIA_TYPE
        is_other = bool(comma) and not head.lower().endswith(b";base64")
        if len(head) > longest or is_other or b"\\" in head:
            quote = excerpt(head[:longest])
            raise UnreadableReply(f"A picture is a data URI without base64: {quote}")
        return len(head) + 1 if comma else None

    def _decode_groups(self, text: bytes | memoryview) -> bytes:
        if self._padded and text:
            raise ValueError("text after the padding")
        whole = len(text) & ~3
        # validate=True is also faster: 11.8 GB/s instead of 2.0 (pybase64 1.5, AVX2).
        decoded = pybase64.b64decode(memoryview(text)[:whole], validate=True)
        padded = self._padded or (whole > 0 and text[whole - 1] == _PAD)
        if padded and whole < len(text):
            raise ValueError("text after the padding")
        self._padded, self._carry = padded, bytes(text[whole:])
        return decoded


def _describe_fault(text: bytes) -> str:
    """Return the first fault of a text, so that it is the same in any chunks."""
    first = _NOT_BASE64.search(text)
    if first and first[0] != b"=":
        # Of an escaped one, a chunk may hold the first half alone.
        which = f"the character {first[0].decode()!r}" if first[0].isascii() else "non-ASCII text"
        return f"A picture is not valid base64: it contains {which}."
    return "A picture is not valid base64: it ends within a byte, or continues after its padding."


@dataclass(frozen=True, slots=True)
class PictureStarted:
    """A picture starts; all pictures before it have ended or were dropped."""

    index: int


@dataclass(frozen=True, slots=True)
class PictureData:
    """The next decoded bytes of the picture."""

    index: int
    data: bytes


@dataclass(frozen=True, slots=True)
class PictureEnded:
    """The picture is complete: it can be stored, even if the rest of the reply fails."""

    index: int


@dataclass(frozen=True, slots=True)
class PictureSpoiled:
    """The picture can't be read: it ends here, and `reason` says why; the others are not harmed."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class PictureDropped:
    """The picture with this index was a draft: delete it; the index is used again.

    This happens only in event streams that name the kind of an event after its picture.
    """

    index: int


type PictureEvent = PictureStarted | PictureData | PictureEnded | PictureSpoiled | PictureDropped


@dataclass(frozen=True, slots=True)
class PreviewEvent:
    """An event of a draft of the picture with this index; each draft ends or is spoiled.

    Only of event streams that name the kind of an event before its picture; others drop drafts.
    """

    of_draft: PictureEvent


@dataclass(frozen=True, slots=True)
class ReplyRest:
    """A complete reply without its pictures.

    `document` has `#0`, `#1`, ... in place of the pictures. For an event stream it has the members
    of all completed events (later values replace earlier ones), and `error` from an error event.
    """

    document: dict[str, JsonValue]
    #: Number of pictures that ended or were spoiled.
    pictures: int


_BOM = b"\xef\xbb\xbf"
_JSON_STARTS = (b"{", b"[")
_EVENT_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")


class ReplyDecoder:
    """Turns the bytes of a reply into events of its pictures; never keeps a whole picture.

    Call `feed` with each chunk of the body, then `finish`. An error in a chunk is raised by the
    *next* call, so that the events before it are not lost. The content type is only quoted.
    """

    def __init__(self, content_type: str = "", *, max_rest_bytes: int = 1 << 20) -> None:
        self._content_type = content_type
        self._max_rest_bytes = max_rest_bytes
        self._fault: BrokenReply | None = None
        self._start = b""  # until it shows what the body is
        self._body: _JsonBody | _EventBody | None = None

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[PictureEvent | PreviewEvent]:
        """Return the events of a chunk of any size; 64 to 256 KiB is fast."""
        if self._fault:
            raise self._fault
        events: list[PictureEvent | PreviewEvent] = []
        data = self._start + chunk
        if self._body and (plain := self._body.feed_plain(data)) is not None:
            return plain
        if not self._body:
            data = data.lstrip(_WHITESPACE)
            self._body = self._recognise(data)
        self._start = b"" if self._body else data
        try:
            for event in self._body.feed(data) if self._body else ():
                events.append(event)  # noqa: PERF402 - events before an error must be kept
        except BrokenReply as fault:
            self._fault = fault
        return events

    def finish(self) -> ReplyRest:
        """Return the rest of a complete reply.

        Raises `BrokenReply` if it is not complete, `UnreadableReply` if it never can be read.
        """
        if self._fault:
            raise self._fault
        if self._body:
            return self._body.finish()
        if any(each.startswith(self._start) for each in (_BOM, *_EVENT_STARTS)):
            raise BrokenReply(f"The reply is cut off or empty: {excerpt(self._start)}")
        raise self._unreadable(self._start)

    def _recognise(self, start: bytes) -> "_JsonBody | _EventBody | None":
        """Return the reader of a body by what it is, whatever it is called; None: not known yet."""
        text = start.removeprefix(_BOM).lstrip(_WHITESPACE)
        if text.startswith(_JSON_STARTS):
            return _JsonBody(max_rest_bytes=self._max_rest_bytes)
        if text.startswith(_EVENT_STARTS):
            return _EventBody(max_rest_bytes=self._max_rest_bytes)
        if len(text) >= EXCERPT_BYTES:
            self._fault = self._unreadable(start)
        return None

    def _unreadable(self, start: bytes) -> UnreadableReply:
        return UnreadableReply(
            f"The reply is neither JSON nor an event stream, and is called "
            f"{self._content_type or 'nothing'}: {excerpt(start)}"
        )


class _JsonBody:
    """One JSON object; its pictures are the strings of members `b64_json`, at any depth.

    Each string is a picture, duplicates too, because each was paid, and so is a data URI in a
    member `url`. `null` is not a picture; the empty string is a picture without bytes.
    """

    def __init__(self, *, max_rest_bytes: int, first: int = 0) -> None:
        self.extractor = JsonExtractor(max_rest_bytes=max_rest_bytes)
        self._base64: Base64Stream | None = None  # None: no picture, or a spoiled one
        #: Index of the current picture, or of the next one.
        self.index = first

    def feed(self, chunk: bytes) -> Iterator[PictureEvent]:
        for extract in self.extractor.feed(chunk):
            if extract is Boundary.START:
                self._base64 = Base64Stream()
                yield PictureStarted(self.index)
            elif self._base64:
                try:
                    yield from self._decode(self._base64, extract)
                except UnreadableReply as fault:
                    self._base64 = None
                    yield PictureSpoiled(self.index, str(fault))
            if extract is Boundary.END:
                self.index += 1

    def feed_plain(self, chunk: bytes) -> list[PictureEvent | PreviewEvent] | None:
        """Return the data of a chunk from the middle of a picture; None if it may be another."""
        data = self.decode_plain(chunk)
        return None if data is None else [data]

    def decode_plain(self, chunk: bytes) -> PictureData | None:
        """Return the data of a chunk, as `feed_plain` does."""
        if not (self._base64 and self.extractor.is_inside):
            return None
        data = self._base64.feed_plain(chunk)
        return None if data is None else PictureData(self.index, data)

    def _decode(self, stream: Base64Stream, extract: Extract) -> Iterator[PictureEvent]:
        data = stream.finish() if isinstance(extract, Boundary) else stream.feed(extract)
        if data:
            yield PictureData(self.index, data)
        if isinstance(extract, Boundary):
            yield PictureEnded(self.index)

    def finish(self) -> ReplyRest:
        return ReplyRest(self.extractor.finish(), self.index)


class _EventBody:
    """Server-sent events, each with a JSON object; only pictures of completed events are results.

    A fault within an event that can't hold a result ends that event, not the reply.

    The kind of an event comes from its `event:` line, or from a member `type`. Both can come after
    the picture. A picture cannot be kept in memory until then, so its data is returned at once and
    only its `PictureEnded` is held back: the end of the event turns it into `PictureEnded` or
    `PictureDropped`.
    """

    def __init__(self, *, max_rest_bytes: int) -> None:
        self._events = EventStream()
        self._max_rest_bytes = max_rest_bytes
        self._document: dict[str, JsonValue] | None = None
        self._pictures = 0
        self._begin_event()

    def feed(self, chunk: bytes) -> Iterator[PictureEvent | PreviewEvent]:
        for part in self._events.feed(chunk):
            yield from self._take(part)

    def feed_plain(self, chunk: bytes) -> list[PictureEvent | PreviewEvent] | None:
        """Return the data of a chunk from the middle of a picture; None if it may be another."""
        if self._faulty or not self._events.is_inside:
            return None
        data = self._body.decode_plain(chunk)
        return None if data is None else [*self._filter(data)]

    def finish(self) -> ReplyRest:
        for part in self._events.finish():
            if any(not isinstance(event, PreviewEvent) for event in self._take(part)):
                raise BrokenReply("The reply is cut off before the event of its last picture ends.")
        if self._document is None:
            raise BrokenReply("The reply ends without a completed event.")
        return ReplyRest(self._document, self._pictures)

    def _begin_event(self) -> None:
        self._kind = EventKind.UNKNOWN
        self._body = _JsonBody(max_rest_bytes=self._max_rest_bytes, first=self._pictures)
        self._picture_kind = EventKind.OTHER  # the kind of the current picture
        #: The end of the current picture, until the kind of its event is known.
        self._held: PictureEnded | PictureSpoiled | PictureDropped | None = None
        #: Index of the draft that has started and not ended.
        self._draft: int | None = None
        self._faulty = False  # the rest of this event is not read

    def _take(self, part: EventPart) -> Iterator[PictureEvent | PreviewEvent]:
        match part:
            case EventName(name):
                if self._kind is EventKind.UNKNOWN:
                    self._kind = classify_event_name(name)
            case EventData(data):
                yield from self._read(data)
            case _:
                yield from self._end_event()
                self._begin_event()

    def _read(self, data: bytes) -> Iterator[PictureEvent | PreviewEvent]:
        try:
            for event in () if self._faulty else self._body.feed(data):
                yield from self._filter(event)
        except UnreadableReply:
            if self._kind not in {EventKind.PARTIAL, EventKind.OTHER}:
                raise
            self._faulty = True

    def _filter(self, event: PictureEvent) -> Iterator[PictureEvent | PreviewEvent]:
        """Yield the event if its picture is, or can still be, a result, or if it is a draft."""
        if isinstance(event, PictureStarted):
            if self._kind is EventKind.UNKNOWN:
                kind = classify_event_name(self._body.extractor.read_member("type"))
                # An event with a draft has one picture: with two, it is a whole reply.
                self._kind = EventKind.COMPLETED if self._held else kind
            if self._kind is EventKind.COMPLETED and self._held:
                yield self._held
                self._held = None
            self._picture_kind = self._kind
            if self._kind is EventKind.UNKNOWN:
                self._held = PictureDropped(event.index)
        if self._picture_kind is EventKind.UNKNOWN and isinstance(
            event, PictureEnded | PictureSpoiled
        ):
            self._held = event
        elif self._picture_kind is EventKind.PARTIAL and not self._held:
            ended = isinstance(event, PictureEnded | PictureSpoiled)
            self._draft = None if ended else event.index
            yield PreviewEvent(event)
        elif self._picture_kind in {EventKind.COMPLETED, EventKind.UNKNOWN}:
            yield event

    def _end_event(self) -> Iterator[PictureEvent | PreviewEvent]:
        if self._draft is not None:
            yield PreviewEvent(PictureSpoiled(self._draft, "The event of a draft ends within it."))
        kind, document = self._read_rest()
        completed = kind is EventKind.COMPLETED
        if self._held:
            yield self._held if completed else PictureDropped(self._held.index)
        if completed:
            self._pictures = self._body.index
            self._document = (self._document or {}) | document
        elif kind is EventKind.ERROR:
            error = document.get("error") or document
            self._document = (self._document or {}) | {"error": error}
        if completed or kind is EventKind.ERROR:
            self._max_rest_bytes -= len(self._body.extractor.rest)

    def _read_rest(self) -> tuple[EventKind, dict[str, JsonValue]]:
        rest = bytes(self._body.extractor.rest).strip()
        if rest in {b"", b"[DONE]"} or self._kind in {EventKind.PARTIAL, EventKind.OTHER}:
            return EventKind.OTHER, {}
        try:
            document = self._body.finish().document
        except BrokenReply as error:
            if self._kind is EventKind.ERROR:
                return self._kind, {"message": excerpt(rest)}
            if not isinstance(error, UnreadableReply) or self._held:
                raise
            came = self._body.index - self._pictures
            if came and self._kind is EventKind.COMPLETED:
                # Pictures that were returned stay, whatever is around them: they were paid.
                return self._kind, {"data": [{"b64_json": f"#{place}"} for place in range(came)]}
            return EventKind.OTHER, {}  # a sign of life that is no JSON
        if self._kind is not EventKind.UNKNOWN:
            return self._kind, document
        pictures = self._body.index > self._pictures
        return classify_document(document, pictures=pictures), document
