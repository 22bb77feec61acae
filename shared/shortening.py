"""Making an event fit: what cannot all be told is told as far as there is room, and counted.

Failures come before parts and parts before images: an image that is left out is found beside the
others, a failure nowhere else. The sidecar and the record hold everything.
"""

import json
from collections.abc import Callable, Sequence
from typing import Final

from .event_data import MAX_EVENT_BYTES, Data, EndedPart, Omitted, PlannedPart

#: What a CloudEvent puts around its data: its attributes, a long source among them.
ENVELOPE_BYTES: Final = 2_048
#: In order of importance; each may take half of the room that is left, the last one all of it.
_LISTS: Final = ("failures", "parts", "images")


def shortened[T: Data](data: T, *, most: int = MAX_EVENT_BYTES - ENVELOPE_BYTES) -> T:
    """Return the data with as much of its lists as fits into `most` bytes of JSON."""
    if _bytes(data) <= most or "omitted" not in type(data).model_fields:
        return data
    names = [name for name in _LISTS if name in type(data).model_fields]
    told: dict[str, Sequence[Data]] = dict.fromkeys(names, ())
    room = most - _bytes(data.model_copy(update=told))
    left_out: dict[str, int] = {}
    for name in names:
        share = room if name == names[-1] else room // 2
        items: Sequence[Data] = getattr(data, name)
        if name == "parts" and sum(map(_bytes_within, items)) > share:
            left_out["reasons"] = sum(bool(_reasons(part)) for part in items)
            items = [_without_reasons(part) for part in items]
        told[name] = _fitting(items, share, last=_is_well)
        room -= sum(map(_bytes_within, told[name]))
        left_out[name] = len(items) - len(told[name])
    return data.model_copy(update={**told, "omitted": Omitted(**left_out)})


def _fitting(items: Sequence[Data], room: int, *, last: Callable[[Data], bool]) -> tuple[Data, ...]:
    """Return what fits, in its order; what is `last` goes first when not all does."""
    kept: set[int] = set()
    for place in sorted(range(len(items)), key=lambda place: last(items[place])):
        room -= _bytes_within(items[place])
        if room < 0:
            break
        kept.add(place)
    return tuple(item for place, item in enumerate(items) if place in kept)


def _is_well(item: Data) -> bool:
    return not (isinstance(item, EndedPart) and item.calls_failed)


def _reasons(part: Data) -> Sequence[str]:
    return part.routing.reasons if isinstance(part, EndedPart | PlannedPart) else ()


def _without_reasons(part: Data) -> Data:
    if not isinstance(part, EndedPart | PlannedPart):
        return part
    return part.model_copy(update={"routing": part.routing.model_copy(update={"reasons": ()})})


def _bytes(data: Data) -> int:
    return len(json.dumps(data.model_dump(mode="json")))


def _bytes_within(item: Data) -> int:
    """Return what an entry takes in a list, its comma included."""
    return _bytes(item) + len(", ")
