"""Decide whether a request of OpenAI's API is a repeat of an earlier one, which is paid already.

The clients repeat what got no answer, most of them without saying so: `x-stainless-retry-count`
above 0 proves a repeat, and its absence proves nothing. A form has another boundary each time, so
requests are compared by their parts.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict

from ..records.record import JobRecord, JobState
from .openai_requests import ImagesRequest, Operation

#: An equal request this soon after the answer repeats it: a client that got no answer waits for
#: 0.5 to 8 s, the Vercel AI SDK for 2 and 4 s.
REPEAT_WINDOW: Final = timedelta(seconds=30)
#: The same for a request that says it is a repeat; a client waits 10 minutes for each answer.
RETRY_WINDOW: Final = timedelta(hours=1)


class RequestClaim(BaseModel):
    """The job of a request, written before anything is queued, and the form of its answer."""

    model_config = ConfigDict(frozen=True, extra="allow")

    caller: str
    fingerprint: str
    job_id: str
    operation: Operation
    by_url: bool = False
    stream: bool = False
    claimed_at: AwareDatetime
    #: When its pictures, or its error, were returned first.
    answered_at: AwareDatetime | None = None


def claim_key(request: ImagesRequest, caller: str, idempotency_key: str | None) -> str:
    """Return the key under which equal requests of a caller are found, in hexadecimal.

    With an idempotency key that alone decides.
    """
    part = f"key {idempotency_key}" if idempotency_key else f"request {request.fingerprint}"
    return hashlib.sha256(f"{caller}\n{part}".encode("utf-8", "backslashreplace")).hexdigest()


def open_claim(request: ImagesRequest, caller: str, job_id: str, now: datetime) -> RequestClaim:
    """Return the claim of a new job."""
    return RequestClaim(
        caller=caller,
        fingerprint=request.fingerprint,
        job_id=job_id,
        operation=request.operation,
        by_url=request.by_url,
        stream=request.stream,
        claimed_at=now,
    )


def is_repeat(
    claim: RequestClaim, record: JobRecord | None, *, retry: bool, keyed: bool, now: datetime
) -> bool:
    """Return whether an equal request gets the job of this claim, instead of a new one.

    It does while the job is open or parked, and until its answer was returned; `retry` says that
    the request calls itself a repeat, `keyed` that it has an idempotency key.
    """
    if keyed or claim.answered_at is None:
        return True
    if record is None or record.state in {JobState.RUNNING, JobState.PARKED}:
        return True
    return now - claim.answered_at <= (RETRY_WINDOW if retry else REPEAT_WINDOW)
