"""Events in their envelope: CloudEvents 1.0, by the library, which callers need not have.

Nor does an app before its first event: the library and what it needs are 24 modules of its start.

Making an event fit: what cannot all be told is told as far as there is room, and counted.

Failures come before parts and parts before images: an image that is left out is found beside the
others, a failure nowhere else. The sidecar and the record hold everything.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ..errors import Fault, Rejected
from ..limits.pool_ledger import Alarm
from ..records.record import JobRecord
from ..vocabulary import MAX_NAME_BYTES, EventType, RejectionCode, clip
from .data import MAX_EVENT_BYTES, CircuitData, Data, EndedPart, Omitted, PlannedPart
from .projection import MAX_FAULTS, RejectedData, data_of, event_id

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent

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


def build(record: JobRecord, event_type: EventType, *, source: str, time: datetime) -> "CloudEvent":
    """Return the event of this type that the record owes the world, short enough for a queue."""
    return cloud_event(
        event_type,
        shortened(data_of(record, event_type, time=time)),
        id=event_id(record.job_id, event_type, record.run),
        subject=f"jobs/{record.job_id}",
        source=source,
        time=time,
        traceparent=record.job.traceparent,
    )


def rejected(rejection: Rejected, *, digest: str, source: str, time: datetime) -> "CloudEvent":
    """Return the event of a refused message, whose body has this SHA-256.

    Its id is of the digest as well: a conflict must not look like a repeat of the job's own event.
    """
    whose = rejection.job_id or ""
    known = rejection.code in set(RejectionCode)
    data = RejectedData(
        job_id=rejection.job_id,
        code=RejectionCode(rejection.code) if known else RejectionCode.INVALID_JOB,
        faults=tuple(
            Fault(clip(fault.field, MAX_NAME_BYTES), clip(fault.message))
            for fault in rejection.faults[:MAX_FAULTS]
        ),
        faults_found=len(rejection.faults),
        digest=digest,
        tags={},
    )
    return cloud_event(
        EventType.REJECTED,
        data,
        id=event_id(f"{whose}/{digest}", EventType.REJECTED, 1),
        subject=f"jobs/{whose}" if whose else f"messages/{digest}",
        source=source,
        time=time,
    )


def alarm_event(alarm: Alarm, *, source: str) -> "CloudEvent":
    """Return the event of an alarm; its id is the same whenever it is raised again."""
    event_type = EventType.CIRCUIT_OPENED if alarm.kind == "opened" else EventType.CIRCUIT_CLOSED
    whose = f"{alarm.pool}/{alarm.deployment or ''}/{alarm.opened_at.isoformat()}"
    return cloud_event(
        event_type,
        CircuitData(
            pool=alarm.pool,
            deployment=alarm.deployment,
            reason=alarm.reason,
            message=clip(alarm.message),
            since=alarm.opened_at,
        ),
        id=event_id(whose, event_type, 1),
        subject=f"pools/{alarm.pool}",
        source=source,
        time=alarm.time,
    )


def to_json(event: "CloudEvent") -> bytes:
    """Return the event in CloudEvents' structured JSON, as it goes into a queue message."""
    from cloudevents.core.formats.json import JSONFormat  # noqa: PLC0415 (see the module)

    return JSONFormat().write(event)


def cloud_event(
    event_type: StrEnum, data: Data, *, source: str, time: datetime, **attributes: str | None
) -> "CloudEvent":
    """Return an event with this data; attributes that are empty are left out."""
    from cloudevents.core.v1.event import CloudEvent  # noqa: PLC0415 (see the module)

    said = {name: value for name, value in attributes.items() if value}
    return CloudEvent(
        {
            "specversion": "1.0",
            "type": event_type.value,
            "source": source,
            "time": time,
            "datacontenttype": "application/json",
            **said,
        },
        data.model_dump(mode="json"),
    )
