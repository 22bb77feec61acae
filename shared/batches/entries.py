"""The entries of a manifest, and the state of reading between two of them."""

import codecs
import re
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import BaseModel, Field

from ..errors import Fault
from ..events.data import Data
from ..jobs.fields import added_field
from ..jobs.text import Encoding, find_encoding
from ..vocabulary import clip

#: An entry of more bytes is skipped: no job message is near that long.
MAX_ENTRY_BYTES: Final = 1 << 18
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
TOO_LONG: Final = Fault("", f"the entry is longer than {MAX_ENTRY_BYTES:,} bytes")


class FileFault(Data):
    """One thing wrong with a manifest as a whole."""

    line: int = Field(description="Where reading stood, from 1.")
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class ReadingState(BaseModel, frozen=True):
    """Where reading stands: before the next entry."""

    #: Bytes before the next entry.
    offset: int = Field(default=0, ge=0)
    #: Line of the next entry in the file, from 1.
    line: int = Field(default=1, ge=1)
    #: Entries read so far.
    entries: int = Field(default=0, ge=0)
    phase: Literal["start", "inside", "after", "end"] = "start"
    encoding: Encoding = "utf-8"
    #: Of CSV: the fields that the header names, and the delimiter; empty until they are known.
    columns: tuple[str, ...] = ()
    delimiter: str = ""
    #: The template of the rows above, which may be that of the rows below.
    template: str = added_field("", repr=False)


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One entry: a job message, or what is wrong with it."""

    #: From 1.
    number: int
    #: Where it begins in the file, from 1.
    line: int
    body: bytes = b""
    fault: Fault | None = None


#: Bytes of UTF-8 that continue a character, and those that begin one of two units of UTF-16.
_CONTINUING: Final = bytes(range(0x80, 0xC0))
_NOT_LONG: Final = bytes(range(0xF0))
_LONGEST_MARK: Final = 4
#: For half a character at the end of a file: no text, so its entry is a fault.
_HALF: Final = b"\xff"
#: What is not text, by its first bytes.
_FOREIGN: Final = (
    (b"PK\x03\x04", "a workbook or another ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "a workbook of an old Excel"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"\xff\xfe\x00\x00", "UTF-32 text"),
    (b"\x00\x00\xfe\xff", "UTF-32 text"),
)


@dataclass(slots=True)
class EntryBuffer:
    """The text that is not part of an entry yet, in UTF-8, and the state before it."""

    state: ReadingState
    data: bytearray = field(default_factory=bytearray)
    #: The file has no more bytes.
    is_last: bool = False
    faults: list[FileFault] = field(default_factory=list)
    #: The current line is too long: its bytes so far were dropped.
    is_cut: bool = False
    #: Bytes of the file that end within a character, or with half a line end.
    raw: bytearray = field(default_factory=bytearray)
    #: Bytes already searched for the end of the line.
    _searched: int = field(default=0, init=False)

    @property
    def wanted(self) -> int:
        """The offset of the next byte of the file to feed."""
        return self.state.offset + self._file_size(self.data) + len(self.raw)

    def decode(self) -> None:
        """Move the bytes that were fed into the text; find its encoding first."""
        if not self.state.offset and not self.data:
            if len(self.raw) < _LONGEST_MARK and not self.is_last:
                return
            start = bytes(self.raw[:_LONGEST_MARK])
            if found := next((kind for mark, kind in _FOREIGN if start.startswith(mark)), None):
                self.stop(f"the file is {found}; save it as text in UTF-8 ('CSV UTF-8' in Excel)")
                return
            encoding, mark = find_encoding(start)
            self.update(encoding=encoding, offset=mark)
            del self.raw[:mark]
        self.data += self._decoded()

    def _decoded(self) -> bytes:
        # A carriage return waits for the line feed that may follow it.
        if self.state.encoding == "utf-8":
            used = len(self.raw) - (self.raw.endswith(b"\r") and not self.is_last)
            text = bytes(self.raw[:used])
        else:
            read = getattr(codecs, f"{self.state.encoding.replace('-', '_')}_decode")
            decoded, used = read(bytes(self.raw), "surrogatepass", False)
            if decoded.endswith("\r") and not self.is_last:
                decoded, used = decoded[:-1], used - 2
            text = decoded.encode("utf-8", "surrogatepass")
            if self.is_last and used < len(self.raw):
                text, used = text + _HALF, len(self.raw)
        del self.raw[:used]
        return text

    def _file_size(self, text: bytes | bytearray) -> int:
        """Return how many bytes of the file the text has taken."""
        if self.state.encoding == "utf-8":
            return len(text)
        starts = text.translate(None, _CONTINUING)
        return 2 * (len(starts) + len(starts.translate(None, _NOT_LONG)))

    def line(self) -> bytes | None:
        """Return the next line with its end; None while it is not complete.

        Of a line that is too long, all but the last bytes are dropped.
        """
        found = _LINE_END.search(self.data, self._searched)
        if found:
            return bytes(self.data[: found.end()])
        if self.is_last:
            return bytes(self.data) or None
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
        gone = self.data[:size]
        lines = sum(map(gone.count, (b"\n", b"\r"))) - gone.count(b"\r\n")
        self.update(offset=self.state.offset + self._file_size(gone), line=self.state.line + lines)
        del self.data[:size]
        self._searched = 0

    def stop(self, message: str) -> None:
        """Stop reading, and keep the reason."""
        self.faults.append(FileFault(line=self.state.line, message=clip(message)))
        self.update(phase="end")

    def update(self, **changes: object) -> None:
        """Change the state."""
        self.state = self.state.model_copy(update=changes)
