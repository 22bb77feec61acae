"""Entries that are elements of a JSON list, found without parsing the whole."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .manifest_entries import MAX_ENTRY_BYTES, TOO_LONG, ManifestEntry, Pending

_SPACE: Final = b" \t\r\n"
#: A whole text, or a mark of structure; a quote alone opens a text that is not all there.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[][{},"]', re.DOTALL)
_COMMA, _BRACKET = b",", b"]"


def elements(pending: Pending) -> Iterator[ManifestEntry]:
    """Yield each element of the list, or the one job that the file is."""
    if pending.state.phase == "start":
        yield from _begun(pending)
    scan = _Scan()
    while pending.state.phase == "inside":
        found = scan.find(pending.data)
        if found is None:
            yield from _unfinished(pending)
            return
        mark, at = found
        body = bytes(pending.data[:at])
        if mark == _BRACKET:
            yield from _ended(pending, body, at + 1)
        else:
            yield _element(pending, body, at + 1)
        scan = _Scan()
    if pending.state.phase == "after":
        _pass_space(pending)
        if pending.data:
            pending.stop("something stands after the list; a file holds one list or one job")


def _begun(pending: Pending) -> Iterator[ManifestEntry]:
    """Step into the list; a file that is no list is one entry, once it is all there."""
    _pass_space(pending)
    if pending.data.startswith(b"["):
        pending.skip(1)
        pending.go(phase="inside")
    elif pending.data and (pending.is_last or len(pending.data) > MAX_ENTRY_BYTES):
        whole = bytes(pending.data)
        yield pending.entry(len(whole), whole.strip())
        pending.go(phase="end")


def _ended(pending: Pending, body: bytes, size: int) -> Iterator[ManifestEntry]:
    """Step out of the list, then yield its last element: whoever stops there is out of it."""
    last = _element(pending, body, size) if body.strip() else None
    if last is None:
        pending.skip(size)
    pending.go(phase="after")
    if last:
        yield last


def _unfinished(pending: Pending) -> Iterator[ManifestEntry]:
    """Tell of a list that has no end, or of an element that is too long to wait for."""
    if pending.is_last:
        if pending.data.strip():
            yield _element(pending, bytes(pending.data), len(pending.data))
        pending.stop("the list is not closed: the file ends before its ]")
    elif len(pending.data) > MAX_ENTRY_BYTES:
        pending.stop(f"{TOO_LONG}; nothing from here on was read")


def _element(pending: Pending, body: bytes, size: int) -> ManifestEntry:
    before = len(body) - len(body.lstrip(_SPACE))
    line = pending.state.line + body.count(b"\n", 0, before)
    return pending.entry(size, body.strip(), line=line)


def _pass_space(pending: Pending) -> None:
    pending.skip(len(pending.data) - len(pending.data.lstrip(_SPACE)))


@dataclass(slots=True)
class _Scan:
    """The search for the end of one element."""

    at: int = 0
    depth: int = 0

    def find(self, searched: bytearray) -> tuple[bytes, int] | None:
        """Return the mark that ends the element, and where it stands; None if it is not there."""
        for token in _TOKEN.finditer(searched, self.at):
            mark = token.group()
            if mark == b'"':
                return None
            if mark in {b"[", b"{"}:
                self.depth += 1
            elif mark in {_BRACKET, b"}"} and self.depth:
                self.depth -= 1
            elif mark == _BRACKET or (mark == _COMMA and not self.depth):
                return mark, token.start()
        return None
