"""HTTP, the way in: a job is submitted, or foreseen without being made."""

import uuid
from datetime import UTC, datetime
from typing import Final

import azure.functions as func

from ..accepting import Accepted
from ..configuration import Configuration
from ..envelopes import MAX_MESSAGE_BYTES
from ..http_headers import JSON_TYPES, is_json
from ..ports import Versioned
from ..problems import refused
from ..records import JobRecord, JobState
from ..reports import Report
from ..services.world import open_world
from ..statuses import JOB_PATH, estimate_of, poll_after, status_of
from ..submitting import Submission, foresee, submit
from .answers import document
from .deliveries import tell

#: A key makes the same id at any time.
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


async def submit_job(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Take a job in, as the queue would, and tell how it stands."""
    world = open_world(configuration)
    accepted = await submit(_submission(req), world, configuration)
    _tell("submit_job", accepted)
    return told(accepted.stored, now=world.clock.now())


async def estimate_job(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Say what a job would come to, without making it."""
    submission = _submission(req)
    plans = await foresee(submission, open_world(configuration), configuration)
    return document(estimate_of(plans))


def _submission(req: func.HttpRequest) -> Submission:
    """Take one job.

    Without an id it gets one of the `Idempotency-Key`, where there is one: the same request sent
    again is the same job.
    """
    body = body_of(req, MAX_MESSAGE_BYTES)
    if key := req.headers.get("idempotency-key"):
        return Submission(body, f"idempotency-key {key}", _EPOCH)
    return Submission(body, uuid.uuid4().hex, datetime.now(UTC))


def body_of(req: func.HttpRequest, most: int) -> bytes:
    """Return a body of a type and a length, in bytes, that is read here; else `Refused`."""
    if not is_json(req.headers.get("content-type")):
        raise refused("unsupported_media_type", f"send {' or '.join(JSON_TYPES)}")
    body = req.get_body()
    if len(body) > most:
        raise refused("too_large", f"the body has {len(body):,} bytes; {most:,} are the most")
    return body


def told(stored: Versioned[JobRecord], *, now: datetime) -> func.HttpResponse:
    """Answer with a job: 202 while it runs, 200 when it has ended."""
    record = stored.value
    running = record.state is JobState.RUNNING
    headers = {"Location": JOB_PATH.format(job_id=record.job_id), "ETag": stored.version}
    if running:
        headers["Retry-After"] = str(poll_after(record, now))
    return document(status_of(record), status=202 if running else 200, headers=headers)


def _tell(function: str, accepted: Accepted) -> None:
    what = "accepted" if accepted.is_new else "repeated"
    tell(function, Report(what, accepted.stored.value.job_id))
