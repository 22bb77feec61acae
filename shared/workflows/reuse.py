"""Answer a job with pictures that an earlier one has made, if both allow it.

Only jobs with `reuse` are remembered and found: each has a key in its record. When such a job has
succeeded, the blob of its key names it. A later job reads that one blob, then the record that it
names, and looks whether each picture still exists.
"""

import hashlib
from collections.abc import Sequence

from ..config.settings import Configuration
from ..errors import NameTaken, StaleVersion, UnreadableRecord
from ..http_api.job_documents import list_blobs
from ..jobs.fields import MAX_PROMPT_BYTES
from ..jobs.job import Job
from ..jobs.prompts import localize_prompt
from ..pictures.inputs import InputPicture
from ..ports import StoredPicture
from ..records.record import JobRecord
from ..records.reuse import is_reusable, reuse_key
from ..routing.plan import Plan
from ..stores.world import World


async def make_key(
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


async def find_reusable(job: Job, key: str, world: World) -> JobRecord | None:
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
    if stored is None or not is_reusable(stored.value, key, since=since):
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
