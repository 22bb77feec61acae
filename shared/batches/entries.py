"""A manifest's entries and where reading them stands: bytes on one side, entries on the other."""

from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..errors import Fault

#: An entry of more bytes is skipped: no job message is near that long.
MAX_ENTRY_BYTES: Final = 1 << 18
TOO_LONG: Final = Fault("", f"the entry is longer than {MAX_ENTRY_BYTES:,} bytes")


class ReadingState(BaseModel):
    """Where reading stands: before the entry that comes next."""

    model_config = ConfigDict(frozen=True)

    #: Bytes before the next entry.
    offset: int = Field(default=0, ge=0)
    #: Its line in the file.
    line: int = Field(default=1, ge=1)
    #: Entries taken so far.
    entries: int = Field(default=0, ge=0)
    phase: Literal["start", "inside", "after", "end"] = "start"
    #: Of CSV: the fields its header names, and what stands between its cells.
    columns: tuple[str, ...] = ()
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One entry: a job message, or what is wrong with it."""

    #: Which it is, from 1.
    number: int
    #: Where it begins in the file, from 1.
    line: int
    body: bytes = b""
    fault: Fault | None = None


@dataclass(slots=True)
class EntryBuffer:
    """The bytes that belong to no entry yet, and the state before them."""

    state: ReadingState
    data: bytearray = field(default_factory=bytearray)
    #: There are no more of them.
    is_last: bool = False
    #: What is wrong with the file as a whole, by line.
    wrong: list[tuple[int, Fault]] = field(default_factory=list)
    #: The line under way is too long: what it held was let go.
    is_cut: bool = False
    #: How much was searched for the end of a line in vain.
    _searched: int = field(default=0, init=False)

    def line(self, start: int = 0) -> bytes | None:
        """Return the line at `start`, its end included; None while it is not all there.

        Of a line that is too long, all but its last bytes are let go.
        """
        place = self.data.find(b"\n", max(start, self._searched))
        if place >= 0:
            return bytes(self.data[start : place + 1])
        if self.is_last:
            return bytes(self.data[start:]) or None
        if not start:
            self._searched = len(self.data)
            if self._searched > MAX_ENTRY_BYTES:
                self.skip(self._searched - 1)
                self._searched, self.is_cut = 1, True
        return None

    def entry(
        self, size: int, body: bytes = b"", *, fault: Fault | None = None, line: int = 0
    ) -> ManifestEntry:
        """Make an entry of the next `size` bytes."""
        begins = line or self.state.line
        if self.is_cut:
            body, fault, self.is_cut = b"", TOO_LONG, False
        self.skip(size)
        self.go(entries=self.state.entries + 1)
        return ManifestEntry(self.state.entries, begins, body, fault)

    def skip(self, size: int) -> None:
        """Pass over bytes that belong to no entry, or to one that is made."""
        lines = self.data.count(b"\n", 0, size)
        self.go(offset=self.state.offset + size, line=self.state.line + lines)
        del self.data[:size]
        self._searched = 0

    def stop(self, message: str) -> None:
        """Read no further, and say why."""
        self.wrong.append((self.state.line, Fault("", message)))
        self.go(phase="end")

    def go(self, **to: object) -> None:
        """Change the state."""
        self.state = self.state.model_copy(update=to)
