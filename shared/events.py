"""What the world is told of a job: which data each event has.

An event's id is a UUIDv5 of its job, type and opening: a repeat has the same id. Events are
built from the record alone, so a sweep tells exactly what the first try would have told.
`shared.cloud_events` puts them into their envelope.
"""

import uuid
from datetime import datetime
from typing import Final

from pydantic import Field

from .clipping import MAX_NAME, clipped
from .codes import OF_POOLS, EventType, FailureCode, RejectionCode
from .event_data import AcceptedData, Data, EndedData, PartFailure, PoolData, SucceededData
from .parts import failures_of
from .records import Failure, JobRecord
from .telling import accepted_of, ended_of, request_ids_of, succeeded_of

#: Names of events are made in this space.
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "image-jobs")
#: Faults told in an event; the dead letter has them all.
MAX_FAULTS: Final = 40
MAX_CATEGORIES: Final = 12


class FaultData(Data):
    """One thing wrong with one field."""

    field: str
    message: str


class RejectedData(Data):
    """A message that was refused; nothing was paid."""

    job_id: str | None
    code: RejectionCode
    faults: tuple[FaultData, ...]
    faults_found: int = Field(description="All of them, told or not.")
    digest: str = Field(description="SHA-256 of the message's body, hexadecimal.")
    tags: dict[str, str]


class FailedData(EndedData):
    """A job that ended, is parked or was cancelled without all of its pictures."""

    code: FailureCode
    message: str
    retryable: bool
    categories: tuple[str, ...] = Field(description="What a content filter objected to.")
    request_ids: tuple[str, ...] = Field(description="The provider's, newest last.")
    failures: tuple[PartFailure, ...] = Field(description="Of each call that failed.")


#: The data of each type of event.
DATA: Final[dict[EventType, type[Data]]] = {
    EventType.ACCEPTED: AcceptedData,
    EventType.REJECTED: RejectedData,
    EventType.SUCCEEDED: SucceededData,
    EventType.FAILED: FailedData,
    EventType.PARKED: FailedData,
    EventType.CANCELLED: FailedData,
    EventType.POOL_BLOCKED: PoolData,
    EventType.POOL_HEALED: PoolData,
}

#: What a record without a failure of its own is told as.
_UNEXPLAINED: Final = {
    EventType.PARKED: (FailureCode.OUTCOME_UNKNOWN, "the job is parked; an operator decides"),
    EventType.CANCELLED: (FailureCode.CANCELLED, "the job was cancelled"),
}


def event_id(job_id: str, event_type: str, opening: int) -> str:
    """Return the id of a job's event: the same whenever it is told again."""
    return str(uuid.uuid5(_NAMESPACE, f"{job_id}/{event_type}/{opening}"))


def data_of(record: JobRecord, event_type: EventType, *, time: datetime) -> Data:
    """Return all that an event of this type has to tell, whatever its length."""
    if event_type is EventType.ACCEPTED:
        return accepted_of(record)
    if event_type is EventType.SUCCEEDED:
        return succeeded_of(record, time)
    if event_type is EventType.REJECTED:
        raise ValueError("a rejected message has no record; use cloud_events.rejected")
    if event_type in OF_POOLS:
        raise ValueError(f"{event_type.value} is of a pool; use cloud_events.alarm_event")
    return _failed(record, event_type, time)


def _failed(record: JobRecord, event_type: EventType, time: datetime) -> FailedData:
    code, message = _UNEXPLAINED.get(event_type, (FailureCode.UNCLASSIFIED, "no reason is known"))
    failure = record.failure or Failure(code=code, message=message)
    known = failure.code in set(FailureCode)
    failures = failures_of(record)
    among = f"{len(failures)} of {len(record.tasks)} calls failed, the first of them: "
    return FailedData(
        **dict(ended_of(record, time)),
        code=FailureCode(failure.code) if known else FailureCode.UNCLASSIFIED,
        message=clipped((among if len(record.tasks) > 1 and failures else "") + failure.message),
        retryable=failure.retryable,
        failures=failures,
        categories=tuple(
            clipped(category, MAX_NAME) for category in failure.categories[:MAX_CATEGORIES]
        ),
        request_ids=request_ids_of(record),
    )
