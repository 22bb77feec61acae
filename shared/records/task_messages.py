"""The small messages that wake a task or a finish; everything else is in the record."""

from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from ..jobs.parsing import read_model
from ..limits.pacing import Ticket
from .record import JobRecord, TaskRecord

#: Characters of the reason why a task waits.
MAX_HELD: Final = 400


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: str = Field(min_length=1, max_length=64)
    #: A message of an earlier run has nothing left to wake. None: sent by version 1 of the app.
    run: int | None = Field(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, message: Any) -> Any:  # noqa: ANN401 (whatever is to be validated)
        dropped = {"generation", "lane"}
        if isinstance(message, dict) and dropped & message.keys():
            renamed = {"appointment": "ticket"}
            return {
                renamed.get(name, name): message[name] for name in message if name not in dropped
            }
        return message

    def is_of(self, run: int) -> bool:
        """Tell whether the message was sent in this run of the job."""
        return self.run in {run, None}

    def to_bytes(self) -> bytes:
        """Return the message as it is sent."""
        return self.model_dump_json(exclude_none=True).encode()


class TaskMessage(_Message):
    """Which task of which job to work on."""

    task: int = Field(ge=0)
    #: Trace of the request that submitted the job, for telemetry alone.
    traceparent: str | None = Field(default=None, max_length=64)
    #: Its place in the line of a quota pool, when it comes back from waiting.
    ticket: Ticket | None = None
    #: In the waiting queue alone: when it is due, if not at its ticket's time.
    due: AwareDatetime | None = None
    #: Why it waits for an operator, when no deployment of its plan may be called.
    held: str | None = Field(default=None, max_length=MAX_HELD)


def task_message(record: JobRecord, task: TaskRecord) -> TaskMessage:
    """Return the message that wakes a task, with its place in line."""
    return TaskMessage(
        job_id=record.job_id,
        task=task.index,
        run=record.run,
        traceparent=record.job.traceparent,
        ticket=task.ticket,
    )


class FinishMessage(_Message):
    """Which job has originals to finish."""


def read_finish(body: bytes) -> FinishMessage:
    """Read a message of the finish queue; raises `MalformedMessage`."""
    return read_model(FinishMessage, body)


def read_task(body: bytes) -> TaskMessage:
    """Read a message of the tasks queue or the waiting queue; raises `MalformedMessage`."""
    return read_model(TaskMessage, body)
