"""Define names that several packages share: event types, codes, blob names and text limits."""

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: How the app names itself to others. The version is the one of pyproject.toml; a test holds them
#: together.
USER_AGENT: Final = "image-jobs/0.1.0"


class EventType(StrEnum):
    """The types of events."""

    ACCEPTED = "image.job.accepted"
    REJECTED = "image.job.rejected"
    SUCCEEDED = "image.job.succeeded"
    FAILED = "image.job.failed"
    PARKED = "image.job.parked"
    CANCELLED = "image.job.cancelled"
    AWAITING_REVIEW = "image.job.awaiting_review"
    PICTURE_STORED = "image.picture.stored"
    CIRCUIT_OPENED = "image.circuit.opened"
    CIRCUIT_CLOSED = "image.circuit.closed"
    STORAGE_BLOCKED = "image.storage.blocked"


class RejectionCode(StrEnum):
    """Why a message was refused before anything was paid."""

    MALFORMED_MESSAGE = "malformed_message"
    INVALID_JOB = "invalid_job"
    UNSUPPORTED_REQUEST = "unsupported_request"
    OVER_COST_LIMIT = "over_cost_limit"
    NOT_ALLOWED = "not_allowed"
    TOO_MANY_JOBS = "too_many_jobs"
    CONFLICT = "conflict"
    POISONED = "poisoned"


class FailureCode(StrEnum):
    """Why a job ended without all of its pictures."""

    CONTENT_REFUSED = "content_refused"
    PROVIDER_REJECTED = "provider_rejected"
    NO_IMAGE = "no_image"
    PICTURE_LINKED = "picture_linked"
    STORE_FAILED = "store_failed"
    NAME_TAKEN = "name_taken"
    FEWER_IMAGES = "fewer_images"
    OUTCOME_UNKNOWN = "outcome_unknown"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    PROMPT_MISSING = "prompt_missing"
    RECORD_DAMAGED = "record_damaged"
    INPUT_CHANGED = "input_changed"
    FINISH_FAILED = "finish_failed"
    MISCONFIGURED = "misconfigured"
    POISONED = "poisoned"
    CANCELLED = "cancelled"
    OVER_BUDGET = "over_budget"
    OVER_COST_LIMIT = "over_cost_limit"
    NOT_APPROVED = "not_approved"
    UNCLASSIFIED = "unclassified"


#: What each code means, as `docs/messages.md` says it.
REJECTIONS: Final[dict[RejectionCode, str]] = {
    RejectionCode.MALFORMED_MESSAGE: "The message contains no job.",
    RejectionCode.INVALID_JOB: "The job has faults in its fields, or names something "
    "that does not exist.",
    RejectionCode.UNSUPPORTED_REQUEST: "No configured model can make the job as asked.",
    RejectionCode.OVER_COST_LIMIT: "The estimate is above the job's `max_cost_usd`, or above the "
    "daily budget.",
    RejectionCode.NOT_ALLOWED: "The app does not serve the tenant of the job, or the tenant may "
    "not use the model.",
    RejectionCode.TOO_MANY_JOBS: "The tenant has as many open jobs as it may have; send the job "
    "again when some have ended.",
    RejectionCode.CONFLICT: "The job's id belongs to a job with other content.",
    RejectionCode.POISONED: "The platform gave up the message before the job was accepted.",
}
FAILURES: Final[dict[FailureCode, str]] = {
    FailureCode.CONTENT_REFUSED: "A content filter of the provider refused the prompt or picture.",
    FailureCode.PROVIDER_REJECTED: "The provider refused the request for another reason.",
    FailureCode.NO_IMAGE: "The provider reported success but sent no picture.",
    FailureCode.PICTURE_LINKED: "The reply links a picture that is paid for, but the app could not "
    "fetch it; the message says why.",
    FailureCode.STORE_FAILED: "A picture was made and paid for, but storage did not take it; the "
    "message says why.",
    FailureCode.NAME_TAKEN: "A blob that is not of this job has the name of its picture.",
    FailureCode.FEWER_IMAGES: "The job has some of its pictures, not all.",
    FailureCode.OUTCOME_UNKNOWN: "A reply was lost, so the call may have been paid for.",
    FailureCode.DEADLINE_EXCEEDED: "The deadline of the job passed, or its maximum lifetime.",
    FailureCode.PROMPT_MISSING: "The blob with the prompt no longer exists.",
    FailureCode.RECORD_DAMAGED: "The record of the job can't be read, so the job ends. The "
    "estimate is possible cost.",
    FailureCode.INPUT_CHANGED: "A picture to edit was changed or removed after the job was "
    "accepted.",
    FailureCode.FINISH_FAILED: "The originals are stored, but a rendition could not be made.",
    FailureCode.MISCONFIGURED: "No deployment accepts the app's requests: an operator must act.",
    FailureCode.POISONED: "The platform gave up the job's message after repeated crashes.",
    FailureCode.CANCELLED: "The job was cancelled.",
    FailureCode.OVER_BUDGET: "The call may cost more than is left of the daily budget; the job "
    "continues when a new day begins (UTC), or when it is released.",
    FailureCode.OVER_COST_LIMIT: "Another call could exceed the job's `max_cost_usd`.",
    FailureCode.NOT_APPROVED: "A person rejected the pictures, or nobody reviewed them in time; "
    "the message says which.",
    FailureCode.UNCLASSIFIED: "No other code applies; the message says what is known.",
}


