"""The documents about jobs that the HTTP API returns; `openapi.json` has their schemas."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import Field, JsonValue

from ..catalogue.pricing import TokenEstimate
from ..events.data import Data, Image, RenditionData, ReusedData, Routing, Spending
from ..events.projection import (
    contact_sheet_of,
    event_id,
    images_of,
    number_pictures,
    routing_of,
    spending_of,
)
from ..images_api.outcomes import OutcomeKind
from ..jobs.job import Job
from ..records.index_entry import IndexEntry, JobSums, Page
from ..records.record import (
    Cost,
    Erasure,
    Failure,
    JobRecord,
    JobState,
    Reused,
    TaskRecord,
    TaskState,
)
from ..records.transitions import OPEN
from ..redaction import hide_query
from ..routing.plan import Plan, estimate_usd
from ..vocabulary import EventType, preview_name
from .waits import WaitStatus


class PlanStatus(Data):
    """What was decided for one model and size of a job, and what it is expected to cost."""

    routing: Routing
    deployments: tuple[str, ...] = Field(description="In order of preference.")
    tasks: int = Field(description="Paid calls.")
    tokens: TokenEstimate = Field(
        description="Output tokens of one picture: `bucket` is billed, or `legacy` without it."
    )
    expected_seconds: float = Field(description="Of one call.")
    estimate_usd: float | None = Field(description="US dollars; null where no price is known.")
    estimate_basis: str


class JobEstimate(Data):
    """What a job would be made into, and at what cost; nothing was stored or paid."""

    plans: tuple[PlanStatus, ...]
    estimate_usd: float | None = Field(description="US dollars; null where a price is unknown.")
    reused: ReusedData | None = Field(
        description="The job whose pictures would answer it now, at no cost; null if it has no "
        "`reuse`, or none is found."
    )


class FailureStatus(Failure, Data):
    """Why a task or a job ended without its pictures."""


class AttemptStatus(Cost, Data):
    """One call that was, or may have been, paid for."""

    deployment: str
    started_at: datetime
    ended_at: datetime | None
    kind: OutcomeKind | None = Field(description="Its outcome; null while it runs.")
    code: str | None
    message: str | None
    usage_ignored: str | None = Field(
        description="Why the usage in the reply does not count; its estimate does."
    )
    request_id: str | None = Field(description="The provider's.")


class TaskStatus(Data):
    """One paid call of a job."""

    index: int
    state: TaskState
    model: str
    size: str
    locale: str | None
    n: int
    unpaid_retries: int
    last_unpaid: str | None = Field(description="Code of the last call that cost nothing.")
    attempts: tuple[AttemptStatus, ...]
    failure: FailureStatus | None
    preview_path: str | None = Field(
        description="Where this app serves the newest preview while a call of a job with "
        "`previews` runs; not found until the first has come."
    )


class RenditionStatus(RenditionData):
    """A picture made from stored ones, and where to get it."""

    path: str = Field(description="Where this app serves it.")
    read_url: str | None = Field(description="A link for a limited time, if asked for.")


class ImageStatus(Image):
    """A stored picture, and where to get it."""

    renditions: tuple[RenditionStatus, ...] = Field(
        default=(),
        description="Made from it, as the job's `finish` asks; it is never touched itself.",
    )

    number: int = Field(ge=0, description="Place among all planned pictures of the job.")
    path: str = Field(description="Where this app serves it.")
    read_url: str | None = Field(description="A link for a limited time, if asked for.")


class ErasureStatus(Erasure, Data):
    """That the personal data of a job is deleted, and what may be left of it elsewhere."""


class EventStatus(Data):
    """An event of the job, and whether it went out."""

    id: str
    type: EventType
    time: datetime
    sent_at: datetime | None


class JobStatus(Spending):
    """Everything about a job."""

    job_id: str
    state: JobState
    run: int = Field(description="1, and one more each time the ended job is taken up again.")
    batch_id: str | None = Field(description="The batch that began it, if one did.")
    tenant: str
    cancelling: bool = Field(description="It was cancelled, and a call under way is waited for.")
    wait: WaitStatus | None = Field(
        description="What it waits for, and when its calls are expected; null: nothing."
    )
    job: dict[str, JsonValue] = Field(description="As it was asked for; defaults are left out.")
    plans: tuple[PlanStatus, ...]
    estimate_usd: float | None
    tasks: tuple[TaskStatus, ...]
    images: tuple[ImageStatus, ...]
    images_wanted: int = Field(description="How many pictures the job makes in all.")
    contact_sheet: RenditionStatus | None = Field(
        description="All pictures on one, if the job's `finish` asks for it."
    )
    review_by: datetime | None = Field(
        description="Until when a person may approve or reject the pictures; null if none are to "
        "be reviewed now."
    )
    reused: ReusedData | None = Field(
        description="The job that made the pictures, if it was not this one."
    )
    failure: FailureStatus | None
    erased: ErasureStatus | None = Field(description="Null unless its data is erased.")
    events: tuple[EventStatus, ...]
    accepted_at: datetime
    updated_at: datetime


class JobSummary(Data):
    """A job in a list of jobs."""

    job_id: str
    state: JobState
    run: int
    prompt: str | None = Field(description="Its beginning; null where a blob holds it.")
    models: tuple[str, ...]
    sizes: tuple[str, ...]
    tenant: str
    tags: dict[str, str]
    images: int = Field(description="How many are stored; counted when the job ends.")
    cover_path: str | None = Field(description="Where this app serves the first of them.")
    cover_url: str | None = Field(
        description="A link to it, or to its thumbnail if one was made, for a limited time; "
        "if asked for."
    )
    cover_width: int | None = Field(description="Pixels of the first picture.")
    cover_height: int | None
    cost_usd: float | None = Field(description="What is certain, US dollars.")
    cost_usd_at_most: float | None = Field(description="What is possible.")
    estimate_usd: float | None
    failure: str | None = Field(description="The code.")
    erased: bool = Field(description="Whether its data is erased.")
    batch_id: str | None = Field(description="The batch that began it, if one did.")
    path: str
    accepted_at: datetime
    updated_at: datetime


class JobList(Data):
    """Some jobs, newest first."""

    jobs: tuple[JobSummary, ...]
    next: str | None = Field(description="What to give as `after` for the jobs that follow.")


class JobCounts(Data):
    """How many jobs there are in each state, and what they cost."""

    running: int
    succeeded: int
    failed: int
    parked: int
    cancelled: int
    awaiting_review: int
    failures: dict[str, int] = Field(description="Jobs by the code of their failure.")
    images: int = Field(description="Of ended jobs.")
    cost_usd: float = Field(description="Of ended jobs: what is certain, US dollars.")
    cost_usd_at_most: float = Field(description="Of ended jobs: what is possible.")
    estimate_usd: float = Field(description="Of running jobs, US dollars.")
    since: datetime | None = Field(
        description="Null: all jobs are counted. Else only jobs accepted since then: the app looks "
        "at the newest 20,000 at most."
    )


#: The path of a job, and of one of its pictures.
JOB_PATH: Final = "/api/jobs/{job_id}"
GALLERY_PATH: Final = "/api/gallery#job={job_id}"
IMAGE_PATH: Final = "/api/jobs/{job_id}/images/{number}"
#: Stands for the number of the first picture that a job has.
FIRST: Final = "first"
#: Stands for the number of the contact sheet, which has none.
SHEET: Final = "contact-sheet"
#: The forms of a picture: as it came, cut to the requested size, small, or a rendition by its
#: quality and type, as `q80.webp`.
FORMS: Final = r"original|exact|thumbnail|preview|q(?:[1-9][0-9]?|100)\.(?:webp|jpg|avif)"
ORIGINAL: Final = "original"
THUMBNAIL: Final = "thumbnail"
#: The newest preview, while the picture is made.
PREVIEW: Final = "preview"
#: Seconds between two questions about a running job.
SOONEST_POLL: Final = 1
LATEST_POLL: Final = 30


def describe_plan(plan: Plan) -> PlanStatus:
    """Return the document of a plan."""
    return PlanStatus.copy_from(plan, routing=routing_of(plan), tasks=plan.calls)


def describe_estimate(plans: tuple[Plan, ...], reused: Reused | None = None) -> JobEstimate:
    """Return the document of a job that is only estimated; `reused` tells what would answer it."""
    return JobEstimate(
        plans=tuple(map(describe_plan, plans)),
        estimate_usd=estimate_usd(plans),
        reused=ReusedData.copy_from(reused) if reused else None,
    )


def describe_job(
    record: JobRecord, links: Mapping[str, str] = {}, *, wait: WaitStatus | None = None
) -> JobStatus:
    """Return everything about a job, with a link to each picture whose blob is in `links`."""
    return JobStatus.copy_from(
        record,
        **dict(spending_of(record)),
        batch_id=record.batch.batch_id if record.batch else None,
        tenant=record.job.tenant,
        cancelling=record.state is JobState.RUNNING and record.cancel_requested is not None,
        wait=wait,
        job=_describe_request(record.job),
        plans=tuple(map(describe_plan, record.plans)),
        tasks=tuple(_task(record, task) for task in record.tasks),
        images=describe_pictures(record, links),
        contact_sheet=_sheet(record, links),
        events=tuple(
            EventStatus.copy_from(
                entry,
                id=event_id(record.job_id, entry.type, entry.run, picture=entry.picture),
            )
            for entry in record.outbox
            if entry.type in set(EventType)  # not one that only a newer version knows
        ),
    )


def _describe_request(job: Job) -> dict[str, JsonValue]:
    """Return a job as it was asked for; anyone with a key sees it, so without its secrets."""
    asked: dict[str, JsonValue] = job.model_dump(mode="json", exclude_defaults=True)
    if job.callback:
        asked["callback"] = hide_query(job.callback)
    return asked


def describe_jobs(page: Page, links: Mapping[str, str]) -> JobList:
    """Return a page of the index, with a link to each cover whose blob is in `links`."""
    return JobList(
        jobs=tuple(_describe_entry(entry, links) for entry in page.entries), next=page.next
    )


def describe_sums(sums: JobSums) -> JobCounts:
    """Return the document of sums over jobs."""
    states = {state.value: count for state, count in sums.states.items()}
    return JobCounts.copy_from(
        sums,
        **states,
        cost_usd=round(sums.cost_usd, 6),
        cost_usd_at_most=round(sums.cost_usd_at_most, 6),
        estimate_usd=round(sums.estimate_usd, 6),
    )


def _describe_entry(entry: IndexEntry, links: Mapping[str, str]) -> JobSummary:
    cover = IMAGE_PATH.format(job_id=entry.job_id, number=FIRST) if entry.picture else None
    return JobSummary.copy_from(
        entry,
        images=entry.pictures,
        cover_path=cover,
        cover_url=links.get(entry.cover or ""),
        failure=entry.code,
        path=JOB_PATH.format(job_id=entry.job_id),
    )


def describe_pictures(record: JobRecord, links: Mapping[str, str] = {}) -> tuple[ImageStatus, ...]:
    """Return the stored pictures; a picture keeps its number while others are still to come."""
    numbers = number_pictures(record)
    found = []
    for image in images_of(record):
        number = numbers[image.blob]
        path = IMAGE_PATH.format(job_id=record.job_id, number=number)
        found.append(
            ImageStatus.copy_from(
                image,
                renditions=tuple(
                    _rendition(each, f"{path}?as={_form(each)}", links) for each in image.renditions
                ),
                number=number,
                path=path,
                read_url=links.get(image.blob),
            )
        )
    return tuple(found)


def find_picture(record: JobRecord, number: str, form: str = ORIGINAL) -> str | None:
    """Return the blob of the picture of this number, or of the first; None if it does not exist.

    A thumbnail is the picture itself where none was made of it.
    """
    as_it_is = form in {ORIGINAL, THUMBNAIL}
    if number == SHEET:
        sheet = contact_sheet_of(record)
        return sheet.blob if sheet and as_it_is else None
    for image in describe_pictures(record):
        if number in {FIRST, str(image.number)}:
            made = [each.blob for each in image.renditions if _form(each) == form]
            return next(iter(made), image.blob if as_it_is else None)
    return None


@dataclass(frozen=True, slots=True)
class Preview:
    """Where the newest preview of a picture is, and the labels of the call that makes it."""

    blob: str
    labels: Mapping[str, str]


def find_preview(record: JobRecord, number: str) -> Preview | None:
    """Return the preview of the picture of this number; None unless a call makes it now."""
    for task in record.tasks:
        if task.current and number == _number_preview(record, task):
            labels = {**record.labels, "attempt": str(task.current.token)}
            return Preview(preview_name(task.blobs[0]), labels)
    return None


def _number_preview(record: JobRecord, task: TaskRecord) -> str | None:
    """Return the number of the picture that a task makes with previews now."""
    if task.state is not TaskState.CALLING or not record.plans[task.part].previews:
        return None
    return str(sum(len(each.blobs) for each in record.tasks[: task.index]))


def list_blobs(record: JobRecord) -> list[str]:
    """Return the blob of every stored picture and of every picture made from one."""
    made = record.finishing.rendered if record.finishing else ()
    return [*(picture.blob for picture in record.pictures), *(each.blob for each in made)]


def _rendition(each: RenditionData, path: str, links: Mapping[str, str]) -> RenditionStatus:
    return RenditionStatus.copy_from(each, path=path, read_url=links.get(each.blob))


def _sheet(record: JobRecord, links: Mapping[str, str]) -> RenditionStatus | None:
    sheet = contact_sheet_of(record)
    path = IMAGE_PATH.format(job_id=record.job_id, number=SHEET)
    return _rendition(sheet, path, links) if sheet else None


def _form(each: RenditionData) -> str:
    """Return the value of `as` that requests a picture made from another."""
    return ".".join(each.blob.rsplit(".", 2)[1:]) if each.kind == "rendition" else each.kind


def poll_after(record: JobRecord, now: datetime) -> int:
    """Return in how many seconds it is worth asking again about a running job.

    That is half of the time until the next of its calls is expected to end.
    """
    left = [
        record.plans[task.part].expected_seconds
        - (now - task.current.started_at if task.current else timedelta()).total_seconds()
        for task in record.tasks
        if task.state in OPEN
    ]
    return round(min(max(min(left, default=0.0) / 2, SOONEST_POLL), LATEST_POLL))


def _task(record: JobRecord, task: TaskRecord) -> TaskStatus:
    plan, number = record.plans[task.part], _number_preview(record, task)
    return TaskStatus.copy_from(
        task,
        model=plan.model,
        size=f"{plan.width}x{plan.height}",
        n=len(task.blobs),
        attempts=tuple(map(AttemptStatus.copy_from, task.every_attempt)),
        preview_path=number
        and f"{IMAGE_PATH.format(job_id=record.job_id, number=number)}?as={PREVIEW}",
    )
