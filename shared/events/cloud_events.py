"""Build CloudEvents 1.0 that fit a queue message.

An event that is too long leaves out entries of its lists, images first: each image is found beside
the others, but a failure is found nowhere else. The sidecar and the record hold everything.

The CloudEvents library is imported with the first event: it is 24 modules.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from ..errors import Fault, Rejected
from ..limits.pool_ledger import Alarm
from ..records.index_entry import IndexEntry
from ..records.record import Failure, JobRecord
from ..vocabulary import MAX_NAME_BYTES, EventType, RejectionCode, clip
from .data import (
    MAX_EVENT_BYTES,
    MAX_FAULTS,
    CircuitData,
    Data,
    Omitted,
    Part,
    RejectedData,
    StorageData,
)
from .projection import data_of, data_of_damaged, event_id

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent

#: The most bytes of an event's data; the attributes, with a long source, take the other 2 KiB.
_MAX_DATA_BYTES: Final = MAX_EVENT_BYTES - 2_048
#: In order of importance; each may take half of the room that is left, the last one all of it.
_LISTS: Final = ("failures", "parts", "images")


def _shorten[T: Data](data: T) -> T:
    """Return the data with as many entries of its lists as fit into an event."""
    # Quickly: a character of UTF-8 takes at most 3 times its bytes in ASCII, spaces included.
    if 3 * len(data.model_dump_json().encode()) <= _MAX_DATA_BYTES:
        return data
    if _count_bytes(data) <= _MAX_DATA_BYTES or not hasattr(data, "omitted"):
        return data
    names = [name for name in _LISTS if hasattr(data, name)]
    kept: dict[str, Sequence[Data]] = dict.fromkeys(names, ())
    room = _MAX_DATA_BYTES - _count_bytes(data.model_copy(update=kept))
    omitted: dict[str, int] = {}
    for name in names:
        share = room if name == names[-1] else room // 2
        items: Sequence[Any] = getattr(data, name)
        if name == "parts" and sum(map(_count_bytes_in_list, items)) > share:
            omitted["reasons"] = sum(bool(part.routing.reasons) for part in items)
            items = [_drop_reasons(part) for part in items]
        kept[name] = _fit(items, share)
        room -= sum(map(_count_bytes_in_list, kept[name]))
        omitted[name] = len(items) - len(kept[name])
    return data.model_copy(update={**kept, "omitted": Omitted(**omitted)})


def _fit(items: Sequence[Data], room: int) -> tuple[Data, ...]:
    """Return the items that fit into `room` bytes, in order; parts with failed calls go first."""
    kept: set[int] = set()
    for place in sorted(
        range(len(items)), key=lambda place: not getattr(items[place], "calls_failed", 0)
    ):
        room -= _count_bytes_in_list(items[place])
        if room < 0:
            break
        kept.add(place)
    return tuple(item for place, item in enumerate(items) if place in kept)


def _drop_reasons(part: Part) -> Part:
    return part.model_copy(update={"routing": part.routing.model_copy(update={"reasons": ()})})


def _count_bytes(data: Data) -> int:
    return len(json.dumps(data.model_dump(mode="json")))


def _count_bytes_in_list(item: Data) -> int:
    return _count_bytes(item) + len(", ")


def build(
    record: JobRecord,
    event_type: EventType,
    *,
    source: str,
    time: datetime,
    picture: str | None = None,
    data: Data | None = None,
) -> "CloudEvent":
    """Return the event of this type for a job, or for its picture, by blob.

    It is short enough for a queue message. `data` is its whole data, where it is built already.
    """
    return cloud_event(
        event_type,
        _shorten(data or data_of(record, event_type, time=time, picture=picture)),
        id=event_id(record.job_id, event_type, record.run, picture=picture),
        subject=f"jobs/{record.job_id}",
        source=source,
        time=time,
        traceparent=record.job.traceparent,
        tenant=record.job.tenant,
    )


def damaged(entry: IndexEntry, failure: Failure, *, source: str, time: datetime) -> "CloudEvent":
    """Return the event of a job that ends because its record is damaged."""
    return cloud_event(
        EventType.FAILED,
        _shorten(data_of_damaged(entry, failure, time=time)),
        id=event_id(entry.job_id, EventType.FAILED, entry.run),
        subject=f"jobs/{entry.job_id}",
        source=source,
        time=time,
        tenant=entry.tenant,
    )


def rejected(
    rejection: Rejected, *, digest: str, source: str, time: datetime, tenant: str | None = None
) -> "CloudEvent":
    """Return the event of a rejected message, whose body has this SHA-256, for its tenant if known.

    Its id contains the digest too: a conflict must not look like a repeat of the job's first event.
    """
    job_id = rejection.job_id or ""
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
        tenant=tenant,
        tags={},
    )
    return cloud_event(
        EventType.REJECTED,
        data,
        id=event_id(f"{job_id}/{digest}", EventType.REJECTED, 1),
        subject=f"jobs/{job_id}" if job_id else f"messages/{digest}",
        source=source,
        time=time,
        tenant=tenant,
    )


def alarm_event(alarm: Alarm, *, source: str) -> "CloudEvent":
    """Return the event of an alarm; each repeat of the alarm has the same id."""
    event_type = EventType.CIRCUIT_OPENED if alarm.kind == "opened" else EventType.CIRCUIT_CLOSED
    circuit = f"{alarm.pool}/{alarm.deployment or ''}/{alarm.opened_at.isoformat()}"
    return cloud_event(
        event_type,
        CircuitData.copy_from(alarm, message=clip(alarm.message), since=alarm.opened_at),
        id=event_id(circuit, event_type, 1),
        subject=f"pools/{alarm.pool}",
        source=source,
        time=alarm.time,
    )


def storage_blocked(alarm: StorageData, *, source: str) -> "CloudEvent":
    """Return the event of an alarm of storage; hosts that see it in the same hour repeat its id."""
    hour = f"{alarm.container}/{alarm.since:%Y-%m-%dT%H}"
    return cloud_event(
        EventType.STORAGE_BLOCKED,
        alarm,
        id=event_id(hour, EventType.STORAGE_BLOCKED, 1),
        subject=f"containers/{alarm.container}",
        source=source,
        time=alarm.since,
    )


def to_json(event: "CloudEvent") -> bytes:
    """Return the event in CloudEvents' structured JSON, the body of a queue message."""
    from cloudevents.core.formats.json import JSONFormat  # noqa: PLC0415 (see the module)

    return JSONFormat().write(event)


def cloud_event(
    event_type: StrEnum, data: Data, *, source: str, time: datetime, **attributes: str | None
) -> "CloudEvent":
    """Return an event with this data and these attributes, without the empty ones."""
    from cloudevents.core.v1.event import CloudEvent  # noqa: PLC0415 (see the module)

    return CloudEvent(
        {
            "specversion": "1.0",
            "type": event_type.value,
            "source": source,
            "time": time,
            "datacontenttype": "application/json",
            **{name: value for name, value in attributes.items() if value},
        },
        data.model_dump(mode="json"),
    )
