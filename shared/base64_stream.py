"""Base64 decoded as it arrives, four characters at a time, whatever the chunks."""

import re

import pybase64

from .errors import UnreadableReply

_WHITESPACE = b" \t\r\n"
_FOREIGN = re.compile(rb"[^A-Za-z0-9+/=]")
_PAD = ord("=")


class Base64Stream:
    """One base64 text, decoded strictly: what is no base64 is an error, never skipped.

    White space is taken, and so is a text whose padding was left out. At most three characters
    are kept between chunks.
    """

    def __init__(self) -> None:
        self._carry = b""
        self._padded = False

    def feed(self, text: bytes | memoryview) -> bytes:
        """Decode all of `text` that makes whole groups of four, with what was left over before."""
        joined = self._carry + text if self._carry else text
        try:
            return self._take(joined)
        except ValueError:  # white space, or no base64: only the slow way knows which
            pass
        solid = bytes(joined).translate(None, _WHITESPACE)
        try:
            return self._take(solid)
        except ValueError as error:
            raise UnreadableReply(_fault(solid)) from error

    def finish(self) -> bytes:
        """Decode what is left when the text ends, with the padding it may lack."""
        left = self._carry.translate(None, _WHITESPACE)
        try:
            return pybase64.b64decode(left + b"=" * (-len(left) % 4), validate=True)
        except ValueError as error:
            raise UnreadableReply(_fault(left)) from error

    def _take(self, text: bytes | memoryview) -> bytes:
        if self._padded and text:
            raise ValueError("text after the padding")
        whole = len(text) & ~3
        # validate=True is also the fast way: 11.8 GB/s against 2.0 (pybase64 1.5, AVX2).
        decoded = pybase64.b64decode(text[:whole], validate=True)
        self._padded = whole > 0 and text[whole - 1] == _PAD
        self._carry = bytes(text[whole:])
        return decoded


def _fault(text: bytes) -> str:
    foreign = _FOREIGN.search(text)
    if foreign:
        return f"A picture is no base64: it holds the character {foreign[0].decode('latin-1')!r}."
    return "A picture is no base64: it is cut within a byte, or goes on after its padding."
