"""From the body of a batch to the messages in it, each as it was written."""

import json
from collections.abc import Iterator
from typing import Final

from ..errors import Fault, MalformedMessage

#: As many as one request can take in within the seconds a caller waits.
MAX_JOBS: Final = 100
#: Bytes of a whole batch.
MAX_BATCH_BYTES: Final = 1 << 20

_BLANK: Final = " \t\r\n"


def messages_in(body: bytes) -> tuple[bytes, ...]:
    """Return each element of a JSON list as its own bytes, untouched.

    What an element holds is read later, as any message is: one bad job spoils no other. Raises
    `MalformedMessage` when the body is no list, an empty one, or too long a one.
    """
    try:
        text = body.decode("utf-8-sig").strip(_BLANK)
        elements = tuple(element.encode() for element in _elements(text))
    except (UnicodeError, RecursionError, ValueError) as error:
        raise _malformed(f"the body is no JSON list of jobs: {error}") from error
    if not 1 <= len(elements) <= MAX_JOBS:
        raise _malformed(f"the list holds {len(elements)} jobs; 1 to {MAX_JOBS} are taken at once")
    return elements


def _elements(text: str) -> Iterator[str]:
    if not text.startswith("["):
        raise ValueError("it does not begin with '['")
    decoder = json.JSONDecoder()
    place = _next(text, 1)
    more = text[place : place + 1] != "]"
    while more:
        _, end = decoder.raw_decode(text, place)
        yield text[place:end]
        place = _next(text, end)
        more = text[place : place + 1] == ","
        place = _next(text, place + 1) if more else place
    if text[place:] != "]":
        raise ValueError(f"after an element at character {place} comes neither ',' nor the end")


def _next(text: str, place: int) -> int:
    while text[place : place + 1] and text[place] in _BLANK:
        place += 1
    return place


def _malformed(message: str) -> MalformedMessage:
    return MalformedMessage([Fault("", message)])
