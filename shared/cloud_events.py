"""Events in their envelope: CloudEvents 1.0, by the library, which callers need not have.

Nor does an app before its first event: the library and what it needs are 24 modules of its start.
"""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from .clipping import MAX_NAME, clipped
from .codes import EventType, RejectionCode
from .errors import Rejected
from .event_data import Data, PoolData
from .events import MAX_FAULTS, FaultData, RejectedData, data_of, event_id
from .records import JobRecord
from .shortening import shortened
from .turns import Alarm

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent


def build(record: JobRecord, event_type: EventType, *, source: str, time: datetime) -> "CloudEvent":
    """Return the event of this type that the record owes the world, short enough for a queue."""
    return cloud_event(
        event_type,
        shortened(data_of(record, event_type, time=time)),
        id=event_id(record.job_id, event_type, record.openings),
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
            FaultData(field=clipped(fault.field, MAX_NAME), message=clipped(fault.message))
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
    event_type = EventType.POOL_BLOCKED if alarm.kind == "blocked" else EventType.POOL_HEALED
    whose = f"{alarm.pool}/{alarm.deployment or ''}/{alarm.opened_at.isoformat()}"
    return cloud_event(
        event_type,
        PoolData(
            pool=alarm.pool,
            deployment=alarm.deployment,
            reason=alarm.reason,
            message=clipped(alarm.message),
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
