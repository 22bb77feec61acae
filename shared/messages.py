"""From a queue message to a job, or to every fault in it.

Tolerant of the envelope (`shared.envelopes`), strict about the job: what is not understood is
refused, never ignored.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from .clashes import clashes
from .envelopes import opened
from .errors import Fault, InvalidJob, Rejected
from .faults import faults_of, in_order, path
from .fields import QueueName, is_job_id
from .jobs import Job


def read_job(body: bytes, *, inserted_at: datetime, seed: str) -> Job:
    """Return the job that a message holds.

    A job without an id gets the same one at every delivery: from `inserted_at` and `seed` (the
    queue's time and id of the message), or from the CloudEvent's source and id when it came in one,
    so that an event sent twice is one job.
    Raises `MalformedMessage` when no job could be found, `InvalidJob` with all faults otherwise.
    """
    letter = opened(body)
    content = dict(letter.content)
    if letter.traceparent and content.get("traceparent") is None:
        content["traceparent"] = letter.traceparent
    made_id = derived_job_id(letter.time if letter.seed else inserted_at, letter.seed or seed)
    repeated = [path(place) for place in letter.repeated]
    return job_of(content, made_id=made_id, repeated=repeated)


def reply_queue_of(body: bytes, allows: Callable[[str], bool]) -> str | None:
    """Return the queue that a refused message names in `reply_to`, if it can be read and `allows`.

    No job is made of such a message, so that nothing else has looked at the name.
    """
    try:
        queue = TypeAdapter(QueueName).validate_python(opened(body).content.get("reply_to"))
    except (Rejected, ValidationError):
        return None
    return queue if allows(queue) else None


def job_of(content: Mapping[str, Any], *, made_id: str, repeated: Sequence[str] = ()) -> Job:
    """Return the job that these fields describe, `InvalidJob` with all faults otherwise.

    A field that is None counts as left out; a job that names no id gets `made_id`. `repeated` are
    the places of names that stood twice.
    """
    own_id = content.get("job_id")
    readable = own_id if is_job_id(own_id) and "job_id" not in repeated else None
    said = {
        name: value
        for name, value in content.items()
        if value is not None or name not in Job.model_fields
    }
    said.setdefault("job_id", made_id)
    faults = [Fault(name, "stands in the message twice; say it once") for name in repeated]
    job = None
    try:
        job = Job.model_validate(said)
    except ValidationError as error:
        faults += faults_of(error)
        faulty = frozenset(fault.field.partition("[")[0].partition(".")[0] for fault in faults)
        faults += clashes(said, faulty=faulty)
    if job is None or faults:
        raise InvalidJob(in_order(faults), job_id=readable)
    return job


def derived_job_id(inserted_at: datetime, seed: str) -> str:
    """Return a UUIDv7 (RFC 9562) whose random bits come from `seed`: equal inputs, equal ids."""
    milliseconds = max(0, int(inserted_at.timestamp() * 1000)) & ((1 << 48) - 1)
    noise = int.from_bytes(hashlib.sha256(seed.encode("utf-8", "backslashreplace")).digest()[:10])
    bits = milliseconds << 80 | noise
    bits = bits & ~(0xF << 76) | 0x7 << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=bits))
