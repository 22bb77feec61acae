"""What the world is told of a job: the types of events, the codes, the data.

An event's id is a UUIDv5 of its job, type and opening: a repeat has the same id. Events are
built from the record alone, so a sweep tells exactly what the first try would have told.
`shared.cloud_events` puts them into their envelope.
"""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import Field

from .event_data import (
    MAX_NAME,
    AcceptedData,
    Data,
    EndedData,
    PartFailure,
    PoolData,
    SucceededData,
    clipped,
)
from .parts import failures_of
from .records import Failure, JobRecord
from .telling import accepted_of, ended_of, request_ids_of, succeeded_of

#: Names of events are made in this space.
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "image-jobs")
#: Faults told in an event; the dead letter has them all.
MAX_FAULTS: Final = 40
MAX_CATEGORIES: Final = 12


class EventType(StrEnum):
    """The types of events."""

    ACCEPTED = "image.job.accepted"
    REJECTED = "image.job.rejected"
    SUCCEEDED = "image.job.succeeded"
    FAILED = "image.job.failed"
    PARKED = "image.job.parked"
    CANCELLED = "image.job.cancelled"
    POOL_BLOCKED = "image.pool.blocked"
    POOL_HEALED = "image.pool.healed"


#: Types of events that are about a quota pool, and not about a job.
OF_POOLS: Final = frozenset({EventType.POOL_BLOCKED, EventType.POOL_HEALED})


class RejectionCode(StrEnum):
    """Why a message was refused before anything was paid."""

    MALFORMED_MESSAGE = "malformed_message"
    INVALID_JOB = "invalid_job"
    UNSUPPORTED_REQUEST = "unsupported_request"
    OVER_COST_LIMIT = "over_cost_limit"
    CONFLICT = "conflict"
    POISONED = "poisoned"


class FailureCode(StrEnum):
    """Why a job ended without all of its pictures."""

    CONTENT_REFUSED = "content_refused"
    PROVIDER_REJECTED = "provider_rejected"
    NO_IMAGE = "no_image"
    PICTURE_LINKED = "picture_linked"
    FEWER_IMAGES = "fewer_images"
    OUTCOME_UNKNOWN = "outcome_unknown"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    PROMPT_MISSING = "prompt_missing"
    INPUT_CHANGED = "input_changed"
    FINISH_FAILED = "finish_failed"
    MISCONFIGURED = "misconfigured"
    POISONED = "poisoned"
    CANCELLED = "cancelled"
    OVER_BUDGET = "over_budget"
    OVER_COST_LIMIT = "over_cost_limit"
    UNCLASSIFIED = "unclassified"


#: What each code means, as `docs/messages.md` says it.
REJECTIONS: Final[dict[RejectionCode, str]] = {
    RejectionCode.MALFORMED_MESSAGE: "The message holds no job.",
    RejectionCode.INVALID_JOB: "The job has faults in its fields, or names what is not there.",
    RejectionCode.UNSUPPORTED_REQUEST: "No configured model makes what the job asks for.",
    RejectionCode.OVER_COST_LIMIT: "The estimate is above the job's `max_cost_usd`, or the app's "
    "budget of a day.",
    RejectionCode.CONFLICT: "The job's id belongs to a job with other content.",
    RejectionCode.POISONED: "The platform gave the message up before a job came of it.",
}
FAILURES: Final[dict[FailureCode, str]] = {
    FailureCode.CONTENT_REFUSED: "A content filter of the provider refused the prompt or picture.",
    FailureCode.PROVIDER_REJECTED: "The provider refused the request for another reason.",
    FailureCode.NO_IMAGE: "The provider answered with success and without a picture.",
    FailureCode.PICTURE_LINKED: "The provider linked a picture that is paid for, and it could not "
    "be had from there; the message says why.",
    FailureCode.FEWER_IMAGES: "Some pictures of the job came, and not all.",
    FailureCode.OUTCOME_UNKNOWN: "A reply was lost, so the call may have been paid for.",
    FailureCode.DEADLINE_EXCEEDED: "The job's deadline, or the longest life of a job, passed.",
    FailureCode.PROMPT_MISSING: "The blob that held the prompt is gone.",
    FailureCode.INPUT_CHANGED: "A picture to edit was changed or removed after the job was taken.",
    FailureCode.FINISH_FAILED: "The originals are stored, and could not be finished as asked.",
    FailureCode.MISCONFIGURED: "No deployment takes our requests: an operator must act.",
    FailureCode.POISONED: "The platform gave the job's message up after repeated crashes.",
    FailureCode.CANCELLED: "The job was cancelled.",
    FailureCode.OVER_BUDGET: "The app's budget of the day is spent; the job goes on when a new day "
    "begins (UTC), or when it is released.",
    FailureCode.OVER_COST_LIMIT: "Another call might have passed the job's `max_cost_usd`.",
    FailureCode.UNCLASSIFIED: "None of the others; the message says what is known.",
}


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
