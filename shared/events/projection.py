"""What the world is told of a job: which data each event has.

An event's id is a UUIDv5 of its job, type and opening: a repeat has the same id. Events are
built from the record alone, so a sweep tells exactly what the first try would have told.
`shared.events.cloud_events` puts them into their envelope.

From a job's record to what its events tell.

The parts of a job, told one by one: how each was routed, what came of it, what failed.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import Field

from ..catalogue.pricing import Usage
from ..errors import Fault
from ..records.costs import cost_of
from ..records.record import Failure, JobRecord
from ..routing.plan import Adjustment, Plan
from ..vocabulary import CIRCUIT_EVENTS, MAX_NAME_BYTES, EventType, FailureCode, RejectionCode, clip
from .data import (
    MAX_REASONS,
    MAX_REQUEST_IDS,
    AcceptedData,
    Asked,
    CircuitData,
    Data,
    Decided,
    EndedData,
    EndedPart,
    Image,
    Omitted,
    PartFailure,
    PlannedPart,
    RenditionData,
    Routing,
    Spending,
    SucceededData,
    Timings,
)


def planned_parts_of(record: JobRecord) -> tuple[PlannedPart, ...]:
    """Tell of each model and size that will be made."""
    return tuple(
        PlannedPart(**_part(number, plan), expected_seconds=round(plan.expected_seconds, 1))
        for number, plan in enumerate(record.plans)
    )


def parts_of(record: JobRecord) -> tuple[EndedPart, ...]:
    """Tell of each model and size: how it was routed, what came of it, what it cost."""
    parts = []
    for number, plan in enumerate(record.plans):
        tasks = [task for task in record.tasks if task.part == number]
        cost_usd, known_by = cost_of([each for task in tasks for each in task.every_attempt])
        parts.append(
            EndedPart(
                **_part(number, plan),
                calls_failed=sum(task.failure is not None for task in tasks),
                images=sum(len(task.pictures) for task in tasks),
                cost_usd=cost_usd,
                cost_known_by=known_by,
            )
        )
    return tuple(parts)


def _part(number: int, plan: Plan) -> dict[str, Any]:
    return {
        "part": number,
        "routing": routing_of(plan),
        "calls": plan.calls,
        "estimate_usd": plan.estimate_usd,
    }


def failures_of(record: JobRecord) -> tuple[PartFailure, ...]:
    """Return each call that ended without all of its pictures, and which are missing."""
    return tuple(
        PartFailure(
            part=task.part,
            locale=task.locale,
            indexes=tuple(task.first + slot.index for slot in task.missing),
            code=clip(task.failure.code, MAX_NAME_BYTES),
            message=clip(task.failure.message),
            retryable=task.failure.retryable,
        )
        for task in record.tasks
        if task.failure
    )


def images_of(record: JobRecord) -> tuple[Image, ...]:
    """Return the stored pictures, numbered through the tasks of a locale."""
    return tuple(
        Image(
            **dict(picture),
            part=task.part,
            model=record.plans[task.part].model,
            size=clip(record.plans[task.part].asked_size, MAX_NAME_BYTES),
            renditions=renditions_of(record, picture.blob),
        )
        for task in record.tasks
        for picture in task.pictures
    )


def renditions_of(record: JobRecord, blob: str | None) -> tuple[RenditionData, ...]:
    """Tell what was made of an original; of None: the contact sheet."""
    return tuple(
        RenditionData(**each.model_dump(exclude={"of"}))
        for each in (record.finishing.rendered if record.finishing else ())
        if each.of == blob
    )


def contact_sheet_of(record: JobRecord) -> RenditionData | None:
    """Tell of the contact sheet, if there is one."""
    return next(iter(renditions_of(record, None)), None)


def routing_of(plan: Plan) -> Routing:
    """Tell what was asked for and what became of it."""
    return Routing(
        asked=Asked(
            size=plan.asked_size,
            quality=plan.asked_quality,
            model=plan.asked_model,
            routing=plan.asked_routing,
            n=plan.n,
        ),
        decided=Decided(
            model=plan.model,
            routing=plan.routing,
            width=plan.width,
            height=plan.height,
            quality=plan.quality,
            tier=plan.tier,
            bucket=plan.bucket,
            lane=plan.lane,
        ),
        adjustments=tuple(
            Adjustment(
                field=clip(made.field, MAX_NAME_BYTES),
                asked=made.asked and clip(made.asked, MAX_NAME_BYTES),
                decided=clip(made.decided, MAX_NAME_BYTES),
                reason=clip(made.reason),
            )
            for made in plan.adjustments[:MAX_REASONS]
        ),
        reasons=_some(plan.reasons),
        warnings=_some(plan.warnings),
    )


def _some(texts: Iterable[str]) -> tuple[str, ...]:
    every = tuple(texts)
    kept = tuple(clip(text) for text in every[:MAX_REASONS])
    return (*kept, f"… and {len(every) - len(kept)} more") if len(every) > len(kept) else kept


def accepted_of(record: JobRecord) -> AcceptedData:
    """Tell of a job that will be made."""
    plans = record.plans
    bases = dict.fromkeys(plan.estimate_basis for plan in plans)
    return AcceptedData(
        job_id=record.job_id,
        routing=routing_of(plans[0]),
        parts=planned_parts_of(record),
        omitted=Omitted(),
        tasks=len(record.tasks),
        expected_seconds=round(max(plan.expected_seconds for plan in plans), 1),
        estimate_usd=record.estimate_usd,
        estimate_basis=clip("; ".join(bases)),
        tags=record.job.tags,
        run=record.run,
    )


def ended_of(record: JobRecord, time: datetime) -> EndedData:
    """Tell of a job that came to an end at `time`."""
    newest = max(record.attempts, key=lambda attempt: attempt.started_at, default=None)
    return EndedData(
        **dict(spending_of(record)),
        job_id=record.job_id,
        images=images_of(record),
        model=record.plans[0].model,
        deployment=newest.deployment if newest else None,
        routing=routing_of(record.plans[0]),
        parts=parts_of(record),
        contact_sheet=contact_sheet_of(record),
        omitted=Omitted(),
        timings=timings_of(record, time),
        tags=record.job.tags,
        run=record.run,
    )


def succeeded_of(record: JobRecord, time: datetime) -> SucceededData:
    """Tell of a job that has all of its pictures."""
    return SucceededData(**dict(ended_of(record, time)), sidecar=f"{record.job_id}/job.json")


def timings_of(record: JobRecord, finished_at: datetime) -> Timings:
    """Tell when the job was accepted, first called for, and finished."""
    attempts = record.attempts
    called = sum(
        ((attempt.ended_at or finished_at) - attempt.started_at).total_seconds()
        for attempt in attempts
    )
    return Timings(
        accepted_at=record.accepted_at,
        started_at=min((attempt.started_at for attempt in attempts), default=None),
        finished_at=finished_at,
        total_seconds=round((finished_at - record.accepted_at).total_seconds(), 3),
        calling_seconds=round(called, 3),
    )


def request_ids_of(record: JobRecord) -> tuple[str, ...]:
    """Tell the provider's ids of the newest calls, for its support and for reconciliation."""
    ids = [attempt.request_id for attempt in record.attempts if attempt.request_id]
    return tuple(clip(request_id, MAX_NAME_BYTES) for request_id in ids[-MAX_REQUEST_IDS:])


