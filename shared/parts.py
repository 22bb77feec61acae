"""The parts of a job, told one by one: how each was routed, what came of it, what failed."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from .clipping import MAX_NAME, clipped
from .event_data import (
    MAX_REASONS,
    Asked,
    Change,
    Decided,
    EndedPart,
    Image,
    PartFailure,
    PlannedPart,
    RenditionData,
    Routing,
)
from .plans import Plan
from .records import JobRecord, Picture
from .spending import cost_of


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
        tasks = [record.tasks[task.index] for task in plan.tasks]
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
        "calls": len(plan.tasks),
        "estimate_usd": plan.estimate_usd,
    }


def failures_of(record: JobRecord) -> tuple[PartFailure, ...]:
    """Tell of each call that ended without all of its pictures, and which are missing."""
    places = _places(record)
    return tuple(
        PartFailure(
            part=part,
            locale=planned.locale,
            indexes=tuple(
                places[blob]
                for blob in planned.pictures
                if blob not in {picture.blob for picture in record.tasks[planned.index].pictures}
            ),
            code=clipped(failure.code, MAX_NAME),
            message=clipped(failure.message),
            retryable=failure.retryable,
        )
        for part, plan in enumerate(record.plans)
        for planned in plan.tasks
        if (failure := record.tasks[planned.index].failure)
    )


def images_of(record: JobRecord) -> tuple[Image, ...]:
    """Tell of the stored pictures, numbered through the tasks of a locale."""
    places = _places(record)
    return tuple(
        Image(
            url=picture.url,
            blob=picture.blob,
            container=_container(picture),
            locale=picture.locale,
            index=places.get(picture.blob, picture.index),
            part=part,
            model=plan.model,
            size=clipped(plan.asked_size, MAX_NAME),
            content_type=picture.content_type,
            width=picture.width,
            height=picture.height,
            bytes=picture.bytes,
            sha256=picture.sha256,
            renditions=renditions_of(record, picture.blob),
        )
        for part, plan in enumerate(record.plans)
        for task in plan.tasks
        for picture in record.tasks[task.index].pictures
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


def _places(record: JobRecord) -> dict[str, int]:
    """Return the index of each planned picture: its place among those of its locale."""
    places: dict[str, int] = {}
    seen: dict[str | None, int] = {}
    for task in record.planned:
        for blob in task.pictures:
            places[blob] = seen.setdefault(task.locale, 0)
            seen[task.locale] += 1
    return places


def _container(picture: Picture) -> str:
    """Read the container off the URL: it stands right before the blob's name."""
    before = unquote(urlsplit(picture.url).path).removesuffix(f"/{picture.blob}")
    return before.rpartition("/")[2]


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


def _some(texts: Iterable[str]) -> tuple[str, ...]:
    every = tuple(texts)
    kept = tuple(clipped(text) for text in every[:MAX_REASONS])
    return (*kept, f"… and {len(every) - len(kept)} more") if len(every) > len(kept) else kept
