"""The documents a caller over HTTP is told jobs in; printed as schemas into `openapi.json`."""

from datetime import datetime

from pydantic import Field, JsonValue

from .codes import EventType
from .event_data import Data, Image, RenditionData, Routing, Spending
from .outcomes import OutcomeKind
from .pricing import TokenEstimate
from .records import JobState, TaskState


class PlanStatus(Data):
    """What was decided for one model and size of a job, and what it is expected to cost."""

    routing: Routing
    deployments: tuple[str, ...] = Field(description="In order of preference.")
    tasks: int = Field(description="Paid calls.")
    tokens: TokenEstimate = Field(description="Output tokens of one picture, counted both ways.")
    expected_seconds: float = Field(description="Of one call.")
    estimate_usd: float | None = Field(description="US dollars; null where no price is known.")
    estimate_basis: str


class JobEstimate(Data):
    """What a job would be made into, and at what cost; nothing was stored or paid."""

    plans: tuple[PlanStatus, ...]
    estimate_usd: float | None = Field(description="US dollars; null where a price is unknown.")


class FailureStatus(Data):
    """Why a task or a job ended without its pictures."""

    code: str
    message: str
    retryable: bool
    categories: tuple[str, ...]


class AttemptStatus(Data):
    """One call that was, or may have been, paid for."""

    deployment: str
    started_at: datetime
    ended_at: datetime | None
    kind: OutcomeKind | None = Field(description="What came of it; null while it runs.")
    code: str | None
    message: str | None
    charged: str = Field(description="`no`, `yes` or `unknown`.")
    cost_usd: float | None
    request_id: str | None = Field(description="The provider's.")


class TaskStatus(Data):
    """One paid call of a job."""

    index: int
    state: TaskState
    model: str
    size: str
    locale: str | None
    n: int
    unpaid_retries: int
    last_unpaid: str | None = Field(description="Code of the last call that cost nothing.")
    attempts: tuple[AttemptStatus, ...]
    failure: FailureStatus | None


class RenditionStatus(RenditionData):
    """A picture made from stored ones, and where to get it."""

    path: str = Field(description="Where this app serves it.")
    read_url: str | None = Field(description="A link for a limited time, if asked for.")


class ImageStatus(Image):
    """A stored picture, and where to get it."""

    renditions: tuple[RenditionStatus, ...] = Field(
        default=(),
        description="Made from it, as the job's `finish` asks; it is never touched itself.",
    )

    number: int = Field(ge=0, description="Place among all planned pictures of the job.")
    path: str = Field(description="Where this app serves it.")
    read_url: str | None = Field(description="A link for a limited time, if asked for.")


class EventStatus(Data):
    """An event of the job, and whether it went out."""

    id: str
    type: EventType
    time: datetime
    sent_at: datetime | None


class JobStatus(Spending):
    """All there is to tell of a job."""

    job_id: str
    state: JobState
    generation: int
    opening: int = Field(description="1, and one more each time the ended job is taken up again.")
    batch_id: str | None = Field(description="The batch that began it, if one did.")
    cancelling: bool = Field(description="It was cancelled, and a call under way is waited for.")
    job: dict[str, JsonValue] = Field(description="As it was asked for; defaults are left out.")
    plans: tuple[PlanStatus, ...]
    estimate_usd: float | None
    tasks: tuple[TaskStatus, ...]
    images: tuple[ImageStatus, ...]
    contact_sheet: RenditionStatus | None = Field(
        description="All pictures on one, if the job's `finish` asks for it."
    )
    failure: FailureStatus | None
    events: tuple[EventStatus, ...]
    accepted_at: datetime
    updated_at: datetime


class JobSummary(Data):
    """A job in a list of jobs."""

    job_id: str
    state: JobState
    generation: int
    prompt: str | None = Field(description="Its beginning; null where a blob holds it.")
    models: tuple[str, ...]
    sizes: tuple[str, ...]
    tags: dict[str, str]
    images: int = Field(description="How many are stored; counted when the job ends.")
    cover_path: str | None = Field(description="Where this app serves the first of them.")
    cover_url: str | None = Field(
        description="A link to it, or to its thumbnail if one was made, for a limited time; "
        "if asked for."
    )
    cost_usd: float | None
    failure: str | None = Field(description="The code.")
    path: str
    accepted_at: datetime
    updated_at: datetime


class JobList(Data):
    """Some jobs, newest first."""

    jobs: tuple[JobSummary, ...]
    next: str | None = Field(description="What to give as `after` for the jobs that follow.")
