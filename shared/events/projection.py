"""Build the data of a job's events from its record alone, so that a repeat has the same data."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from ..catalogue.pricing import Usage
from ..records.costs import cost_of
from ..records.index_entry import IndexEntry
from ..records.record import NO_FAILURE, Failure, JobRecord, Picture
from ..records.transitions import EVENT_OF
from ..routing.plan import Adjustment, Plan
from ..vocabulary import MAX_NAME_BYTES, EventType, FailureCode, clip, sidecar_name
from .data import (
    MAX_CATEGORIES,
    MAX_REASONS,
    MAX_REQUEST_IDS,
    AcceptedData,
    Asked,
    AwaitingReviewData,
    CircuitData,
    Data,
    Decided,
    EndedPart,
    FailedData,
    Image,
    Omitted,
    PartFailure,
    PictureStoredData,
    PlannedPart,
    RejectedData,
    RenditionData,
    Routing,
    Spending,
    StorageData,
    SucceededData,
    Timings,
)

#: The data of each type of event.
DATA: Final[dict[EventType, type[Data]]] = {
    EventType.ACCEPTED: AcceptedData,
    EventType.REJECTED: RejectedData,
    EventType.SUCCEEDED: SucceededData,
    EventType.FAILED: FailedData,
    EventType.PARKED: FailedData,
    EventType.CANCELLED: FailedData,
    EventType.AWAITING_REVIEW: AwaitingReviewData,
    EventType.PICTURE_STORED: PictureStoredData,
    EventType.CIRCUIT_OPENED: CircuitData,
    EventType.CIRCUIT_CLOSED: CircuitData,
    EventType.STORAGE_BLOCKED: StorageData,
}
#: What a damaged record does not say.
_UNKNOWN: Final = "unknown"
#: Namespace of event ids (UUIDv5).
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "image-jobs")
#: The failure that an event reports where its record has none.
_NO_FAILURE: Final = {EVENT_OF[state]: failure for state, failure in NO_FAILURE.items()}


def event_id(about: str, event_type: str, run: int, *, picture: str | None = None) -> str:
    """Return the id of an event about a job, or a blob of it; a repeat has the same id."""
    if picture:
        about = f"{about}/{picture}"
    return str(uuid.uuid5(_NAMESPACE, f"{about}/{event_type}/{run}"))


def data_of(
    record: JobRecord, event_type: EventType, *, time: datetime, picture: str | None = None
) -> Data:
    """Return the data of an event of this type, of any length; `picture` is the blob of its own.

    Raises `ValueError` for a type of event that is not built from a record.
    """
    if event_type is EventType.PICTURE_STORED:
        return _build_stored(record, picture)
    if event_type is EventType.ACCEPTED:
        return _build_accepted(record)
    if event_type is EventType.SUCCEEDED:
        sidecar = sidecar_name(record.job_id)
        return SucceededData.copy_from(record, **_list_ended(record, time), sidecar=sidecar)
    if event_type is EventType.AWAITING_REVIEW:
        until = time + timedelta(seconds=record.review_seconds or 0.0)
        return AwaitingReviewData.copy_from(record, **_list_ended(record, time), review_by=until)
    if event_type in _NO_FAILURE:
        return _build_failed(record, event_type, time)
    raise ValueError(f"{event_type.value} is not built from a record; see cloud_events")


def _build_stored(record: JobRecord, picture: str | None) -> PictureStoredData:
    image = next((image for image in images_of(record) if image.blob == picture), None)
    if image is None:
        raise ValueError(f"{record.job_id} has no stored picture {picture!r}")
    return PictureStoredData(
        job_id=record.job_id,
        # As it came: a repeat, when renditions exist, says the same.
        image=image.model_copy(update={"renditions": ()}),
        number=number_pictures(record)[image.blob],
        images_wanted=record.images_wanted,
        tenant=record.job.tenant,
        tags=record.job.tags,
        run=record.run,
    )


def _build_accepted(record: JobRecord) -> AcceptedData:
    plans = record.plans
    bases = dict.fromkeys(plan.estimate_basis for plan in plans)
    return AcceptedData.copy_from(
        record,
        routing=routing_of(plans[0]),
        parts=tuple(
            PlannedPart.copy_from(plan, part=number, routing=routing_of(plan))
            for number, plan in enumerate(plans)
        ),
        omitted=Omitted(),
        tasks=len(record.tasks),
        expected_seconds=max(plan.expected_seconds for plan in plans),
        estimate_basis=clip("; ".join(bases)),
        tenant=record.job.tenant,
        tags=record.job.tags,
    )


def _list_ended(record: JobRecord, time: datetime) -> dict[str, object]:
    """Return the fields that the data of every ended job has and its record has not."""
    newest = max(record.attempts, key=lambda attempt: attempt.started_at, default=None)
    parts = tuple(_build_part(record, part) for part in range(len(record.plans)))
    return {
        **dict(spending_of(record)),
        "images": images_of(record),
        "model": record.plans[0].model,
        "deployment": newest.deployment if newest else None,
        "routing": parts[0].routing,
        "parts": parts,
        "contact_sheet": contact_sheet_of(record),
        "omitted": Omitted(),
        "timings": _build_timings(record, time),
        "tenant": record.job.tenant,
        "tags": record.job.tags,
    }


def _build_failed(record: JobRecord, event_type: EventType, time: datetime) -> FailedData:
    failure = record.failure or _NO_FAILURE[event_type]
    known = failure.code in set(FailureCode)
    failures = tuple(_list_failures(record))
    moderation = failure.moderation
    names = _clip_names(moderation.categories[:MAX_CATEGORIES]) if moderation else ()
    among = f"{len(failures)} of {len(record.tasks)} calls failed, the first of them: "
    request_ids = [attempt.request_id for attempt in record.attempts if attempt.request_id]
    return FailedData.copy_from(
        record,
        **_list_ended(record, time),
        code=FailureCode(failure.code) if known else FailureCode.UNCLASSIFIED,
        message=clip((among if len(record.tasks) > 1 and failures else "") + failure.message),
        retryable=failure.retryable,
        failures=failures,
        moderation=moderation and moderation.model_copy(update={"categories": names}),
        request_ids=_clip_names(request_ids[-MAX_REQUEST_IDS:]),
    )


def data_of_damaged(entry: IndexEntry, failure: Failure, *, time: datetime) -> FailedData:
    """Return the data of a job whose record is damaged, by its index entry.

    What it has paid for is not known: the estimate of the whole job is possible cost.
    """
    model = entry.models[0] if entry.models else _UNKNOWN
    width, _, height = (entry.sizes[0] if entry.sizes else "0x0").partition("x")
    known = entry.estimate_usd is not None
    at_most = max(entry.estimate_usd or 0.0, entry.cost_usd_at_most or 0.0)
    return FailedData(
        job_id=entry.job_id,
        code=FailureCode(failure.code),
        message=clip(failure.message),
        request_ids=(),
        failures=(),
        cost_usd=(entry.cost_usd or 0.0) if known else None,
        cost_usd_at_most=at_most if known else None,
        cost_known_by="estimate",
        usage=None,
        usages_ignored=0,
        attempts=0,
        unpaid_retries=0,
        possible_duplicate_charge=False,
        images=(),
        model=model,
        deployment=None,
        routing=Routing(
            asked=Asked(size=_UNKNOWN, quality=_UNKNOWN, model=_UNKNOWN, routing=_UNKNOWN, n=0),
            decided=Decided(
                model=model,
                routing=_UNKNOWN,
                width=int(width),
                height=int(height),
                quality=None,
                tier=None,
                bucket=None,
            ),
            adjustments=(),
            reasons=(),
            warnings=("the record is damaged, so what the job asked for is not known",),
        ),
        parts=(),
        omitted=Omitted(),
        timings=Timings(
            accepted_at=entry.accepted_at,
            started_at=None,
            finished_at=time,
            total_seconds=round((time - entry.accepted_at).total_seconds(), 3),
            calling_seconds=0.0,
        ),
        tenant=entry.tenant,
        tags=entry.tags,
        run=entry.run,
    )


def _clip_names(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(clip(name, MAX_NAME_BYTES) for name in names)


def _build_part(record: JobRecord, part: int) -> EndedPart:
    plan = record.plans[part]
    tasks = [task for task in record.tasks if task.part == part]
    return EndedPart.copy_from(
        plan,
        **dict(cost_of([each for task in tasks for each in task.every_attempt])),
        part=part,
        routing=routing_of(plan, _pictures_of(record, part)),
        calls_failed=sum(task.failure is not None for task in tasks),
        images=sum(len(task.pictures) for task in tasks),
    )


def _list_failures(record: JobRecord) -> Iterator[PartFailure]:
    for task in record.tasks:
        if task.failure:
            yield PartFailure.copy_from(
                task.failure,
                part=task.part,
                locale=task.locale,
                indexes=tuple(task.first + slot.index for slot in task.missing),
                code=clip(task.failure.code, MAX_NAME_BYTES),
                message=clip(task.failure.message),
            )


def number_pictures(record: JobRecord) -> dict[str, int]:
    """Return the place of each stored picture among all planned ones, by its blob."""
    numbers, before = dict[str, int](), 0
    for task in record.tasks:
        for picture in task.pictures:
            numbers[picture.blob] = before + picture.index - task.first
        before += len(task.blobs)
    return numbers


def images_of(record: JobRecord) -> tuple[Image, ...]:
    """Return the stored pictures, in the order of the tasks."""
    return tuple(
        Image.copy_from(
            picture,
            revised_prompt=picture.revised_prompt and clip(picture.revised_prompt),
            part=task.part,
            model=record.plans[task.part].model,
            size=clip(record.plans[task.part].asked_size, MAX_NAME_BYTES),
            renditions=_list_renditions(record, picture.blob),
        )
        for task in record.tasks
        for picture in task.pictures
    )


def contact_sheet_of(record: JobRecord) -> RenditionData | None:
    """Return the contact sheet, if there is one."""
    return next(iter(_list_renditions(record, None)), None)


def _list_renditions(record: JobRecord, original: str | None) -> tuple[RenditionData, ...]:
    """Return the renditions of an original, given by its blob; for None, the contact sheet."""
    rendered = record.finishing.rendered if record.finishing else ()
    return tuple(RenditionData.copy_from(each) for each in rendered if each.of == original)


def _pictures_of(record: JobRecord, part: int) -> tuple[Picture, ...]:
    return tuple(each for task in record.tasks if task.part == part for each in task.pictures)


def routing_of(plan: Plan, pictures: Sequence[Picture] = ()) -> Routing:
    """Return what a plan was asked for, what it decided and the endpoint made of it, and why."""
    changes = (*plan.adjustments, *dict.fromkeys(_compare(plan, pictures)))
    return Routing(
        asked=Asked(
            size=plan.asked_size,
            quality=plan.asked_quality,
            model=plan.asked_model,
            routing=plan.asked_routing,
            n=plan.n,
        ),
        decided=Decided.copy_from(plan),
        adjustments=tuple(
            Adjustment(
                field=clip(change.field, MAX_NAME_BYTES),
                asked=change.asked and clip(change.asked, MAX_NAME_BYTES),
                decided=clip(change.decided, MAX_NAME_BYTES),
                reason=clip(change.reason),
            )
            for change in changes[:MAX_REASONS]
        ),
        reasons=_limit_texts(plan.reasons),
        warnings=_limit_texts(plan.warnings),
    )


def _compare(plan: Plan, pictures: Sequence[Picture]) -> Iterator[Adjustment]:
    """Yield what pictures are that differ from their plan; `auto` leaves the size to the model."""
    size, reason = f"{plan.width}x{plan.height}", "the endpoint made it so"
    for picture in pictures:
        made, kind = f"{picture.width}x{picture.height}", picture.content_type
        if kind != plan.content_type:
            name = kind.removeprefix("image/")
            yield Adjustment(field="format", asked=plan.format, decided=name, reason=reason)
        if made != size and plan.asked_size != "auto":
            yield Adjustment(field="size", asked=size, decided=made, reason=reason)


def _limit_texts(texts: Sequence[str]) -> tuple[str, ...]:
    kept = tuple(map(clip, texts[:MAX_REASONS]))
    more = len(texts) - len(kept)
    return (*kept, f"… and {more} more") if more else kept


def _build_timings(record: JobRecord, finished_at: datetime) -> Timings:
    attempts = record.attempts
    calling_seconds = sum(
        ((attempt.ended_at or finished_at) - attempt.started_at).total_seconds()
        for attempt in attempts
    )
    return Timings(
        accepted_at=record.accepted_at,
        started_at=min((attempt.started_at for attempt in attempts), default=None),
        finished_at=finished_at,
        total_seconds=round((finished_at - record.accepted_at).total_seconds(), 3),
        calling_seconds=round(calling_seconds, 3),
    )


def spending_of(record: JobRecord) -> Spending:
    """Return the cost of a job so far; of a call in progress, its estimate is possible."""
    paid = [attempt for attempt in record.attempts if attempt.may_be_billed]
    return Spending(
        **dict(cost_of(paid)),
        usage=_add_usage([attempt.usage for attempt in paid if attempt.usage]),
        usages_ignored=sum(attempt.usage_ignored is not None for attempt in paid),
        attempts=len(paid),
        unpaid_retries=sum(task.unpaid_retries for task in record.tasks),
        possible_duplicate_charge=any(task.possible_duplicate_charge for task in record.tasks),
    )


def _add_usage(usages: Sequence[Usage]) -> Usage | None:
    """Return the sum of each count; None for a count that one call did not report."""
    if not usages:
        return None
    sums: dict[str, int | None] = {}
    for name in Usage.model_fields:
        counts = [getattr(usage, name) for usage in usages]
        sums[name] = None if None in counts else sum(counts)
    return Usage.model_validate(sums)
