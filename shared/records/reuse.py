"""Find an earlier job whose pictures answer the same request: by a key of all that shapes them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from ..jobs.job import Job
from ..pictures.inputs import InputPicture
from ..routing.plan import Plan
from ..vocabulary import EventType
from .record import JobRecord, JobState, Reused
from .transitions import adopt


class ReuseEntry(BaseModel):
    """The newest job that made the pictures of a key."""

    model_config = ConfigDict(frozen=True, extra="allow")

    job_id: str
    made_at: AwareDatetime


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
    canonical = json.dumps(shaping, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def made_at(record: JobRecord) -> datetime | None:
    """Return when a job succeeded; None if it has not."""
    ends = [entry.time for entry in record.outbox if entry.type == EventType.SUCCEEDED]
    return ends[-1] if ends and record.state is JobState.SUCCEEDED else None


def is_reusable(source: JobRecord, key: str, *, since: datetime) -> bool:
    """Tell whether a job has made the pictures of a key itself, not before `since`."""
    made = made_at(source)
    original = not source.reused and not source.erased
    return source.reuse_key == key and original and made is not None and made >= since


def describe_source(source: JobRecord) -> Reused:
    """Return the id of a job whose pictures answer another one, and when it made them."""
    return Reused(job_id=source.job_id, made_at=made_at(source) or source.updated_at)


def reuse_pictures(record: JobRecord, source: JobRecord, *, now: datetime) -> JobRecord:
    """Return a new job's record, ended with the pictures of another job of the same key."""
    reused = describe_source(source)
    record = record.model_copy(update={"reused": reused, "finishing": source.finishing})
    for task in source.tasks:
        record = adopt(record, task.index, task.pictures, now=now)
    return record
