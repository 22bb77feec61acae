"""The data of events: models whose JSON Schemas are published, and their limits.

An event must fit a queue message, so limits count bytes of its JSON. That is ASCII: any other
character takes 6 or 12 bytes.
"""

from datetime import datetime
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from ..catalogue.pricing import Usage
from ..errors import Fault
from ..pictures.measuring import PictureFacts
from ..records.record import Cost, Failure, FailureFacts, Reused
from ..routing.plan import Adjustment
from ..vocabulary import FailureCode, RejectionCode

#: The largest event. A queue message holds 64 KiB, which are 48 KiB in base64.
MAX_EVENT_BYTES: Final = 49_152
MAX_REASONS: Final = 12
MAX_CATEGORIES: Final = 12
#: Faults in one event; the dead letter has all of them.
MAX_FAULTS: Final = 40
#: Of the newest calls.
MAX_REQUEST_IDS: Final = 10


class Data(BaseModel):
    """Base of all data that the app publishes."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_serialization_defaults_required=True,
        defer_build=True,  # a start of the app needs none of the many models, a job needs two
    )

    @classmethod
    def copy_from(cls, source: object, **fields: object) -> Self:
        """Return data with these fields; the others come from attributes of the same name."""
        same = {name: getattr(source, name) for name in cls.model_fields if hasattr(source, name)}
        return cls.model_validate(same | fields, from_attributes=True)


class RenditionData(PictureFacts, Data):
    """A picture made from a stored original."""

    kind: Literal["exact", "rendition", "thumbnail", "contact_sheet"]
    url: str
    blob: str


class Image(PictureFacts, Data):
    """A stored picture; width, height and type are measured from its bytes."""

    url: str
    blob: str
    container: str
    locale: str | None
    index: int = Field(ge=0, description="Place among the job's pictures of this locale.")
    part: int = Field(ge=0, description="Of the job: the model and size it was made in.")
    model: str
    size: str = Field(description="As the job asked for it.")
    revised_prompt: str | None = Field(
        default=None, description="What the service made of the prompt, if it says so."
    )
    renditions: tuple[RenditionData, ...] = Field(
        default=(),
        description="Made from it, as the job's `finish` asks; it is never touched itself.",
    )

    @property
    def as_input(self) -> str:
        """The name of this picture in `inputs` or `mask` of a job that edits it."""
        return f"/{self.container}/{self.blob}"


class CircuitData(Data):
    """A circuit that opened (calls stop) or closed (calls resume): for operators."""

    pool: str
    deployment: str | None = Field(description="Null: every deployment of the pool.")
    reason: Literal["blocked", "misconfigured", "unavailable"]
    message: str = Field(description="What the service answered to the first call that failed.")
    since: datetime = Field(description="When the circuit opened.")


class StorageData(Data):
    """Storage takes no pictures, so no call is made until it does: for operators."""

    container: str
    message: str = Field(description="What storage answered.")
    since: datetime = Field(description="When the app saw it first.")

    def __str__(self) -> str:
        return f"storage blocked container={self.container} since={self.since:%FT%TZ}"


class Asked(Data):
    """What the job asked for, as it wrote it."""

    size: str
    quality: str
    model: str
    routing: str
    n: int


class Decided(Data):
    """What was decided."""

    model: str
    routing: str
    width: int
    height: int
    quality: str | None
    tier: str | None
    bucket: int | None


class Routing(Data):
    """What one part of the job asked for, what was decided, and every reason."""

    asked: Asked
    decided: Decided
    adjustments: tuple[Adjustment, ...]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


class Timings(Data):
    """Times of the job (UTC) and durations."""

    accepted_at: datetime
    started_at: datetime | None = Field(description="Start of the first call.")
    finished_at: datetime
    total_seconds: float
    calling_seconds: float = Field(description="Sum over all calls.")


class ReusedData(Reused, Data):
    """The job whose pictures these are."""


class Spending(Cost, Data):
    """What the job cost so far; null when a call has no known price."""

    usage: Usage | None
    usages_ignored: int = Field(
        description="Calls that count with their estimate because the usage in their reply is not "
        "credible."
    )
    attempts: int = Field(description="Calls that were paid for, or may have been.")
    unpaid_retries: int
    possible_duplicate_charge: bool


class Part(Data):
    """One model and size of the job, in all its locales."""

    part: int = Field(ge=0, description="Place among the parts: models first, then sizes.")
    routing: Routing
    calls: int
    estimate_usd: float | None


class PlannedPart(Part):
    """A part that will be made."""

    expected_seconds: float = Field(description="Of one call.")


class EndedPart(Cost, Part):
    """A part whose calls have ended."""

    calls_failed: int = Field(description="Calls that ended without all of their pictures.")
    images: int


class PartFailure(FailureFacts, Data):
    """A call of a part that ended without all of its pictures."""

    part: int = Field(ge=0)
    locale: str | None
    indexes: tuple[int, ...] = Field(description="Of the pictures that are missing.")
    code: str = Field(description="One of the codes of a failed job.")


class Omitted(Data):
    """How many entries of its lists an event leaves out to fit its message."""

    images: int = 0
    parts: int = 0
    failures: int = 0
    reasons: int = Field(default=0, description="Parts whose reasons are left out.")


class AcceptedData(Data):
    """A job that will be made."""

    job_id: str
    routing: Routing = Field(description="Of the first part.")
    parts: tuple[PlannedPart, ...]
    omitted: Omitted
    tasks: int = Field(description="Paid calls the job is made of.")
    expected_seconds: float = Field(description="Of the longest call.")
    estimate_usd: float | None
    estimate_basis: str
    tenant: str
    tags: dict[str, str]
    run: int = Field(description="1, and one more each time the ended job is taken up again.")


class EndedData(Spending):
    """A job that has ended."""

    job_id: str
    images: tuple[Image, ...]
    model: str = Field(description="Of the first part.")
    deployment: str | None = Field(description="Of the newest call.")
    routing: Routing = Field(description="Of the first part.")
    parts: tuple[EndedPart, ...]
    contact_sheet: RenditionData | None = None
    omitted: Omitted
    timings: Timings
    tenant: str
    reused: ReusedData | None = Field(
        default=None, description="The job that made the pictures, if it was not this one."
    )
    tags: dict[str, str]
    run: int = Field(description="1, and one more each time the ended job is taken up again.")


class SucceededData(EndedData):
    """A job with all of its pictures."""

    sidecar: str = Field(description="Blob beside the pictures that holds this data, written last.")


class AwaitingReviewData(EndedData):
    """A job with all of its pictures, which a person approves or rejects."""

    review_by: datetime = Field(description="After this moment the job fails as `not_approved`.")


class FailedData(Failure, EndedData):
    """A job that ended, is parked or was cancelled without all of its pictures."""

    code: FailureCode
    request_ids: tuple[str, ...] = Field(description="The provider's, newest last.")
    failures: tuple[PartFailure, ...] = Field(description="Of each call that failed.")


class PictureStoredData(Data):
    """One picture of a job that is stored, while others may still be made."""

    job_id: str
    image: Image
    number: int = Field(ge=0, description="Place among all planned pictures of the job.")
    images_wanted: int = Field(ge=1, description="How many pictures the job makes in all.")
    tenant: str
    tags: dict[str, str]
    run: int = Field(description="The run of the job that stored it.")


class RejectedData(Data):
    """A message that was rejected; nothing was paid."""

    job_id: str | None
    code: RejectionCode
    faults: tuple[Fault, ...]
    faults_found: int = Field(description="Number of all faults; `faults` may hold fewer.")
    digest: str = Field(description="SHA-256 of the message's body, hexadecimal.")
    tenant: str | None = Field(description="That the message names, if it can be read.")
    tags: dict[str, str]