def record_name(job_id: str) -> str:
    """Return the blob name of a job's record."""
    return f"{job_id}.json"


def job_folder(job_id: str, run: int) -> str:
    """Return where a run of a job stores pictures; a stored picture is never overwritten."""
    return job_id if run == 1 else f"{job_id}/run-{run}"


#: The encodings of pictures that a model may make.
ENCODINGS: Final = ("png", "jpeg", "webp")


def extension_of(encoding: str) -> str:
    """Return the extension of a picture by its encoding or content type: `jpg` for `image/jpeg`."""
    name = encoding.removeprefix("image/")
    return "jpg" if name == "jpeg" else name


def name_by_type(name: str, encoding: str) -> str:
    """Return the blob name of a picture, ending in what the picture is."""
    return f"{name.rpartition('.')[0]}.{extension_of(encoding)}"


def picture_names(name: str) -> tuple[str, ...]:
    """Return the names a picture may have been stored under, the one that was expected first."""
    return tuple(dict.fromkeys((name, *(name_by_type(name, kind) for kind in ENCODINGS))))


def preview_name(name: str) -> str:
    """Return the blob name of the newest preview of a picture, whatever its type."""
    return f"{name.rpartition('.')[0]}.preview"


def sidecar_name(job_id: str) -> str:
    """Return the blob name of a job's sidecar: written once, when all pictures are in place."""
    return f"{job_id}/job.json"


def picture_name(digest: str, content_type: str) -> str:
    """Return the blob name of a picture to edit, by the SHA-256 of its bytes."""
    return f"pictures/{digest}.{extension_of(content_type)}"


def prompt_name(digest: str) -> str:
    """Return the blob name of a prompt too long for a message, by the SHA-256 of its text.

    By its content, so that a job sent again names the same blob and is the same job.
    """
    return f"prompts/{digest}.txt"


#: Folders of the inputs container whose names the app gives, to the inputs of all tenants.
APP_FOLDERS: Final = frozenset({"linked", "pictures", "prompts"})


def copies_folder(job_id: str, tenant: str | None) -> str:
    """Return where copies of the pictures are that a job links, with a slash at its end.

    For a sender that is bound to a tenant, it is in the tenant's folder.
    """
    return f"{tenant}/linked/{job_id}/" if tenant else f"linked/{job_id}/"


def is_named_by_content(name: str) -> bool:
    """Tell whether an input was stored for a job, under the SHA-256 of its content."""
    return _BY_CONTENT.fullmatch(name) is not None


_BY_CONTENT: Final = re.compile(
    r"pictures/[0-9a-f]{64}\.(?:png|jpg|webp)|prompts/[0-9a-f]{64}\.txt"
)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one picture of a call goes: its index within the task, and its blob."""

    index: int
    blob: str


MAX_TEXT_BYTES: Final = 400
MAX_NAME_BYTES: Final = 120


def clip(text: str, limit: int = MAX_TEXT_BYTES) -> str:
    """Return the text, cut so that it takes at most `limit` bytes of ASCII JSON."""
    if len(text) <= limit and _bytes(text) <= limit:
        return text
    left = limit - _bytes("…")
    kept = bisect_right(range(limit + 1), left, key=lambda length: _bytes(text[:length])) - 1
    return f"{text[:kept]}…"


def _bytes(text: str) -> int:
    return len(json.dumps(text)) - len('""')
