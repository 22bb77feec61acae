"""From what a caller asks for to what is sent: validated, routed, small enough for a message.

Sending jobs: checked first, the long prompt before the message, the receipts at the end.

The fields of a job as keyword arguments, for editors and type checkers.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal, TypedDict

from ..catalogue.deployments import Deployment
from ..config.settings import Configuration, Settings
from ..errors import Fault, InvalidJob, StoreUnavailable
from ..jobs.job import Job
from ..jobs.parsing import build_job, derived_job_id
from ..pictures.inputs import HEAD_BYTES, InputHead, locate_input, read_inputs
from ..routing.planner import find_setting_faults, make_plans
from ..vocabulary import picture_name, prompt_name
from .results import NotSubmitted, Quote, Receipt
from .storage import Storage

#: Above this a prompt goes into a blob: what a queue takes (64 KiB), less a third for whoever
#: writes it in base64 on the way, less some room. Bytes.
MAX_INLINE_BYTES: Final = 40_960


@dataclass(frozen=True, slots=True)
class PromptBlob:
    """A prompt that is too long for the message."""

    name: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """A job that is ready to be sent."""

    job: Job
    body: bytes
    quote: Quote
    #: What must be in the inputs container before the message is on the queue.
    prompt: PromptBlob | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the message."""
        return hashlib.sha256(self.body).hexdigest()


def job_from(
    asked: str | Job | Mapping[str, Any], fields: Mapping[str, Any], *, now: datetime, chance: str
) -> Job:
    """Return the job that is asked for; `InvalidJob` with every fault if it is none.

    `asked` is a prompt, or fields, or a whole job; `fields` go over those of `asked`. A job without
    an id gets one made of `now` and `chance`.
    """
    if isinstance(asked, Job):
        if not fields:
            return asked
        asked = asked.model_dump(exclude_defaults=True)
    elif isinstance(asked, str):
        asked = {"prompt": asked} if asked else {}
    return build_job({**asked, **fields}, made_id=derived_job_id(now, chance))


def quoted(
    job: Job,
    configuration: Configuration,
    *,
    prompt_characters: int,
    now: datetime,
    input_pixels: Sequence[int] = (),
) -> Quote:
    """Say what the app would make of a job, as far as the client knows the app.

    Raises `InvalidJob` or `UnsupportedRequest` as the app would.
    """
    settings = configuration.settings
    faults = [
        fault
        for fault in find_setting_faults(job, settings)
        # Where the client was not told which reply queues the app allows, only the app can say.
        if fault.field != "reply_to" or settings.reply_queues
    ]
    if faults:
        raise InvalidJob(faults, job_id=job.job_id)
    if not configuration.deployments:
        return Quote(None)
    return Quote(
        make_plans(
            job,
            configuration,
            prompt_characters=prompt_characters,
            today=now.date(),
            input_pixels=input_pixels,
        )
    )


def supposed(app: Configuration) -> tuple[Configuration, bool]:
    """Return the app, with every model deployed where it is not known which are; whether so."""
    if app.deployments:
        return app, False
    every = tuple(Deployment(name=name, model=name) for name in app.catalogue.models)
    return replace(app, deployments=every), True


def packed(job: Job, quote: Quote) -> Parcel:
    """Write the message of a job; a long prompt becomes a blob that the message names."""
    body = job.to_json()
    if len(body) <= MAX_INLINE_BYTES or job.prompt is None:
        return Parcel(job, body, quote)
    text = job.prompt.encode()
    blob = PromptBlob(prompt_name(hashlib.sha256(text).hexdigest()), text)
    sent = Job.model_validate(
        {
            **job.model_dump(exclude_defaults=True),
            "prompt": None,
            "prompt_blob": blob.name,
        }
    )
    return Parcel(sent, sent.to_json(), quote, blob)


_TEXT: Final = "text/plain; charset=utf-8"


