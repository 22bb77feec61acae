"""Server-sent events, taken apart as they arrive; a line of data is never held.

The grammar is the one of https://html.spec.whatwg.org/multipage/server-sent-events.html, with one
liberty: the last event counts even when the blank line after it is missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_BOM = b"\xef\xbb\xbf"
_DATA = b"data:"
#: How much of a line other than data is looked at, in bytes; a comment may be of any length.
_LINE_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class EventName:
    """The `event:` line of the event at hand."""

    name: str


@dataclass(frozen=True, slots=True)
class EventData:
    """More of the event's data; its lines are joined by line feeds."""

    data: bytes


@dataclass(frozen=True, slots=True)
class EventEnd:
    """The event is over."""


type EventPart = EventName | EventData | EventEnd


class EventStream:
    """Turns the bytes of an event stream into the parts of its events, in any chunking."""

    def __init__(self) -> None:
        self._line = bytearray()  # the line at hand, until it shows itself to be data
        self._in_data = False
        self._lines_of_data = 0
        self._begun = False  # the event at hand has a name or data
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> Iterator[EventPart]:
        """Hand out what `chunk` adds to the event at hand, and the events after it."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if not chunk:
            return
        self._after_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        at = 0
        while at < len(chunk):
            newline = chunk.find(b"\n", at)
            stop = newline if newline >= 0 else len(chunk)
            yield from self._more(chunk[at:stop])
            if newline >= 0:
                yield from self._end_of_line()
            at = stop + 1

    def finish(self) -> Iterator[EventPart]:
        """Hand out what is left when the stream is over."""
        yield from self._end_of_line()
        yield EventEnd()

    def _more(self, part: bytes) -> Iterator[EventPart]:
        if not self._in_data:
            self._line += part
            if self._at_start and len(self._line) >= len(_BOM):
                self._at_start = False
                self._line = self._line.removeprefix(_BOM)
            if len(self._line) <= len(_DATA) or not self._line.startswith(_DATA):
                del self._line[_LINE_LIMIT:]
                return
            part = bytes(self._line[len(_DATA) :]).removeprefix(b" ")
            self._line.clear()
            self._in_data = True
            yield from self._line_of_data()
        if part:
            yield EventData(part)

    def _line_of_data(self) -> Iterator[EventPart]:
        if self._lines_of_data:
            yield EventData(b"\n")
        self._lines_of_data += 1
        self._begun = True

    def _end_of_line(self) -> Iterator[EventPart]:
        if self._in_data:
            self._in_data = False
            return
        self._at_start = False
        line = bytes(self._line)
        self._line.clear()
        field, _, value = line.partition(b":")
        if not line and self._begun:
            self._lines_of_data = 0
            self._begun = False
            yield EventEnd()
        elif field == b"event":
            self._begun = True
            yield EventName(value.removeprefix(b" ").decode(errors="replace"))
        elif field == b"data":
            yield from self._line_of_data()
