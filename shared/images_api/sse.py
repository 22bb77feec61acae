"""Parse server-sent events while they arrive, without keeping a line of data.

The grammar is https://html.spec.whatwg.org/multipage/server-sent-events.html, with one exception:
the last event is valid even if the blank line after it is missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_BOM = b"\xef\xbb\xbf"
_DATA = b"data:"
#: Bytes kept of a line that is not data; a comment can have any length.
_LINE_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class EventName:
    """The `event:` line of the current event."""

    name: str


@dataclass(frozen=True, slots=True)
class EventData:
    """The next data of the event; its lines are joined by line feeds."""

    data: bytes


@dataclass(frozen=True, slots=True)
class EventEnd:
    """The end of the event."""


type EventPart = EventName | EventData | EventEnd


class EventStream:
    """Turns the bytes of an event stream, in any chunks, into the parts of its events."""

    def __init__(self) -> None:
        self._line = bytearray()  # the current line, until it is known to be data
        self._in_data = False
        self._data_lines = 0
        self._has_content = False  # the current event has a name or data
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> Iterator[EventPart]:
        """Yield the parts of events in a chunk."""
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
            yield from self._feed_line(chunk[at:stop])
            if newline >= 0:
                yield from self._end_line()
            at = stop + 1

    @property
    def is_inside(self) -> bool:
        """Whether the next byte belongs to a line of data, or ends it."""
        return self._in_data

    def finish(self) -> Iterator[EventPart]:
        """Yield the last parts at the end of the stream."""
        yield from self._end_line()
        yield EventEnd()

    def _feed_line(self, part: bytes) -> Iterator[EventPart]:
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
            yield from self._start_data_line()
        if part:
            yield EventData(part)

    def _start_data_line(self) -> Iterator[EventPart]:
        if self._data_lines:
            yield EventData(b"\n")
        self._data_lines += 1
        self._has_content = True

    def _end_line(self) -> Iterator[EventPart]:
        if self._in_data:
            self._in_data = False
            return
        self._at_start = False
        line = bytes(self._line)
        self._line.clear()
        field, _, value = line.partition(b":")
        if not line and self._has_content:
            self._data_lines = 0
            self._has_content = False
            yield EventEnd()
        elif field == b"event":
            self._has_content = True
            yield EventName(value.removeprefix(b" ").decode(errors="replace"))
        elif field == b"data":
            yield from self._start_data_line()