async def quote_of(job: Job, storage: Storage, configuration: Configuration) -> Quote:
    """Say what the app would make of a job; raises `Rejected` as the app would."""
    characters, container = len(job.prompt or ""), configuration.settings.inputs_container
    if job.prompt_blob:
        stored = await storage.read(container, job.prompt_blob)
        if stored is None:
            fault = Fault("prompt_blob", f"there is no blob {container}/{job.prompt_blob}")
            raise InvalidJob([fault], job_id=job.job_id)
        characters = len(stored.body.decode("utf-8-sig", "replace"))
    names = dict.fromkeys([*job.inputs, *([job.mask] if job.mask else [])])
    heads = {name: await _head(name, storage, configuration.settings) for name in names}
    pictures, faults = read_inputs(job.inputs, job.mask, heads)
    if faults:
        raise InvalidJob(faults, job_id=job.job_id)
    return quoted(
        job,
        configuration,
        prompt_characters=characters,
        now=storage.now(),
        input_pixels=[each.width * each.height for each in pictures if each.role == "input"],
    )


async def _head(name: str, storage: Storage, settings: Settings) -> InputHead | None:
    place = locate_input(name, inputs=settings.inputs_container, images=settings.images_container)
    return await storage.head(*place, most=HEAD_BYTES) if place else None


async def upload(picture: bytes, storage: Storage, configuration: Configuration) -> str:
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
    container = configuration.settings.inputs_container
    await storage.create(container, name, picture, content_type=content_type)
    return name


async def submit(job: Job, storage: Storage, configuration: Configuration) -> Receipt:
    """Check a job and put it on the queue; `Rejected` with every fault, `NotSubmitted`."""
    return (await submit_all([job], storage, configuration))[0]


async def submit_all(
    jobs: Iterable[Job], storage: Storage, configuration: Configuration
) -> list[Receipt]:
    """Check all jobs, then put them on the queue, several at a time.

    Nothing is sent when one of them has a fault. `NotSubmitted` holds the receipts of those that
    went out, and the jobs that may not have.
    """
    parcels = [packed(job, await quote_of(job, storage, configuration)) for job in jobs]
    sends = [partial(_send, parcel, storage, configuration) for parcel in parcels]
    outcomes = await storage.all_of(sends)
    receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if not errors:
        return receipts
    if foreign := next((one for one in errors if not isinstance(one, StoreUnavailable)), None):
        raise foreign
    left = [
        parcel.job
        for parcel, outcome in zip(parcels, outcomes, strict=True)
        if not isinstance(outcome, Receipt)
    ]
    raise NotSubmitted(errors[0], receipts=receipts, jobs=left) from errors[0]


async def _send(parcel: Parcel, storage: Storage, configuration: Configuration) -> Receipt:
    settings = configuration.settings
    if parcel.prompt:
        # Named by its content: where there is one already, it is this one.
        await storage.create(
            settings.inputs_container, parcel.prompt.name, parcel.prompt.text, content_type=_TEXT
        )
    message = await storage.send(settings.jobs_queue, parcel.body)
    return Receipt(
        job_id=parcel.job.job_id,
        fingerprint=parcel.job.fingerprint,
        digest=parcel.digest,
        inserted_at=message.inserted_at,
        quote=parcel.quote,
    )


class Wishes(TypedDict, total=False):
    """What a job can ask for beside its prompt; `docs/messages.md` says what each field means."""

    job_id: str
    prompt: str
    prompt_blob: str
    model: str
    models: Sequence[str]
    size: str | Sequence[str]
    routing: Literal["auto", "legacy", "bucket"]
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max"]
    fit: Literal["scale", "reject"]
    n: int
    format: Literal["png", "jpeg"]
    compression: int
    background: Literal["auto", "opaque", "transparent"]
    locales: Sequence[str]
    inputs: Sequence[str]
    mask: str
    finish: Mapping[str, Any]
    reply_to: str
    on_unknown: Literal["retry_once", "park", "fail"]
    max_cost_usd: float
    deadline: datetime | str
    priority: Literal["normal", "low"]
    tags: Mapping[str, str]
    traceparent: str
