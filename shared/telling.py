"""From a job's record to what its events tell."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import unquote, urlsplit

from .event_data import (
    MAX_NAME,
    MAX_REASONS,
    MAX_REQUEST_IDS,
    AcceptedData,
    Asked,
    Change,
    Decided,
    EndedData,
    Image,
    Routing,
    Spending,
    SucceededData,
    Timings,
    clipped,
)
from .plans import Plan
from .pricing import Usage
from .records import Attempt, JobRecord, Picture


def accepted_of(record: JobRecord) -> AcceptedData:
    """Tell of a job that will be made."""
    plan, estimate = record.plans[0], record.estimate_usd
    return AcceptedData(
        job_id=record.job_id,
        routing=routing_of(plan),
        tasks=len(record.tasks),
        expected_seconds=round(plan.expected_seconds, 1),
        estimate_usd=None if estimate is None else round(estimate, 6),
        estimate_basis=clipped(plan.estimate_basis),
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
        timings=timings_of(record, time),
        tags=record.job.tags,
        generation=record.generation,
    )


def succeeded_of(record: JobRecord, time: datetime) -> SucceededData:
    """Tell of a job that has all of its pictures."""
    return SucceededData(**dict(ended_of(record, time)), sidecar=f"{record.job_id}/job.json")


def _some(texts: Iterable[str]) -> tuple[str, ...]:
    every = tuple(texts)
    kept = tuple(clipped(text) for text in every[:MAX_REASONS])
    return (*kept, f"… and {len(every) - len(kept)} more") if len(every) > len(kept) else kept


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
            Change(
                field=clipped(made.field, MAX_NAME),
                asked=made.asked and clipped(made.asked, MAX_NAME),
                decided=clipped(made.decided, MAX_NAME),
                reason=clipped(made.reason),
            )
            for made in plan.adjustments[:MAX_REASONS]
        ),
        reasons=_some(plan.reasons),
        warnings=_some(plan.warnings),
    )


def images_of(record: JobRecord) -> tuple[Image, ...]:
    """Tell of the stored pictures, numbered through the tasks of a locale."""
    places: dict[str, int] = {}
    seen: dict[str | None, int] = {}
    for task in record.planned:
        for blob in task.pictures:
            places[blob] = seen.setdefault(task.locale, 0)
            seen[task.locale] += 1
    return tuple(
        Image(
            url=picture.url,
            blob=picture.blob,
            container=_container(picture),
            locale=picture.locale,
            index=places.get(picture.blob, picture.index),
            content_type=picture.content_type,
            width=picture.width,
            height=picture.height,
            bytes=picture.bytes,
            sha256=picture.sha256,
        )
        for picture in record.pictures
    )


def _container(picture: Picture) -> str:
    """Read the container off the URL: it stands right before the blob's name."""
    before = unquote(urlsplit(picture.url).path).removesuffix(f"/{picture.blob}")
    return before.rpartition("/")[2]


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


def spending_of(record: JobRecord) -> Spending:
    """Tell what was spent; a call whose outcome is unknown counts with its estimate."""
    paid = [attempt for attempt in record.attempts if attempt.charged != "no"]
    costs = [_cost(attempt) for attempt in paid]
    known = [usd for usd, _ in costs if usd is not None]
    complete = len(known) == len(costs)
    by_usage = all(known_by == "usage" for _, known_by in costs)
    return Spending(
        usage=_summed([attempt.usage for attempt in paid if attempt.usage]),
        cost_usd=round(sum(known), 6) if complete else None,
        cost_known_by=("usage" if by_usage else "estimate") if complete and costs else None,
        attempts=len(paid),
        unpaid_retries=sum(task.unpaid_retries for task in record.tasks),
        possible_duplicate_charge=any(task.possible_duplicate_charge for task in record.tasks),
    )


def _cost(attempt: Attempt) -> tuple[float | None, str | None]:
    if attempt.cost_usd is None:
        return attempt.estimate_usd, "estimate"
    return attempt.cost_usd, attempt.cost_known_by


def _summed(usages: Sequence[Usage]) -> Usage | None:
    """Add up; a part that one call did not report is unknown for all."""
    if not usages:
        return None
    sums: dict[str, int | None] = {}
    for name in Usage.model_fields:
        counts = [getattr(usage, name) for usage in usages]
        sums[name] = None if None in counts else sum(counts)
    return Usage.model_validate(sums)


def request_ids_of(record: JobRecord) -> tuple[str, ...]:
    """Tell the provider's ids of the newest calls, for its support and for reconciliation."""
    ids = [attempt.request_id for attempt in record.attempts if attempt.request_id]
    return tuple(clipped(request_id, MAX_NAME) for request_id in ids[-MAX_REQUEST_IDS:])
