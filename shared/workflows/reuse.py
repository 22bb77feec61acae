"""Answer a job with pictures that an earlier one has made, if both allow it.

Only jobs with `reuse` are remembered and found: each has a key in its record. When such a job has
succeeded, the blob of its key names it. A later job reads that one blob, then the record that it
names, and looks whether each picture still exists.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..config.settings import Configuration
from ..errors import NameTaken, StaleVersion, UnreadableRecord
from ..http_api.job_documents import list_blobs
from ..jobs.fields import MAX_PROMPT_BYTES
from ..jobs.job import Job
from ..jobs.prompts import localize_prompt
from ..jobs.text import digest_json
from ..pictures.inputs import InputPicture
from ..ports import StoredPicture
from ..records.record import JobRecord, JobState, Reused
from ..records.transitions import adopt
from ..routing.plan import Plan
from ..stores.world import World
from ..vocabulary import EventType


async def reuse_pictures(
    record: JobRecord, world: World, configuration: Configuration
) -> JobRecord:
    """Return a new job's record with its key, and ended with the pictures of an equal job."""
    job = record.job
    made = await _make_key(job, record.plans, record.inputs, world, configuration)
    if made is None:
        return record
    key, prompt_sha256 = made
    record = record.model_copy(update={"reuse_key": key, "prompt_sha256": prompt_sha256})
    source = await _find_reusable(job, key, world)
    if source is None:
        return record
    taken = {"reused": _describe(source), "finishing": source.finishing}
    record = record.model_copy(update=taken)
    for task in source.tasks:
        record = adopt(record, task.index, task.pictures, now=record.accepted_at)
    return record


async def find_source(
    job: Job,
    plans: Sequence[Plan],
    inputs: Sequence[InputPicture],
    world: World,
    configuration: Configuration,
) -> Reused | None:
    """Return the job whose pictures would answer a job now; None if there is no such job."""
    made = await _make_key(job, plans, inputs, world, configuration)
    source = await _find_reusable(job, made[0], world) if made else None
    return _describe(source) if source else None


async def _make_key(
    job: Job,
    plans: Sequence[Plan],
    inputs: Sequence[InputPicture],
    world: World,
    configuration: Configuration,
) -> tuple[str, str] | None:
    """Return the key of a job's pictures and the SHA-256 of its prompt.

    None if the prompt or an input was changed since the job was validated: its call will fail.
    """
    prompt = job.prompt
    if job.prompt_blob:
        prompt = await world.inputs.read_text(job.prompt_blob, max_bytes=MAX_PROMPT_BYTES)
    if prompt is None:
        return None
    try:
        digested = [(each, await _digest(each, world)) for each in inputs]
    except StaleVersion:
        return None
    template = configuration.settings.locale_template
    key = reuse_key(
        job,
        plans,
        prompts=[localize_prompt(prompt, locale, template) for locale in job.locales or (None,)],
        inputs=digested,
        bodies={each.name: each.extra_body for each in configuration.deployments},
    )
    return key, hashlib.sha256(prompt.encode()).hexdigest()


async def _find_reusable(job: Job, key: str, world: World) -> JobRecord | None:
    """Return the record of a job that has made the pictures of a key, if all of them exist."""
    entry = await world.reuse.read(key)
    within = job.reuse_within
    if entry is None or within is None:
        return None
    try:
        stored = await world.records.read(entry.job_id)
    except UnreadableRecord:
        return None
    since = world.clock.now() - within
    if stored is None or not _is_reusable(stored.value, key, since=since):
        return None
    found = await world.gather(
        _find(blob, stored.value, world) for blob in list_blobs(stored.value)
    )
    return stored.value if all(found) else None


async def _digest(picture: InputPicture, world: World) -> str:
    digest = hashlib.sha256()
    async for piece in world.inputs.read(picture.blob, picture.version):
        digest.update(piece)
    return digest.hexdigest()


async def _find(blob: str, record: JobRecord, world: World) -> StoredPicture | None:
    try:
        return await world.pictures.find(blob, record.labels)
    except NameTaken:  # it was erased, and another job has the name now
        return None


def reuse_key(
    job: Job,
    plans: Sequence[Plan],
    *,
    prompts: Sequence[str],
    inputs: Sequence[tuple[InputPicture, str]],
    bodies: Mapping[str, Any],
) -> str:
    """Return the SHA-256 of all that shapes the pictures of a job, for one tenant.

    `prompts` are those that are sent, one for each locale; `inputs` have the SHA-256 of each
    picture's bytes; `bodies` has what each deployment adds to a request.
    """
    shaping = {
        "tenant": job.tenant,
        "prompts": list(prompts),
        "locales": job.locales,
        "n": job.n,
        "inputs": [(each.role, digest) for each, digest in inputs],
        "finish": job.finish.model_dump(mode="json") if job.finish else None,
        "plans": [
            {
                "model": plan.model,
                "bodies": [bodies.get(name) for name in plan.deployments],
                "per_call": plan.per_call,
                "parameters": plan.parameters,
                "edit": plan.edit.model_dump() if plan.edit else None,
            }
            for plan in plans
        ],
    }
    return digest_json(shaping)


def _is_reusable(source: JobRecord, key: str, *, since: datetime) -> bool:
    """Tell whether a job has made the pictures of a key itself, not before `since`."""
    made = _made_at(source)
    original = not source.reused and not source.erased
    return source.reuse_key == key and original and made is not None and made >= since


def _made_at(record: JobRecord) -> datetime | None:
    """Return when a job succeeded; None if it has not."""
    ends = [entry.time for entry in record.outbox if entry.type == EventType.SUCCEEDED]
    return ends[-1] if ends and record.state is JobState.SUCCEEDED else None


def _describe(source: JobRecord) -> Reused:
    """Return the id of a job whose pictures answer another one, and when it made them."""
    return Reused(job_id=source.job_id, made_at=_made_at(source) or source.updated_at)
