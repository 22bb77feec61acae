"""Read commands: messages of the jobs queue that change an existing job."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ..errors import InvalidJob
from .fields import JobId, check_line
from .parsing import Envelope, repetition_faults
from .validation import in_order, validation_faults

#: An upper bound, so that a number of any length is rejected.
MAX_RUNS: Final = 999_999_999


class Action(StrEnum):
    """What a command does to a job."""

    CANCEL = "cancel"
    RELEASE = "release"
    FAIL = "fail"
    REPLAY = "replay"
    APPROVE = "approve"
    REJECT = "reject"
    ERASE = "erase"


class Command(BaseModel):
    """One command."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: Action
    job_id: JobId
    #: The run it applies to, so that a repeated command has no further effect. None: the newest.
    run: int | None = Field(default=None, ge=1, le=MAX_RUNS)
    #: For cancel: whether pictures of calls in progress are kept.
    result: Literal["keep", "drop"] = "keep"
    #: For replay: whether existing pictures are kept, or made again under new names.
    pictures: Literal["keep", "remake"] = "keep"
    reason: Annotated[str, AfterValidator(check_line)] = Field(default="", max_length=400)

    def to_bytes(self) -> bytes:
        """Return the command as a message of the jobs queue."""
        return self.model_dump_json(exclude_defaults=True).encode()


def read_command(envelope: Envelope) -> Command | None:
    """Return the command in a message of the jobs queue; None if it contains no command.

    Raises `InvalidJob` with all faults of a command.
    """
    if "command" not in envelope.content:
        return None
    faults = repetition_faults(envelope.repeated)
    try:
        command = Command.model_validate(envelope.content)
        if not faults:
            return command
    except ValidationError as error:
        faults += validation_faults(error, Command)
    raise InvalidJob(in_order(faults, Command))
