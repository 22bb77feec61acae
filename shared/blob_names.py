"""How blobs are called that more than one part of the house looks for."""

from dataclasses import dataclass
from datetime import datetime


def record_name(job_id: str) -> str:
    """Return the blob name of a job's record."""
    return f"{job_id}.json"


def dead_letter_name(name: str, time: datetime) -> str:
    """Return the blob name of a dead letter: by day, then by job id or digest."""
    return f"{time:%Y/%m/%d}/{name}.json"


def picture_name(digest: str, content_type: str) -> str:
    """Return the blob name of a picture to edit, by the SHA-256 of its bytes."""
    return f"pictures/{digest}.{'png' if content_type == 'image/png' else 'jpg'}"


def prompt_name(digest: str) -> str:
    """Return the blob name of a prompt too long for a message, by the SHA-256 of its text.

    By its content, so that a job sent again names the same blob and is the same job.
    """
    return f"prompts/{digest}.txt"


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one picture of a call goes: its index within the task, and its blob."""

    index: int
    blob: str
