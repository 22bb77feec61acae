"""The strings of one member, cut out of a JSON text as it passes; the rest is kept."""

import json
import re
from collections.abc import Iterator
from enum import Enum, auto

from pydantic import JsonValue

from ..errors import BrokenReply, UnreadableReply

#: How much of an unreadable text is quoted in an error's sentence.
EXCERPT_BYTES = 300

#: The inside of a JSON string: up to its closing quote, a cut escape, or the end of the chunk.
_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_ESCAPED = 6  # the longest way to write one character of a name: \u005f


class Boundary(Enum):
    """Where a diverted string begins and ends."""

    OPENED = auto()
    CLOSED = auto()


type Extract = Boundary | bytes | memoryview


class _State(Enum):
    OUTSIDE = auto()
    STRING = auto()
    DIVERTED = auto()


class JsonExtractor:
    """Diverts every string that is the value of a member called `member`, at any depth.

    It knows the syntax of JSON strings and nothing else, so a text of any size passes at the
    speed of `bytes.find`. What is not diverted collects in `rest`, where `#0`, `#1`, ... stand for
    the diverted strings; whether that is JSON at all is for `json.loads` to say in the end.

    The diverted strings are expected to be base64: escapes are undone, and a character that no
    base64 has may fail here or be handed on.
    """

    def __init__(self, member: str, *, max_rest_bytes: int) -> None:
        self.rest = bytearray()
        self._member = member
        self._max_rest_bytes = max_rest_bytes
        self._state = _State.OUTSIDE
        self._named = False  # the string that ended last reads like the member's name
        self._since = 0  # where in `rest` the open string, or the gap after the last one, begins
        self._held = b""  # an escape that the end of a chunk has cut
        self._diverted = 0

    def feed(self, chunk: bytes) -> Iterator[Extract]:
        """Hand out the diverted strings in `chunk`: an edge, contents, an edge."""
        if self._held:
            chunk, self._held = self._held + chunk, b""
        at = 0
        while at < len(chunk):
            match self._state:
                case _State.OUTSIDE:
                    at, opened = self._outside(chunk, at)
                    if opened:
                        yield Boundary.OPENED
                case _State.STRING:
                    at = self._string(chunk, at)
                case _:
                    quote = chunk.find(b'"', at)
                    yield self._contents(chunk, at, quote)
                    at = quote + 1 or len(chunk)
                    if quote >= 0:
                        self._close(b'#%d"' % self._diverted)
                        self._diverted += 1
                        yield Boundary.CLOSED

    def told(self, member: str) -> str:
        """Return the text of a top-level member that came before the string being diverted."""
        try:
            document = json.loads(bytes(self.rest) + b'"}')
        except (ValueError, RecursionError):
            return ""
        told = document.get(member) if isinstance(document, dict) else None
        return told if isinstance(told, str) else ""

    def finish(self) -> dict[str, JsonValue]:
        """Parse the rest, now that the text is over."""
        after = f"after {self._diverted} whole pictures"
        if self._state is not _State.OUTSIDE:
            raise BrokenReply(f"The reply is cut in a string, {after}.")
        try:
            document = json.loads(self.rest.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise BrokenReply(
                f"The reply is cut or no JSON, {after} ({error}): {excerpt(self.rest)}"
            ) from error
        if not isinstance(document, dict):
            raise UnreadableReply(f"The reply is no JSON object: {excerpt(self.rest)}")
        return document

    def _outside(self, chunk: bytes, at: int) -> tuple[int, bool]:
        stop = chunk.find(b'"', at) + 1
        if not stop:
            self._keep(chunk[at:])
            return len(chunk), False
        self._keep(chunk[at:stop])
        is_value = self._named and self.rest[self._since : -1].strip() == b":"
        self._state = _State.DIVERTED if is_value else _State.STRING
        self._since = len(self.rest)
        return stop, is_value

    def _string(self, chunk: bytes, at: int) -> int:
        inside = _TEXT.match(chunk, at)
        stop = inside.end() if inside else at
        self._keep(chunk[at:stop])
        if chunk[stop : stop + 1] == b"\\":
            self._held = chunk[stop:]
        elif stop < len(chunk):
            named = self._reads_like_the_member()
            self._close(b'"')
            self._named = named
        return stop + 1

    def _reads_like_the_member(self) -> bool:
        if len(self.rest) - self._since > len(self._member) * _ESCAPED:
            return False
        name = bytes(self.rest[self._since :])
        if b"\\" not in name:
            return name == self._member.encode()
        try:
            return bool(json.loads(b'"%b"' % name) == self._member)
        except ValueError:
            return False

    def _contents(self, chunk: bytes, at: int, quote: int) -> bytes | memoryview:
        stop = quote if quote >= 0 else len(chunk)
        if chunk.find(b"\\", at, stop) < 0:
            return memoryview(chunk)[at:stop]
        if quote < 0:
            escape = chunk.rfind(b"\\", max(at, stop - _ESCAPED + 1))
            if escape >= 0 and (stop - escape == 1 or chunk[escape + 1 : escape + 2] == b"u"):
                self._held, stop = chunk[escape:], escape
        try:
            text: str = json.loads(b'"%b"' % chunk[at:stop], strict=False)
            return text.encode("ascii")
        except ValueError as error:
            raise UnreadableReply(f"A picture is no base64: {error}.") from error

    def _close(self, end: bytes) -> None:
        self._keep(end)
        self._state = _State.OUTSIDE
        self._named = False
        self._since = len(self.rest)

    def _keep(self, text: bytes) -> None:
        self.rest += text
        if len(self.rest) > self._max_rest_bytes:
            raise UnreadableReply(
                f"The reply holds more than {self._max_rest_bytes:,} bytes outside the strings "
                f"called {self._member!r}, where its pictures were expected."
            )


def excerpt(text: bytes | bytearray) -> str:
    """Give the start of a text in one line, for an error's sentence."""
    return " ".join(text[:EXCERPT_BYTES].decode(errors="replace").split()) or "nothing"
