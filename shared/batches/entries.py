"""The entries of a manifest, and the state of reading between two of them."""

from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..errors import Fault
from ..events.data import Data
from ..vocabulary import clip

#: An entry of more bytes is skipped: no job message is near that long.
MAX_ENTRY_BYTES: Final = 1 << 18
TOO_LONG: Final = Fault("", f"the entry is longer than {MAX_ENTRY_BYTES:,} bytes")


class FileFault(Data):
    """One thing wrong with a manifest as a whole."""

    line: int = Field(description="Where reading stood, from 1.")
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class ReadingState(BaseModel):
    """Where reading stands: before the next entry."""

    model_config = ConfigDict(frozen=True)

    #: Bytes before the next entry.
    offset: int = Field(default=0, ge=0)
    #: Line of the next entry in the file, from 1.
    line: int = Field(default=1, ge=1)
    #: Entries read so far.
    entries: int = Field(default=0, ge=0)
    phase: Literal["start", "inside", "after", "end"] = "start"
    #: Of CSV: the fields that the header names, and the delimiter.
    columns: tuple[str, ...] = ()
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One entry: a job message, or what is wrong with it."""

    #: From 1.
    number: int
    #: Where it begins in the file, from 1.
    line: int
    body: bytes = b""
    fault: Fault | None = None


@dataclass(slots=True)
class EntryBuffer:
    """The bytes that are not part of an entry yet, and the state before them."""

    state: ReadingState
    data: bytearray = field(default_factory=bytearray)
    #: The file has no more bytes.
    is_last: bool = False
    faults: list[FileFault] = field(default_factory=list)
    #: The current line is too long: its bytes so far were dropped.
    is_cut: bool = False
    #: Bytes already searched for the end of the line.
    _searched: int = field(default=0, init=False)

    def line(self, start: int = 0) -> bytes | None:
        """Return the line at `start` with its end; None while it is not complete.

        Of a line that is too long, all but the last bytes are dropped.
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
        self.update(entries=self.state.entries + 1)
        return ManifestEntry(self.state.entries, begins, body, fault)

    def skip(self, size: int) -> None:
        """Drop bytes that need no more reading."""
        lines = self.data.count(b"\n", 0, size)
        self.update(offset=self.state.offset + size, line=self.state.line + lines)
        del self.data[:size]
        self._searched = 0

    def stop(self, message: str) -> None:
        """Stop reading, and keep the reason."""
        self.faults.append(FileFault(line=self.state.line, message=clip(message)))
        self.update(phase="end")

    def update(self, **changes: object) -> None:
        """Change the state."""
        self.state = self.state.model_copy(update=changes)
