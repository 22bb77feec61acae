"""Extract the strings of one member from a JSON text while it passes, and keep the rest."""

import json
import re
from collections.abc import Iterator
from enum import Enum, auto

from pydantic import JsonValue

from ..errors import BrokenReply, UnreadableReply

#: Most bytes of an unreadable text that an error message quotes.
EXCERPT_BYTES = 300

#: The content of a JSON string: up to its closing quote, a cut escape, or the end of the chunk.
_STRING_CONTENT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_MAX_ESCAPE = 6  # the longest way to write one character of a name: \u005f


class Boundary(Enum):
    """The start or the end of an extracted string."""

    START = auto()
    END = auto()


type Extract = Boundary | bytes | memoryview


class _State(Enum):
    OUTSIDE = auto()
    STRING = auto()
    EXTRACTED = auto()


class JsonExtractor:
    """Extracts every string that is the value of a member called `member`, at any depth.

    It parses only JSON strings, so a text of any size passes at the speed of `bytes.find`. All
    other text is kept in `rest`, with `#0`, `#1`, ... in place of the extracted strings; `finish`
    parses it.

    The strings are expected to be base64: escapes are decoded, and an invalid character either
    fails here or is returned.
    """

    def __init__(self, member: str, *, max_rest_bytes: int) -> None:
        self.rest = bytearray()
        self._member = member
        self._max_rest_bytes = max_rest_bytes
        self._state = _State.OUTSIDE
        self._name_matches = False  # the string that ended last reads like the member's name
        # Where in `rest` the open string, or the gap after the last one, begins.
        self._section_start = 0
        self._cut_escape = b""  # an escape that the end of a chunk has cut
        self._extracted = 0

    def feed(self, chunk: bytes) -> Iterator[Extract]:
        """Yield the extracted strings in `chunk`: start, contents, end."""
        if self._cut_escape:
            chunk, self._cut_escape = self._cut_escape + chunk, b""
        at = 0
        while at < len(chunk):
            match self._state:
                case _State.OUTSIDE:
                    at, opened = self._scan_outside(chunk, at)
                    if opened:
                        yield Boundary.START
                case _State.STRING:
                    at = self._scan_string(chunk, at)
                case _:
                    quote = chunk.find(b'"', at)
                    yield self._read_contents(chunk, at, quote)
                    at = quote + 1 or len(chunk)
                    if quote >= 0:
                        self._end_string(b'#%d"' % self._extracted)
                        self._extracted += 1
                        yield Boundary.END

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
        try:
            document = json.loads(self.rest.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise BrokenReply(
                f"The reply is cut off or not JSON, {after} ({error}): {excerpt(self.rest)}"
            ) from error
        if not isinstance(document, dict):
            raise UnreadableReply(f"The reply is not a JSON object: {excerpt(self.rest)}")
        return document

    def _scan_outside(self, chunk: bytes, at: int) -> tuple[int, bool]:
        stop = chunk.find(b'"', at) + 1
        if not stop:
            self._keep(chunk[at:])
            return len(chunk), False
        self._keep(chunk[at:stop])
        is_value = self._name_matches and self.rest[self._section_start : -1].strip() == b":"
        self._state = _State.EXTRACTED if is_value else _State.STRING
        self._section_start = len(self.rest)
        return stop, is_value

    def _scan_string(self, chunk: bytes, at: int) -> int:
        inside = _STRING_CONTENT.match(chunk, at)
        stop = inside.end() if inside else at
        self._keep(chunk[at:stop])
        if chunk[stop : stop + 1] == b"\\":
            self._cut_escape = chunk[stop:]
        elif stop < len(chunk):
            self._end_string(b'"', name_matches=self._is_member_name())
        return stop + 1

    def _is_member_name(self) -> bool:
        if len(self.rest) - self._section_start > len(self._member) * _MAX_ESCAPE:
            return False
        name = bytes(self.rest[self._section_start :])
        if b"\\" not in name:
            return name == self._member.encode()
        try:
            return bool(json.loads(b'"%b"' % name) == self._member)
        except ValueError:
            return False

    def _read_contents(self, chunk: bytes, at: int, quote: int) -> bytes | memoryview:
        stop = quote if quote >= 0 else len(chunk)
        if chunk.find(b"\\", at, stop) < 0:
            return memoryview(chunk)[at:stop]
        if quote < 0:
            escape = chunk.rfind(b"\\", max(at, stop - _MAX_ESCAPE + 1))
            if escape >= 0 and (stop - escape == 1 or chunk[escape + 1 : escape + 2] == b"u"):
                self._cut_escape, stop = chunk[escape:], escape
        try:
            text: str = json.loads(b'"%b"' % chunk[at:stop], strict=False)
            return text.encode("ascii")
        except ValueError as error:
            raise UnreadableReply(f"A picture is not valid base64: {error}.") from error

    def _end_string(self, end: bytes, *, name_matches: bool = False) -> None:
        self._keep(end)
        self._state = _State.OUTSIDE
        self._name_matches = name_matches
        self._section_start = len(self.rest)

    def _keep(self, text: bytes) -> None:
        self.rest += text
        if len(self.rest) > self._max_rest_bytes:
            raise UnreadableReply(
                f"The reply has more than {self._max_rest_bytes:,} bytes outside its members "
                f"{self._member!r}, where the pictures were expected."
            )


def excerpt(text: bytes | bytearray) -> str:
    """Return the start of a text on one line, for an error message."""
    return " ".join(text[:EXCERPT_BYTES].decode(errors="replace").split()) or "nothing"
