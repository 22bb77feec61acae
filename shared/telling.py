"""From a job's record to what its events tell."""

from collections.abc import Sequence
from datetime import datetime

from .clipping import MAX_NAME, clipped
from .event_data import (
    MAX_REQUEST_IDS,
    AcceptedData,
    EndedData,
    Omitted,
    Spending,
    SucceededData,
    Timings,
)
from .parts import contact_sheet_of, images_of, parts_of, planned_parts_of, routing_of
from .pricing import Usage
from .records import JobRecord
from .spending import cost_of


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
        estimate_basis=clipped("; ".join(bases)),
        tags=record.job.tags,
        generation=record.generation,
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
        generation=record.generation,
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
    return tuple(clipped(request_id, MAX_NAME) for request_id in ids[-MAX_REQUEST_IDS:])


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
