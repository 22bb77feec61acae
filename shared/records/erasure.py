"""Erase the personal data in the record of a job: what stays are its id and what it cost.

An erasure is two steps. First the record says that it is requested, so nothing begins any more and
the blobs that hold data are known. When they are deleted, the tombstone replaces the record: a
record that any version reads, of a job with another content.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from ..errors import IllegalStep
from ..jobs.job import Job
from ..routing.plan import Plan
from .record import (
    Attempt,
    Cost,
    Erasure,
    Failure,
    FinishRecord,
    JobRecord,
    JobState,
    OutboxEntry,
    Review,
    TaskRecord,
)

#: Stands for every text in a tombstone; as a fingerprint it equals that of no job.
ERASED: Final = "erased"
_ENDED: Final = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


def request_erasure(record: JobRecord, *, now: datetime) -> JobRecord:
    """Return the record of a job whose data is to be erased; the same one if that is known.

    Raises `IllegalStep` for a job that has not ended, or whose events are not all sent.
    """
    if record.erased:
        return record
    if record.state not in _ENDED:
        first = "decide the review" if record.state is JobState.AWAITING_REVIEW else "cancel it"
        state = str(record.state).replace("_", " ")
        why = f"{record.job_id} is {state}: {first} first, then erase it"
        raise IllegalStep(why, job_id=record.job_id)
    if any(entry.sent_at is None for entry in record.outbox):
        why = f"an event of {record.job_id} is not sent yet; try again"
        raise IllegalStep(why, job_id=record.job_id)
    erasure = Erasure(requested_at=now, deleted=(), kept=(), receivers=())
    return record.model_copy(update={"erased": erasure})


def add_findings(
    record: JobRecord, *, deleted: Iterable[str], kept: Iterable[str], receivers: Iterable[str]
) -> JobRecord:
    """Return a record whose erasure names more of what holds data of the job, each once."""
    if record.erased is None:
        raise IllegalStep(f"nobody erases the data of {record.job_id}", job_id=record.job_id)
    so_far = record.erased
    found = so_far.model_copy(
        update={
            "deleted": tuple(dict.fromkeys([*so_far.deleted, *deleted])),
            "kept": tuple(dict.fromkeys([*so_far.kept, *kept])),
            "receivers": tuple(dict.fromkeys([*so_far.receivers, *receivers])),
        }
    )
    return record.model_copy(update={"erased": found})


def is_tombstone(record: JobRecord) -> bool:
    """Tell whether the personal data in a record itself is gone."""
    return record.erased is not None and record.fingerprint == ERASED


def make_tombstone(record: JobRecord) -> JobRecord:
    """Return the record with its id, tenant, states, times and costs, and nothing else.

    It names what stays, so no field of a later version stays by accident.
    """
    job = record.job
    return JobRecord(
        job_id=record.job_id,
        fingerprint=ERASED,
        run=record.run,
        state=record.state,
        job=Job(job_id=job.job_id, prompt=ERASED, tenant=job.tenant),
        plans=tuple(map(_redact_plan, record.plans)),
        tasks=tuple(map(_redact_task, record.tasks)),
        finishing=_redact_finish(record.finishing),
        outbox=tuple(
            OutboxEntry(type=each.type, time=each.time, sent_at=each.sent_at, run=each.run)
            for each in record.outbox
            if each.picture is None
        ),
        reused=record.reused,
        review=_redact_review(record.review),
        erased=record.erased,
        batch=record.batch,
        accepted_at=record.accepted_at,
        updated_at=record.updated_at,
        run_started_at=record.run_started_at,
        past=tuple(map(_redact_attempt, record.past)),
    )


def find_host(url: str) -> str:
    """Return the host of a callback: its path and query may hold data or a secret."""
    return urlsplit(url).hostname or ERASED


def _redact_plan(plan: Plan) -> Plan:
    unsaid: dict[str, Any] = {"parameters": {}, "adjustments": (), "reasons": (), "warnings": ()}
    return plan.model_copy(update=unsaid)


def _redact_task(task: TaskRecord) -> TaskRecord:
    return TaskRecord(
        index=task.index,
        part=task.part,
        first=task.first,
        blobs=task.blobs,
        state=task.state,
        claims=task.claims,
        attempts=tuple(map(_redact_attempt, task.every_attempt)),
        failure=_redact_failure(task.failure),
        possible_duplicate_charge=task.possible_duplicate_charge,
    )


def _redact_attempt(attempt: Attempt) -> Attempt:
    """Return what a call cost and by what ids the provider knows it, without its messages."""
    known = Attempt.model_fields.keys() - {"message", "usage_ignored"} - Cost.model_fields.keys()
    costs = {name: getattr(attempt, name) for name in Cost.model_fields}
    return Attempt(**{name: getattr(attempt, name) for name in known}, **costs)


def _redact_failure(failure: Failure | None) -> Failure | None:
    if failure is None:
        return None
    return Failure(code=failure.code, message=ERASED, retryable=failure.retryable)


def _redact_finish(finishing: FinishRecord | None) -> FinishRecord | None:
    if finishing is None:
        return None
    return FinishRecord(state=finishing.state, failure=_redact_failure(finishing.failure))


def _redact_review(review: Review | None) -> Review | None:
    if review is None:
        return None
    return Review(approved=review.approved, reason=ERASED, decided_at=review.decided_at)
