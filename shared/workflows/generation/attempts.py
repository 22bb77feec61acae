"""Attempts as data: the intent written before a call, and what the call came to."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from ...catalogue.deployments import Deployment
from ...catalogue.models import Model
from ...catalogue.pricing import compute_cost
from ...config.settings import Configuration
from ...images_api.outcomes import Outcome, OutcomeKind
from ...records.record import Attempt, JobRecord, Picture
from ...stores.pictures import StoredPicture
from .call import CallResult
from .steps import Pay


def call_limit(record: JobRecord, index: int, configuration: Configuration) -> timedelta:
    """Return what a call of a task is given."""
    own = timedelta(seconds=record.plan_of(index).call_limit_seconds)
    return min(own, configuration.settings.call_deadline)


def intent(
    record: JobRecord,
    index: int,
    step: Pay,
    deployment: Deployment,
    configuration: Configuration,
    *,
    now: datetime,
) -> Attempt:
    """Return the attempt to write down before paying."""
    limit = call_limit(record, index, configuration)
    token = record.tasks[index].claims + 1
    return Attempt(
        token=token,
        deployment=deployment.name,
        client_request_id=f"{record.job_id}.{record.generation}.{index}.{token}",
        started_at=now,
        deadline_at=now + limit + configuration.settings.storing_margin,
        limit_seconds=limit.total_seconds(),
        estimate_usd=record.estimate_of(index, len(step.slots)),
    )


def ended(
    record: JobRecord,
    index: int,
    attempt: Attempt,
    result: CallResult,
    configuration: Configuration,
    *,
    now: datetime,
) -> Attempt:
    """Return the attempt with its outcome and cost."""
    outcome = result.outcome
    model = configuration.catalogue.get(record.plan_of(index).model)
    spent, known_by = _spent(model, attempt, result)
    return attempt.model_copy(
        update={
            "ended_at": now,
            "kind": outcome.kind,
            "code": outcome.code,
            "message": outcome.message,
            "request_id": outcome.request_id,
            "charged": outcome.charged,
            "usage": result.usage,
            "cost_usd": spent,
            "cost_known_by": known_by,
        }
    )


def _spent(
    model: Model, attempt: Attempt, result: CallResult
) -> tuple[float | None, Literal["usage", "estimate"] | None]:
    """Return what an attempt cost: by its usage, else by the estimate if it may have been paid."""
    if result.outcome.charged == "no":
        return 0.0, None
    if result.usage is not None:
        spent = compute_cost(model, result.usage)
        if spent is not None:
            return round(spent, 6), "usage"
    return attempt.estimate_usd, "estimate"


def died(attempt: Attempt) -> Outcome:
    """Return the outcome of an attempt that left its intent and no result."""
    began = attempt.started_at.isoformat(timespec="seconds")
    return Outcome(
        kind=OutcomeKind.UNKNOWN,
        code="attempt_died",
        message=(
            f"attempt {attempt.token} on {attempt.deployment} began at {began} and left no result"
        ),
        retry_after=None,
        charged="unknown",
        request_id=None,
    )


def pictures_of(
    record: JobRecord, index: int, found: Mapping[int, StoredPicture]
) -> tuple[Picture, ...]:
    """Return the task's pictures in order: the ones it had, and the ones just found.

    `found` counts within the task; a picture's own index counts within its locale.
    """
    task = record.planned[index]
    earlier = sum(other.n for other in record.planned[:index] if other.locale == task.locale)
    pictures = {picture.blob: picture for picture in record.tasks[index].pictures}
    for number, stored in found.items():
        pictures[stored.name] = Picture(
            blob=stored.name,
            url=stored.url,
            index=earlier + number,
            locale=task.locale,
            content_type=stored.facts.content_type,
            width=stored.facts.width,
            height=stored.facts.height,
            bytes=stored.facts.bytes,
            sha256=stored.facts.sha256,
        )
    return tuple(sorted(pictures.values(), key=lambda picture: picture.index))
