"""Orders: what a person wants done to a job, as a message that goes the way of jobs."""

from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InvalidJob
from .fields import JobId
from .parsing import Envelope
from .validation import in_order, validation_faults

#: No job is opened as often; a bound, so that a number of any length is refused.
MAX_RUNS: Final = 999_999_999


class Action(StrEnum):
    """What is to be done."""

    CANCEL = "cancel"
    RELEASE = "release"
    FAIL = "fail"
    REPLAY = "replay"


class Command(BaseModel):
    """One order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: Action
    job_id: JobId
    #: Of which opening: an order that comes twice is carried out once. None: of the newest.
    run: int | None = Field(default=None, ge=1, le=MAX_RUNS)
    #: Of a cancelled job: what becomes of pictures that are being paid for.
    result: Literal["keep", "drop"] = "keep"
    #: Of a replayed job: whether pictures that are there are made again, under new names.
    pictures: Literal["keep", "remake"] = "keep"
    reason: str = Field(default="", max_length=400)

    def to_bytes(self) -> bytes:
        """Return the order as a message of the jobs queue."""
        return self.model_dump_json(exclude_defaults=True).encode()


def read_command(envelope: Envelope) -> Command | None:
    """Return the command that a message of the jobs queue holds, None when it holds none.

    Raises `InvalidJob` with the faults of a command.
    """
    if "command" not in envelope.content:
        return None
    try:
        return Command.model_validate(envelope.content)
    except ValidationError as error:
        raise InvalidJob(in_order([*validation_faults(error)]), job_id=None) from error
