"""The small messages that wake a task or a finish; everything else stands in the record."""

from pydantic import BaseModel, ConfigDict, Field

from ..jobs.parsing import read_model
from ..limits.pacing import Ticket


class TaskMessage(BaseModel):
    """Which task of which job to look at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: str = Field(min_length=1, max_length=64)
    task: int = Field(ge=0)
    #: A message of an earlier generation has nothing left to wake.
    generation: int = Field(default=1, ge=1)
    #: Trace of whoever asked for the job, for telemetry alone.
    traceparent: str | None = Field(default=None, max_length=64)
    #: Its place in the plan of a quota pool, when it comes back from waiting.
    ticket: Ticket | None = None
    #: Why it waits for an operator, when every deployment of its plan is held.
    held: str | None = Field(default=None, max_length=400)

    def to_bytes(self) -> bytes:
        """Return the message as it stands on the queue."""
        return self.model_dump_json(exclude_none=True).encode()


class FinishMessage(BaseModel):
    """Which job has its originals to be finished."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: str = Field(min_length=1, max_length=64)
    generation: int = Field(default=1, ge=1)

    def to_bytes(self) -> bytes:
        """Return the message as it stands on the queue."""
        return self.model_dump_json().encode()


def read_finish(body: bytes) -> FinishMessage:
    """Read a message of the finish queue; `MalformedMessage` if it is none of ours."""
    return read_model(FinishMessage, body)


def read_task(body: bytes) -> TaskMessage:
    """Read a lane message; `MalformedMessage` if it is none of ours."""
    return read_model(TaskMessage, body)
