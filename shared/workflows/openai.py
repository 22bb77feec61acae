"""Turn requests of OpenAI's images API into jobs, and wait for them.

Order of writes: the pictures to edit, the claim, then what acceptance writes. If the process stops
between any two, the repeat of the client finds the claim and continues with the same job.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from ..config.settings import Configuration
from ..errors import RecordGone, StaleVersion
from ..http_api.openai_requests import ImagesRequest, RequestClaim, claim_key, is_repeat, open_claim
from ..http_api.openai_responses import OpenAIRefused, refuse
from ..jobs.parsing import derived_job_id
from ..records.record import JobRecord, JobState
from ..stores.documents import Documents, until_written
from ..stores.world import World
from .acceptance import accept

#: Seconds between two reads of a record: a tenth of the job's age, so that no wait makes more than
#: about 70 reads, and no answer comes much later than its pictures.
_SHARE_OF_AGE: Final = 0.1
_SHORTEST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
_KEY: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that has its job."""

    key: str
    claim: RequestClaim
    #: The job is that of an earlier request.
    joined: bool


async def take_request(
    request: ImagesRequest,
    caller: str,
    *,
    idempotency_key: str | None,
    retry: bool,
    world: World,
    configuration: Configuration,
) -> Taken:
    """Accept the job of a request, or find that of an equal one; `retry` says it is a repeat.

    Raises `OpenAIRefused` when the idempotency key belongs to another request, `Rejected` with
    every fault of the job, or `Unavailable`.
    """
    for upload in (*request.images, *([request.mask] if request.mask else [])):
        await world.inputs.put_picture(upload.name, upload.body, upload.content_type)
    key = claim_key(request, caller, idempotency_key)
    now = world.clock.now()
    new = open_claim(request, caller, derived_job_id(now, f"{key} {now.isoformat()}"), now)

    async def attempt(_: bool) -> Taken:  # noqa: FBT001 (of `until_written`)
        found = await _claims(world).read(claim_name(key))
        if found:
            record = await _read(found.value.job_id, world)
            keyed = idempotency_key is not None
            is_same = found.value.fingerprint == new.fingerprint
            # A job that was rejected has no record, and its key is free for another request.
            if (record or is_same) and is_repeat(
                found.value, record, retry=retry, keyed=keyed, now=now
            ):
                if not is_same:
                    raise _other_request(found.value)
                return Taken(key, found.value, joined=True)
        await _claims(world).write(claim_name(key), new, found.version if found else None)
        return Taken(key, new, joined=False)

    taken = await until_written(attempt, world.clock, what="claim of a request")
    if await _read(taken.claim.job_id, world) is None:
        job = request.job(taken.claim.job_id, caller)
        await accept(job, world, configuration, request_key=key)
    return taken


def _other_request(claim: RequestClaim) -> OpenAIRefused:
    return refuse(
        f"the idempotency key belongs to job {claim.job_id}, of another request; use a new key",
        status=HTTPStatus.CONFLICT,
        code="idempotency_conflict",
    )


async def find_request(key: str, caller: str, world: World) -> RequestClaim:
    """Return the claim of this key; `OpenAIRefused` if the caller has no such request."""
    found = await _claims(world).read(claim_name(key)) if _KEY.fullmatch(key) else None
    if found is None or found.value.caller != caller:
        raise refuse("there is no such request", status=HTTPStatus.NOT_FOUND)
    return found.value


async def wait_for_job(job_id: str, *, until: datetime, world: World) -> JobRecord:
    """Return the record of a job when it has ended, or as it is at `until`."""
    while True:
        record = await _read(job_id, world)
        if record is None:
            raise RecordGone(f"the record of {job_id!r} was deleted")
        now = world.clock.now()
        if record.state is not JobState.RUNNING or now >= until:
            return record
        age = (now - record.accepted_at).total_seconds()
        pause = min(max(age * _SHARE_OF_AGE, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        await world.clock.sleep(min(pause, (until - now).total_seconds()))


async def note_answer(key: str, job_id: str, world: World) -> None:
    """Note that the answer of this job is about to be returned, unless one was before."""

    async def attempt(_: bool) -> None:  # noqa: FBT001 (of `until_written`)
        found = await _claims(world).read(claim_name(key))
        if found is None or found.value.job_id != job_id or found.value.answered_at:
            return
        answered = found.value.model_copy(update={"answered_at": world.clock.now()})
        await _claims(world).write(claim_name(key), answered, found.version)

    await until_written(attempt, world.clock, what="claim of a request")


async def _read(job_id: str, world: World) -> JobRecord | None:
    stored = await world.records.read(job_id)
    return stored.value if stored else None


async def forget_request(key: str, job_id: str, world: World) -> None:
    """Delete the claim of a request if it is that of this job."""
    found = await _claims(world).read(claim_name(key))
    if found and found.value.job_id == job_id:
        with suppress(StaleVersion):  # another request has the claim now
            await world.records.blobs.delete(claim_name(key), if_version=found.version)


def _claims(world: World) -> Documents[RequestClaim]:
    """Return the claims, which are beside the records: both are kept for the same time."""
    return Documents(world.records.blobs, RequestClaim)


def claim_name(key: str) -> str:
    """Return the blob of a claim."""
    return f"requests/{key}.json"
