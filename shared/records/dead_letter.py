"""Dead letters: what the app rejected, gave up or could not deliver, kept for operators."""

import base64
import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, Field, JsonValue

from ..errors import Fault
from ..jobs.parsing import Message
from .index_entry import IndexEntry
from .record import Failure, JobRecord


class DeadLetterKind(StrEnum):
    """What a dead letter holds."""

    #: A message of the jobs queue: a job or a command.
    MESSAGE = "message"
    #: A message of the tasks queue.
    TASK = "task"
    #: A message of the finish queue.
    FINISH = "finish"
    #: A message of the manifests queue.
    NOTICE = "notice"
    #: An undelivered event, or an unreadable message of the deliveries queue.
    DELIVERY = "delivery"
    #: A job that failed, as its record.
    JOB = "job"


class DeadLetter(BaseModel, frozen=True):
    """One dead letter; what is empty is left out of its blob."""

    #: Its blob without the extension, where it was read from storage.
    name: str = Field(default="", exclude=True)
    kind: DeadLetterKind
    #: A code: of the rejection, of the failure, or `malformed`, `poisoned` or `undeliverable`.
    reason: str
    why: str = ""
    #: When the message was sent, the job failed, or the delivery was given up.
    at: datetime
    job_id: str | None = None
    #: Of a job: the run that failed.
    run: int | None = None
    faults: tuple[Fault, ...] = ()
    queue: str | None = None
    message_id: str | None = None
    message_base64: str | None = None
    sink: str | None = None
    #: Where an event was sent to, if its job names a callback.
    url: str | None = None
    tries: int | None = None
    since: datetime | None = None
    event: dict[str, JsonValue] | None = None
    record: dict[str, JsonValue] | None = None

    @property
    def message(self) -> bytes | None:
        """The message as it was on the queue, where the letter holds one."""
        try:
            return base64.b64decode(self.message_base64 or "", validate=True) or None
        except ValueError:
            return None

    @property
    def blob_name(self) -> str:
        """The name of its blob: an equal letter of the same day overwrites it."""
        if self.kind is DeadLetterKind.JOB:
            return dead_letter_name(self.job_id or "", self.at)
        if self.event:
            return dead_letter_name(f"{self.event['id']}.{self.sink}", self.at)
        return dead_letter_name(hashlib.sha256(self.message or b"").hexdigest(), self.at)

    def to_bytes(self) -> bytes:
        """Return the letter as it is stored."""
        return self.model_dump_json(indent=2, exclude_none=True).encode()


def dead_letter_name(name: str, time: datetime) -> str:
    """Return the blob name of a dead letter: by day, then by job id or digest of the message."""
    return f"{time:%Y/%m/%d}/{name}.json"


def message_letter(
    kind: DeadLetterKind,
    message: Message,
    *,
    reason: str,
    why: str,
    job_id: str | None = None,
    faults: tuple[Fault, ...] = (),
    queue: str | None = None,
) -> DeadLetter:
    """Return the letter of a message that can't be worked on."""
    return DeadLetter(
        kind=kind,
        reason=reason,
        why=why,
        at=message.inserted_at,
        job_id=job_id,
        faults=faults,
        queue=queue,
        message_id=message.message_id,
        message_base64=base64.b64encode(message.body).decode(),
    )


def job_letter(record: JobRecord, *, at: datetime) -> DeadLetter:
    """Return the letter of a job that failed."""
    failure = record.failure
    return DeadLetter(
        kind=DeadLetterKind.JOB,
        reason=failure.code if failure else _UNKNOWN,
        why=failure.message if failure else "",
        at=at,
        job_id=record.job_id,
        run=record.run,
        record=record.model_dump(mode="json"),
    )


def damage_letter(entry: IndexEntry, failure: Failure, *, at: datetime) -> DeadLetter:
    """Return the letter of a job whose record is damaged; the record stays where it is."""
    return DeadLetter(
        kind=DeadLetterKind.JOB,
        reason=failure.code,
        why=failure.message,
        at=at,
        job_id=entry.job_id,
        run=entry.run,
    )


def read_dead_letter(body: bytes, *, name: str = "") -> DeadLetter:
    """Read a letter; old ones have no `kind`."""
    content = json.loads(body)
    if "kind" not in content:
        content = _upgraded(content)
    return DeadLetter.model_validate({**content, "name": name})


_UNKNOWN: Final = "unknown"


def _upgraded(old: dict[str, Any]) -> dict[str, Any]:
    """Return an old letter in today's shape."""
    faults = old.get("faults", ())
    letter = {
        "reason": _UNKNOWN,
        "why": "; ".join(f"{each['field']}: {each['message']}" for each in faults),
        "at": old.get("received_at") or old.get("since") or old.get("updated_at") or 0,
        **old,
    }
    if "tasks" in old:
        failure: dict[str, Any] = next(
            (each["failure"] for each in old["tasks"] if each.get("failure")), {}
        )
        letter |= {"reason": failure.get("code", _UNKNOWN), "why": failure.get("message", "")}
        letter |= {"record": old, "run": old.get("run", old.get("openings", 1))}
        return letter | {"kind": DeadLetterKind.JOB}
    if "event" in old:
        return letter | {"kind": DeadLetterKind.DELIVERY}
    if "queue" not in old and "faults" not in old:
        return letter | {"kind": DeadLetterKind.NOTICE}
    try:
        message = json.loads(base64.b64decode(old["message_base64"]))
        letter |= {
            "kind": DeadLetterKind.TASK,
            "job_id": message["job_id"],
            "task": message["task"],
        }
    except (ValueError, KeyError, TypeError):
        letter |= {"kind": DeadLetterKind.MESSAGE}
    return letter
