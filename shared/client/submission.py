"""Validate, route and send jobs; upload their long prompts and pictures first."""

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, TypedDict

from ..catalogue.deployments import Deployment
from ..config.settings import Configuration
from ..errors import AlreadyExists, Fault, InvalidJob, StoreUnavailable
from ..jobs.job import Job
from ..jobs.parsing import build_job, derived_job_id
from ..pictures.inputs import HEAD_BYTES, InputHead, input_pixels, input_types, read_inputs
from ..routing.planner import find_setting_faults, make_plans
from ..vocabulary import picture_name, prompt_name
from .connection import Connection, attempt
from .results import NotSubmitted, Quote, Receipt

#: A prompt of a longer message goes into a blob: what a queue takes (64 KiB), less a third for
#: callers who write it in base64, less some room. Bytes.
MAX_INLINE_BYTES: Final = 40_960
TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A job that is ready to be sent."""

    job: Job
    body: bytes
    quote: Quote
    #: What goes into the inputs container first, by blob: a prompt too long for the message.
    uploads: Mapping[str, bytes] = field(default_factory=dict)


def read_fields(
    asked: str | Job | Mapping[str, Any], fields: Mapping[str, Any], *, now: datetime, chance: str
) -> Job:
    """Return the job that is asked for; `InvalidJob` with every fault of it.

    `asked` is a prompt, or fields, or a whole job; `fields` override those of `asked`. A job
    without an id gets one made of `now` and `chance`.
    """
    if isinstance(asked, Job):
        if not fields:
            return asked
        asked = asked.model_dump(exclude_defaults=True)
    elif isinstance(asked, str):
        asked = {"prompt": asked} if asked else {}
    return build_job({**asked, **fields}, made_id=derived_job_id(now, chance))


def make_quote(
    job: Job,
    configuration: Configuration,
    *,
    now: datetime,
    prompt_characters: int | None = None,
    input_pixels: Sequence[int] = (),
    input_types: Sequence[str] = (),
    faults: Sequence[Fault] = (),
) -> Quote:
    """Return what the app would make of a job, as far as the client knows the app.

    `prompt_characters`, `input_pixels` and `faults` are those of the blobs that it names. Raises
    `InvalidJob` or `UnsupportedRequest` as the app would.
    """
    settings = configuration.settings
    known = [
        fault
        for fault in find_setting_faults(job, settings)
        # Where this client does not know the allowed reply queues, only the app can check them.
        if fault.field != "reply_to"
        or settings.reply_queues
        or settings.is_own_queue(job.reply_to or "")
    ]
    if every := [*known, *faults]:
        raise InvalidJob(every, job_id=job.job_id)
    if not configuration.deployments:
        return Quote(None)
    plans = make_plans(
        job,
        configuration,
        prompt_characters=len(job.prompt or "") if prompt_characters is None else prompt_characters,
        today=now.date(),
        input_pixels=input_pixels,
        input_types=input_types,
    )
    return Quote(plans)


def assume_deployments(configuration: Configuration) -> tuple[Configuration, bool]:
    """Return the configuration, with every model deployed if its deployments are not known.

    The second value says whether they were assumed.
    """
    if configuration.deployments:
        return configuration, False
    every = tuple(Deployment(name=name, model=name) for name in configuration.catalogue.models)
    return replace(configuration, deployments=every), True


def write_message(job: Job, quote: Quote) -> PreparedJob:
    """Write the message of a job; a long prompt becomes a blob that the message names."""
    body = job.to_json()
    if len(body) <= MAX_INLINE_BYTES or job.prompt is None:
        return PreparedJob(job, body, quote)
    prompt = job.prompt.encode()
    blob = prompt_name(hashlib.sha256(prompt).hexdigest())
    fields = job.model_dump(exclude_defaults=True)
    short = Job.model_validate({**fields, "prompt": None, "prompt_blob": blob})
    return PreparedJob(short, short.to_json(), quote, {blob: prompt})


async def estimate(job: Job, app: Connection) -> Quote:
    """Return what the app would make of a job; raises `Rejected` as the app would."""
    characters, faults = None, list[Fault]()
    if job.prompt_blob:
        characters, more = await app.inputs.check_prompt(job.prompt_blob)
        faults += more
    pictures, more = await app.inputs.measure(job.inputs, job.mask)
    return make_quote(
        job,
        app.configuration,
        now=app.clock.now(),
        prompt_characters=characters,
        input_pixels=input_pixels(pictures),
        input_types=input_types(pictures),
        faults=[*faults, *more],
    )


async def upload_picture(picture: bytes, app: Connection) -> str:
    """Put a picture to edit, or a mask, into the inputs container, and return its name there.

    It is named by its content: the same picture again is the same blob. `InvalidJob` if no edit
    could use it.
    """
    whole = InputHead("", len(picture), picture[:HEAD_BYTES])
    pictures, faults = read_inputs(["picture"], None, {"picture": whole})
    if faults:
        raise InvalidJob(faults)
    content_type = pictures[0].content_type
    name = picture_name(hashlib.sha256(picture).hexdigest(), content_type)
    await put_input(name, picture, content_type, app)
    return name


async def put_input(name: str, body: bytes, content_type: str, app: Connection) -> None:
    """Write a blob into the inputs container; an existing one of this name stays."""
    blobs = app.blobs(app.settings.inputs_container)
    with contextlib.suppress(AlreadyExists):
        await blobs.put(name, body, content_type=content_type, if_absent=True)


async def submit(jobs: Iterable[Job], app: Connection) -> list[Receipt]:
    """Validate all jobs, then put them on the queue, several at a time.

    Nothing is sent when one of them has a fault. `NotSubmitted` holds the receipts of those that
    were sent, and the jobs that may not have been.
    """
    prepared = [write_message(job, await estimate(job, app)) for job in jobs]
    sent = await app.gather(attempt(_send(each, app)) for each in prepared)
    receipts = [each for each in sent if isinstance(each, Receipt)]
    errors = [each for each in sent if not isinstance(each, Receipt)]
    for error in errors:
        if not isinstance(error, StoreUnavailable):
            raise error
    if errors:
        pairs = zip(prepared, sent, strict=True)
        left = [each.job for each, answer in pairs if not isinstance(answer, Receipt)]
        raise NotSubmitted(errors[0], receipts=receipts, jobs=left) from errors[0]
    return receipts


async def _send(prepared: PreparedJob, app: Connection) -> Receipt:
    job = prepared.job
    for blob, text in prepared.uploads.items():
        await put_input(blob, text, TEXT, app)
    message = await app.queues.send(app.settings.jobs_queue, prepared.body)
    return Receipt(
        job_id=job.job_id,
        fingerprint=job.fingerprint,
        digest=hashlib.sha256(prepared.body).hexdigest(),
        inserted_at=message.inserted_at,
        quote=prepared.quote,
    )


class JobFields(TypedDict, total=False):
    """The fields of a job as keyword arguments; `docs/messages.md` says what each one means."""

    job_id: str
    prompt: str
    prompt_blob: str
    template: str
    variables: Mapping[str, str]
    model: str
    models: Sequence[str]
    size: str | Sequence[str]
    routing: Literal["auto", "legacy", "bucket", "service"]
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max"]
    fit: Literal["scale", "reject"]
    n: int
    format: Literal["png", "jpeg"]
    compression: int
    background: Literal["auto", "opaque", "transparent"]
    options: Mapping[str, str | float]
    locales: Sequence[str]
    inputs: Sequence[str]
    mask: str
    finish: Mapping[str, Any]
    reply_to: str
    callback: str
    reuse: str
    review: bool
    publish_pictures: bool
    previews: int
    on_unknown: Literal["retry_once", "park", "fail"]
    max_cost_usd: float
    deadline: datetime | str
    not_before: datetime | str
    priority: Literal["normal", "low"]
    tenant: str
    tags: Mapping[str, str]
    traceparent: str
