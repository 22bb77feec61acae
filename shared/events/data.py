"""The data of events: models, printed as JSON Schemas, and the bounds that keep events small.

Bounds are in bytes of the JSON that goes out (ASCII, so that a character outside it counts 6 or
12): an event must fit a queue message whatever a job holds.
"""

from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..catalogue.pricing import Usage
from ..pictures.measuring import PictureFacts
from ..records.record import FailureFacts
from ..routing.plan import Adjustment

#: The largest event, with room to spare: 64 KiB is the most a queue message holds, and 48 KiB fit
#: even where a sink writes base64.
MAX_EVENT_BYTES: Final = 49_152
MAX_REASONS: Final = 12
#: Of the newest calls.
MAX_REQUEST_IDS: Final = 10


class Data(BaseModel):
    """Something an event tells; printed as JSON Schema."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_serialization_defaults_required=True,
        defer_build=True,  # many kinds of data, of which a start needs none and a job two
    )


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
    renditions: tuple[RenditionData, ...] = Field(
        default=(),
        description="Made from it, as the job's `finish` asks; it is never touched itself.",
    )

    @property
    def as_input(self) -> str:
        """What a job calls this picture that edits it: among its `inputs`, or as its `mask`."""
        return f"/{self.container}/{self.blob}"


class CircuitData(Data):
    """A circuit that opened (calls stop) or closed (calls resume): for operators."""

    pool: str
    deployment: str | None = Field(description="Null: every deployment of the pool.")
    reason: Literal["blocked", "misconfigured"]
    message: str = Field(description="What the service said when it was first refused.")
    since: datetime = Field(description="When the circuit opened.")


class Asked(Data):
    """What the job asked for, in its own words."""

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
    lane: str


class Routing(Data):
    """How the job was size-routed: asked, decided, and every reason."""

    asked: Asked
    decided: Decided
    adjustments: tuple[Adjustment, ...]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


class Timings(Data):
    """When things happened, UTC, and how long they took."""

    accepted_at: datetime
    started_at: datetime | None = Field(description="Start of the first call.")
    finished_at: datetime
    total_seconds: float
    calling_seconds: float = Field(description="Sum over all calls.")


class Spending(Data):
    """What the job cost so far."""

    usage: Usage | None
    cost_usd: float | None = Field(description="US dollars; null when a call has no known price.")
    cost_known_by: Literal["usage", "estimate"] | None
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


class EndedPart(Part):
    """A part that came to an end."""

    calls_failed: int = Field(description="Calls that ended without all of their pictures.")
    images: int
    cost_usd: float | None = Field(description="US dollars; null when a call has no known price.")
    cost_known_by: Literal["usage", "estimate"] | None


class PartFailure(FailureFacts, Data):
    """A call of a part that ended without all of its pictures."""

    part: int = Field(ge=0)
    locale: str | None
    indexes: tuple[int, ...] = Field(description="Of the pictures that are missing.")
    code: str = Field(description="One of the codes of a failed job.")


class Omitted(Data):
    """What an event leaves out so that it fits, entries of its lists; zeros when nothing is."""

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
    tags: dict[str, str]
    run: int = Field(description="1, and one more each time the ended job is taken up again.")


class EndedData(Spending):
    """A job that came to an end."""

    job_id: str
    images: tuple[Image, ...]
    model: str = Field(description="Of the first part.")
    deployment: str | None = Field(description="Of the newest call.")
    routing: Routing = Field(description="Of the first part.")
    parts: tuple[EndedPart, ...]
    contact_sheet: RenditionData | None = None
    omitted: Omitted
    timings: Timings
    tags: dict[str, str]
    run: int = Field(description="1, and one more each time the ended job is taken up again.")


class SucceededData(EndedData):
    """A job with all of its pictures."""

    sidecar: str = Field(description="Blob beside the pictures that holds this data, written last.")
