"""Reading a manifest as its bytes arrive: sans-I/O, in flat memory, and from any entry on."""

from collections.abc import Iterator
from typing import Final

from ..errors import Fault
from .entries import EntryBuffer, ManifestEntry, ReadingState
from .formats import elements, lines, rows
from .manifest import Format

_BOM: Final = b"\xef\xbb\xbf"
_READERS: Final = {Format.JSON: elements, Format.JSONL: lines, Format.CSV: rows}


class ManifestReader:
    """A manifest under way: `feed` bytes and `take` entries in turn; `end` before the last take.

    After each entry `state` tells where the next one begins: reading can stop there and go on in
    another process.
    """

    def __init__(self, written: Format, state: ReadingState | None = None) -> None:
        self._format = written
        self._pending = EntryBuffer(state or ReadingState())

    @property
    def state(self) -> ReadingState:
        """Where the next entry begins."""
        return self._pending.state

    @property
    def wanted(self) -> int:
        """The offset of the next byte to feed."""
        return self.state.offset + len(self._pending.data)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be taken, whatever is fed."""
        at_end = self._pending.is_last and not self._pending.data
        return self.state.phase == "end" or at_end

    @property
    def wrong(self) -> tuple[tuple[int, Fault], ...]:
        """What is wrong with the file as a whole, by line."""
        return tuple(self._pending.wrong)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        self._pending.data += data

    def end(self) -> None:
        """Say that there are no more bytes."""
        self._pending.is_last = True

    def take(self) -> Iterator[ManifestEntry]:
        """Yield every entry that is all there; a new call goes on after the last one taken."""
        pending = self._pending
        if not pending.state.offset:
            if len(pending.data) < len(_BOM) and not pending.is_last:
                return
            if pending.data.startswith(_BOM):
                pending.skip(len(_BOM))
        yield from _READERS[self._format](pending)
