"""From what a caller asks for to what is sent: validated, routed, small enough for a message."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from ..admission import faults_of, plans_of
from ..blob_names import prompt_name
from ..configuration import Configuration
from ..deployments import Deployment
from ..errors import InvalidJob
from ..jobs import Job
from ..messages import derived_job_id, job_of
from .answers import Quote

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
    return job_of({**asked, **fields}, made_id=derived_job_id(now, chance))


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
        for fault in faults_of(job, settings)
        # Where the client was not told which reply queues the app allows, only the app can say.
        if fault.field != "reply_to" or settings.reply_queues
    ]
    if faults:
        raise InvalidJob(faults, job_id=job.job_id)
    if not configuration.deployments:
        return Quote(None)
    return Quote(
        plans_of(
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