def spending_of(record: JobRecord) -> Spending:
    """Tell what was spent; a call whose outcome is unknown counts with its estimate."""
    paid = [attempt for attempt in record.attempts if attempt.charged != "no"]
    cost_usd, known_by = cost_of(paid)
    return Spending(
        usage=_summed([attempt.usage for attempt in paid if attempt.usage]),
        cost_usd=cost_usd,
        cost_known_by=known_by,
        attempts=len(paid),
        unpaid_retries=sum(task.unpaid_retries for task in record.tasks),
        possible_duplicate_charge=any(task.possible_duplicate_charge for task in record.tasks),
    )


def _summed(usages: Sequence[Usage]) -> Usage | None:
    """Add up; a part that one call did not report is unknown for all."""
    if not usages:
        return None
    sums: dict[str, int | None] = {}
    for name in Usage.model_fields:
        counts = [getattr(usage, name) for usage in usages]
        sums[name] = None if None in counts else sum(counts)
    return Usage.model_validate(sums)


#: Names of events are made in this space.
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "image-jobs")
#: Faults told in an event; the dead letter has them all.
MAX_FAULTS: Final = 40
MAX_CATEGORIES: Final = 12


class RejectedData(Data):
    """A message that was refused; nothing was paid."""

    job_id: str | None
    code: RejectionCode
    faults: tuple[Fault, ...]
    faults_found: int = Field(description="All of them, told or not.")
    digest: str = Field(description="SHA-256 of the message's body, hexadecimal.")
    tags: dict[str, str]


class FailedData(Failure, EndedData):
    """A job that ended, is parked or was cancelled without all of its pictures."""

    code: FailureCode
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
    EventType.CIRCUIT_OPENED: CircuitData,
    EventType.CIRCUIT_CLOSED: CircuitData,
}

#: What a record without a failure of its own is told as.
_UNEXPLAINED: Final = {
    EventType.PARKED: (FailureCode.OUTCOME_UNKNOWN, "the job is parked; an operator decides"),
    EventType.CANCELLED: (FailureCode.CANCELLED, "the job was cancelled"),
}


def event_id(job_id: str, event_type: str, run: int) -> str:
    """Return the id of a job's event: the same whenever it is told again."""
    return str(uuid.uuid5(_NAMESPACE, f"{job_id}/{event_type}/{run}"))


def data_of(record: JobRecord, event_type: EventType, *, time: datetime) -> Data:
    """Return all that an event of this type has to tell, whatever its length."""
    if event_type is EventType.ACCEPTED:
        return accepted_of(record)
    if event_type is EventType.SUCCEEDED:
        return succeeded_of(record, time)
    if event_type is EventType.REJECTED:
        raise ValueError("a rejected message has no record; use cloud_events.rejected")
    if event_type in CIRCUIT_EVENTS:
        raise ValueError(f"{event_type.value} is about a circuit; use cloud_events.alarm_event")
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
        message=clip((among if len(record.tasks) > 1 and failures else "") + failure.message),
        retryable=failure.retryable,
        failures=failures,
        categories=tuple(
            clip(category, MAX_NAME_BYTES) for category in failure.categories[:MAX_CATEGORIES]
        ),
        request_ids=request_ids_of(record),
    )
