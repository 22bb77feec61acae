"""Build attempts: the intent to write before a call, and the result to write after it."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from ...catalogue.deployments import Deployment
from ...config.settings import Configuration
from ...images_api.outcomes import MEANINGS, Outcome, OutcomeKind
from ...ports import StoredPicture
from ...records.costs import add_cost
from ...records.record import Attempt, JobRecord, Picture
from .call import CallResult
from .steps import Pay


def call_limit(record: JobRecord, index: int, configuration: Configuration) -> timedelta:
    """Return the time limit of a task's call."""
    plan = record.plans[record.tasks[index].part]
    return min(timedelta(seconds=plan.call_limit_seconds), configuration.settings.call_deadline)


def plan_attempt(
    record: JobRecord,
    index: int,
    step: Pay,
    deployment: Deployment,
    configuration: Configuration,
    *,
    now: datetime,
) -> Attempt:
    """Return the attempt to write down before paying."""
    task = record.tasks[index]
    limit = call_limit(record, index, configuration)
    token, plan = task.claims + 1, record.plans[task.part]
    estimate = plan.estimate_call(len(step.slots))
    return Attempt(
        token=token,
        deployment=deployment.name,
        client_request_id=f"{record.job_id}.{record.run}.{index}.{token}",
        started_at=now,
        deadline_at=now + limit + configuration.settings.storing_margin,
        limit_seconds=limit.total_seconds(),
        estimate_usd=estimate,
        estimate_input_usd=plan.estimate_call_input,
        cost_usd=None if estimate is None else 0.0,
        cost_usd_at_most=estimate,
        cost_known_by="estimate",
    )


def end_attempt(
    record: JobRecord,
    index: int,
    attempt: Attempt,
    result: CallResult,
    configuration: Configuration,
    *,
    now: datetime,
) -> Attempt:
    """Return the attempt with its outcome and cost."""
    outcome, task = result.outcome, record.tasks[index]
    ended = attempt.model_copy(
        update={
            "ended_at": now,
            "kind": outcome.kind,
            "code": outcome.code,
            "message": outcome.message,
            "request_id": outcome.request_id,
        }
    )
    model = configuration.catalogue.models.get(record.plans[task.part].model)
    # Without a picture, a usage that is far below the price of one is still not believed.
    share = max(1, len(result.stored)) / max(1, len(task.missing))
    return add_cost(ended, outcome.charged, result.usage, model, share=share)


def to_unknown_outcome(attempt: Attempt) -> Outcome:
    """Return the outcome of an attempt that left its intent and no result."""
    began = attempt.started_at.isoformat(timespec="seconds")
    return Outcome(
        kind=OutcomeKind.UNKNOWN,
        code="attempt_died",
        message=(
            f"attempt {attempt.token} on {attempt.deployment} began at {began} and left no result"
        ),
        charged=MEANINGS[OutcomeKind.UNKNOWN].charged,
    )


def merge_pictures(
    record: JobRecord, index: int, found: Mapping[int, StoredPicture], *, container: str
) -> tuple[Picture, ...]:
    """Return the task's pictures in order: the ones it had, and the ones just found.

    `found` is by position within the task; a picture's own index counts within its locale.
    """
    task = record.tasks[index]
    pictures = {picture.index: picture for picture in task.pictures}
    for position, stored in found.items():
        pictures[task.first + position] = Picture(
            **dict(stored.facts),
            blob=stored.name,
            url=stored.url,
            container=container,
            index=task.first + position,
            locale=task.locale,
            revised_prompt=stored.revised_prompt,
        )
    return tuple(pictures[at] for at in sorted(pictures))
