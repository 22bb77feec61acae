"""What is known of a job: its record, its tasks and their attempts, as data.

A record is one JSON document, `jobs/{job_id}.json`, changed only by conditional writes along the
steps of `shared.records.transitions`. It is the truth; messages only wake us.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..catalogue.pricing import Usage
from ..images_api.outcomes import OutcomeKind
from ..jobs.finish import Kind
from ..jobs.job import Job
from ..pictures.inputs import InputPicture
from ..routing.plan import Plan, Task, estimate_usd

#: Grows when the shape of a record changes so that an older app could not read it.
RECORD_VERSION: Final = 1


class TaskState(StrEnum):
    """Where one paid call stands."""

    PENDING = "pending"
    CALLING = "calling"
    DONE = "done"
    FAILED = "failed"
    PARKED = "parked"
    CANCELLED = "cancelled"


class JobState(StrEnum):
    """Where a job stands; all but `running` are announced."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARKED = "parked"
    CANCELLED = "cancelled"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Picture(_Frozen):
    """A stored picture, as measured from its bytes."""

    blob: str
    url: str
    index: int = Field(ge=0)
    locale: str | None = None
    content_type: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    bytes: int = Field(gt=0)
    sha256: str


class Attempt(_Frozen):
    """One call that was, or may have been, paid for."""

    #: Number of the claim: the fencing token.
    token: int = Field(ge=1)
    deployment: str
    client_request_id: str
    started_at: datetime
    #: After this moment the attempt is dead, whoever made it.
    deadline_at: datetime
    #: What the call itself is given, seconds.
    limit_seconds: float = Field(gt=0)
    #: The higher estimate, USD; None when the model's price is unknown.
    estimate_usd: float | None = None
    ended_at: datetime | None = None
    kind: OutcomeKind | None = None
    code: str | None = None
    message: str | None = None
    #: The provider's id of the request, for reconciliation.
    request_id: str | None = None
    #: What was set aside of the day's budget for it.
    ticket: str | None = None
    charged: Literal["no", "yes", "unknown"] = "unknown"
    cost_usd: float | None = None
    cost_known_by: Literal["usage", "estimate"] | None = None
    usage: Usage | None = None


class Failure(_Frozen):
    """Why a task or job ended without its pictures; `code` is a `FailureCode`."""

    code: str
    message: str
    retryable: bool = False
    categories: tuple[str, ...] = ()


class TaskRecord(_Frozen):
    """One paid call of a job: what happened to it so far."""

    index: int = Field(ge=0)
    state: TaskState = TaskState.PENDING
    #: Claims made so far; the newest is the fencing token.
    claims: int = 0
    #: Calls that surely cost nothing and were put back (429, blocks, not sent).
    unpaid_retries: int = 0
    #: Code of the last of them.
    last_unpaid: str | None = None
    current: Attempt | None = None
    attempts: tuple[Attempt, ...] = ()
    pictures: tuple[Picture, ...] = ()
    failure: Failure | None = None
    #: Blobs of pictures that came though the job was cancelled; they are deleted.
    dropped: tuple[str, ...] = ()
    #: A call whose outcome is unknown was followed by another one.
    possible_duplicate_charge: bool = False

    @property
    def every_attempt(self) -> tuple[Attempt, ...]:
        """Return every call that was or may have been paid for, a running one included."""
        return (*self.attempts, *([self.current] if self.current else []))


class OutboxEntry(_Frozen):
    """An event that this job owes the world, and whether it went out."""

    type: str
    time: datetime
    sent_at: datetime | None = None
    #: Of which opening of the job: ids of events differ between them.
    run: int = 1


class StoredRendition(_Frozen):
    """A picture made from a stored original."""

    #: Blob of the original; None for the contact sheet, which is made from all.
    of: str | None
    kind: Kind
    blob: str
    url: str
    content_type: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    bytes: int = Field(gt=0)
    sha256: str


class FinishRecord(_Frozen):
    """What is being made from the originals, when all calls have ended."""

    state: Literal["pending", "done", "failed"] = "pending"
    #: Of the record: a replay finishes anew.
    generation: int
    rendered: tuple[StoredRendition, ...] = ()
    failure: Failure | None = None


class BatchEntryRef(_Frozen):
    """The entry of a batch that began a job."""

    batch_id: str
    entry: int = Field(ge=1)


class JobRecord(_Frozen):
    """The truth about one job."""

    version: int = RECORD_VERSION
    job_id: str
    fingerprint: str
    #: 1, and one more for each replay: calls of a generation are counted anew.
    generation: int = 1
    #: 1, and one more each time the ended job was taken up again: a release, a replay, a verdict.
    runs: int = 1
    state: JobState = JobState.RUNNING
    job: Job
    #: One for each model and size that the job is made in.
    plans: tuple[Plan, ...] = Field(min_length=1)
    #: The pictures to edit and their mask, as they were when the job was taken.
    inputs: tuple[InputPicture, ...] = ()
    #: One for each task of the plans, in their order.
    tasks: tuple[TaskRecord, ...]
    #: None until all calls have ended, and for good where the job asks for no finish.
    finishing: FinishRecord | None = None
    outbox: tuple[OutboxEntry, ...] = ()
    #: None for a job that came alone.
    batch: BatchEntryRef | None = None
    accepted_at: datetime
    updated_at: datetime
    #: When the newest opening began, if that is not the first.
    run_started_at: datetime | None = None
    #: Somebody wants the job no more; what is still being called for is kept or dropped.
    cancel_requested: Literal["keep", "drop"] | None = None
    #: Somebody released the job by hand: it may pass the day's budget.
    budget_waived: bool = False
    #: Calls of earlier generations.
    past: tuple[Attempt, ...] = ()

    def give_up_at(self, lifetime: timedelta) -> datetime:
        """Return when the job is given up on: at its deadline, or when it has lived this long.

        A deadline that was past when the job was taken up again does not count.
        """
        begun = self.run_started_at or self.accepted_at
        deadline = self.job.deadline
        if deadline and (self.run_started_at is None or deadline > begun):
            return deadline
        return begun + lifetime

    def plan_of(self, index: int) -> Plan:
        """Return the plan that a task belongs to."""
        return next(plan for plan in self.plans if any(t.index == index for t in plan.tasks))

    @property
    def planned(self) -> tuple[Task, ...]:
        """Return what each task is to make, in order."""
        return tuple(task for plan in self.plans for task in plan.tasks)

    @property
    def estimate_usd(self) -> float | None:
        """Return the estimate of the whole job, USD; None where a part has no known price."""
        return estimate_usd(self.plans)

    def estimate_of(self, index: int, pictures: int) -> float | None:
        """Return the estimate of one call for so many of a task's pictures, USD."""
        plan = self.plan_of(index)
        if plan.estimate_usd is None:
            return None
        return round(plan.estimate_usd * pictures / sum(task.n for task in plan.tasks), 6)

    @property
    def failure(self) -> Failure | None:
        """Return the first task's failure, or the finish's, if there is one."""
        own = self.finishing.failure if self.finishing else None
        return next((task.failure for task in self.tasks if task.failure), own)

    @property
    def awaits_finish(self) -> bool:
        """Tell whether all calls have ended and the originals are yet to be finished."""
        return self.state is JobState.RUNNING and bool(
            self.finishing and self.finishing.state == "pending"
        )

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Return all pictures stored so far, in order."""
        return tuple(picture for task in self.tasks for picture in task.pictures)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Return every call that was or may have been paid for, the running ones included."""
        return self.past + tuple(each for task in self.tasks for each in task.every_attempt)
