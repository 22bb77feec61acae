"""Extract the pictures from a JSON text while it passes, and keep the rest."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto
from typing import Final

from pydantic import JsonValue

from ..errors import BrokenReply, UnreadableReply

#: Most bytes of an unreadable text that an error message quotes.
EXCERPT_BYTES = 300

#: The members whose text is a picture if it starts like this, in any case.
MEMBERS: Final = {"b64_json": b"", "url": b"data:"}

#: The content of a JSON string: up to its closing quote, a cut escape, or the end of the chunk.
_STRING_CONTENT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_MAX_ESCAPE = 6  # the longest way to write one character of a name: \u005f
_MAX_NAME_BYTES = max(map(len, MEMBERS)) * _MAX_ESCAPE


class Boundary(Enum):
    """The start or the end of an extracted string."""

    START = auto()
    END = auto()


type Extract = Boundary | bytes | memoryview


class _State(Enum):
    OUTSIDE = auto()
    STRING = auto()
    #: A string that is a picture if it starts like one.
    OPENING = auto()
    EXTRACTED = auto()


class JsonExtractor:
    """Extracts every string that is the value of one of `MEMBERS`, at any depth.

    It parses only JSON strings, so a text of any size passes at the speed of `bytes.find`. All
    other text is kept in `rest`, with `#0`, `#1`, ... in place of the extracted strings; `finish`
    parses it.

    The strings are expected to be base64: escapes are decoded, and what no base64 has is returned
    as it is.
    """

    def __init__(self, *, max_rest_bytes: int) -> None:
        self.rest = bytearray()
        self._max_rest_bytes = max_rest_bytes
        self._state = _State.OUTSIDE
        self._member: str | None = None  # the one whose name is the string that ended last
        # Where in `rest` the open string, or the gap after the last one, begins.
        self._section_start = 0
        self._cut = b""  # an escape, or the start of a string, that the end of a chunk has cut
        self._extracted = 0

    def feed(self, chunk: bytes) -> Iterator[Extract]:
        """Yield the extracted strings in `chunk`: start, contents, end."""
        if self._cut:
            chunk, self._cut = self._cut + chunk, b""
        at = 0
        while at < len(chunk) or self._state is _State.OPENING:
            match self._state:
                case _State.OUTSIDE:
                    at = self._scan_outside(chunk, at)
                case _State.STRING:
                    at = self._scan_string(chunk, at)
                case _State.OPENING:
                    wanted = MEMBERS[self._member or ""]
                    start = chunk[at : at + len(wanted)].lower()
                    if not wanted.startswith(start):
                        self._state = _State.STRING
                    elif len(start) < len(wanted):
                        self._cut = chunk[at:]
                        return
                    else:
                        self._state = _State.EXTRACTED
                        yield Boundary.START
                case _:
                    quote = _find_quote(chunk, at)
                    yield self._read_contents(chunk, at, quote)
                    at = quote + 1 or len(chunk)
                    if quote >= 0:
                        self._end_string(b'#%d"' % self._extracted)
                        self._extracted += 1
                        yield Boundary.END

    @property
    def is_inside(self) -> bool:
        """Whether the next byte belongs to an extracted string, or ends it."""
        return self._state is _State.EXTRACTED and not self._cut

    def read_member(self, member: str) -> str:
        """Return the text of a top-level member before the current string, or ""."""
        try:
            document = json.loads(bytes(self.rest) + b'"}')
        except (ValueError, RecursionError):
            return ""
        value = document.get(member) if isinstance(document, dict) else None
        return value if isinstance(value, str) else ""

    def finish(self) -> dict[str, JsonValue]:
        """Return the rest as a document, at the end of the text."""
        after = f"after {self._extracted} complete pictures"
        if self._state is not _State.OUTSIDE:
            raise BrokenReply(f"The reply is cut off in a string, {after}.")
        text = self.rest.decode("utf-8-sig", "replace").rstrip()
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            quote = f"{after}: {excerpt(self.rest)}"
            if isinstance(error, json.JSONDecodeError) and error.pos >= len(text):
                raise BrokenReply(f"The reply is cut off, {quote}") from error
            raise UnreadableReply(f"The reply is not JSON, {quote}") from error
        if isinstance(document, list):
            return {"data": document}
        if not isinstance(document, dict):
            raise UnreadableReply(f"The reply is not a JSON object: {excerpt(self.rest)}")
        return document

    def _scan_outside(self, chunk: bytes, at: int) -> int:
        stop = chunk.find(b'"', at) + 1
        if not stop:
            self._keep(chunk[at:])
            return len(chunk)
        self._keep(chunk[at:stop])
        is_value = self._member and self.rest[self._section_start : -1].strip() == b":"
        self._state = _State.OPENING if is_value else _State.STRING
        self._section_start = len(self.rest)
        return stop

    def _scan_string(self, chunk: bytes, at: int) -> int:
        inside = _STRING_CONTENT.match(chunk, at)
        stop = inside.end() if inside else at
        self._keep(chunk[at:stop])
        if chunk[stop : stop + 1] == b"\\":
            self._cut = chunk[stop:]
        elif stop < len(chunk):
            self._end_string(b'"', member=self._find_member())
        return stop + 1

    def _find_member(self) -> str | None:
        """Return the member whose name the string that ends here is, if it is one of them."""
        name = bytes(self.rest[self._section_start :])
        if len(name) > _MAX_NAME_BYTES:
            return None
        with suppress(ValueError):
            text = json.loads(b'"%b"' % name)
            return text if text in MEMBERS else None
        return None

    def _read_contents(self, chunk: bytes, at: int, quote: int) -> bytes | memoryview:
        stop = quote if quote >= 0 else len(chunk)
        if chunk.find(b"\\", at, stop) < 0:
            return memoryview(chunk)[at:stop]
        if quote < 0:
            escape = _find_cut_escape(chunk, at)
            self._cut, stop = chunk[escape:], escape
        try:
            # A byte a character: whether bytes are UTF-8 may depend on where they were cut.
            text: str = json.loads(f'"{chunk[at:stop].decode("latin-1")}"', strict=False)
        except ValueError:
            return chunk[at:stop]  # its backslash is no base64
        return text.encode("latin-1", "replace")

    def _end_string(self, end: bytes, *, member: str | None = None) -> None:
        self._keep(end)
        self._state = _State.OUTSIDE
        self._member = member
        self._section_start = len(self.rest)

    def _keep(self, text: bytes) -> None:
        self.rest += text
        if len(self.rest) > self._max_rest_bytes:
            raise UnreadableReply(
                f"The reply has more than {self._max_rest_bytes:,} bytes outside its pictures, "
                f"which are expected in members {' and '.join(map(repr, MEMBERS))}."
            )


def _find_cut_escape(chunk: bytes, at: int) -> int:
    """Return where the escape begins that the end of the chunk has cut; its length without one."""
    escape = chunk.rfind(b"\\", max(at, len(chunk) - _MAX_ESCAPE + 1))
    if escape < 0 or not (len(chunk) - escape == 1 or chunk[escape + 1 : escape + 2] == b"u"):
        return len(chunk)
    before = chunk[at : escape + 1]
    # Of an even number of backslashes, the last one is escaped itself.
    return escape if (len(before) - len(before.rstrip(b"\\"))) % 2 else len(chunk)


def _find_quote(chunk: bytes, at: int) -> int:
    """Return where the quote is that ends a string; -1 if it is not in the chunk."""
    quote = chunk.find(b'"', at)
    if quote < 0 or chunk.find(b"\\", at, quote) < 0:
        return quote
    inside = _STRING_CONTENT.match(chunk, at)
    stop = inside.end() if inside else at
    return stop if chunk[stop : stop + 1] == b'"' else -1


def excerpt(text: bytes | bytearray) -> str:
    """Return the start of a text on one line, for an error message."""
    start = text.lstrip()[:EXCERPT_BYTES]
    return " ".join(start.decode(errors="replace").split()) or "nothing"
