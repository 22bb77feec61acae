"""Sending jobs: checked first, the long prompt before the message, the receipts at the end."""

import hashlib
from collections.abc import Iterable
from functools import partial
from typing import Final

from ..blob_names import picture_name
from ..configuration import Configuration
from ..errors import Fault, InvalidJob, StoreUnavailable
from ..input_pictures import HEAD_BYTES, InputHead, place_of, read_inputs
from ..jobs import Job
from ..settings import Settings
from .answers import Quote, Receipt
from .failures import NotSubmitted
from .preparing import Parcel, packed, quoted
from .storage import Storage

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
    place = place_of(name, inputs=settings.inputs_container, images=settings.images_container)
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
