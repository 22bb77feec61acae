"""Texts cut to what an event, or the metadata of a blob, has room for."""

import json
from itertools import accumulate
from typing import Final

MAX_TEXT: Final = 400
MAX_NAME: Final = 120


def clipped(text: str, limit: int = MAX_TEXT) -> str:
    """Return the text, cut so that it takes at most `limit` bytes of ASCII JSON."""
    if _bytes(text) <= limit:
        return text
    left = limit - _bytes("…")
    kept = sum(size <= left for size in accumulate(map(_bytes, text)))
    return f"{text[:kept]}…"


def _bytes(text: str) -> int:
    return len(json.dumps(text)) - len('""')
