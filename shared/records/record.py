"""A job's record: its tasks, their attempts and pictures, as one JSON document.

`jobs/{job_id}.json` is the truth about a job; messages only wake the app. A record changes only
through the transitions in `transitions` and `commands`, by conditional writes.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import AwareDatetime, Field, model_validator

from ..catalogue.pricing import Usage
from ..images_api.outcomes import OutcomeKind
from ..images_api.replies import Moderation
from ..jobs.fields import StoredModel, added_field
from ..jobs.job import DEFAULT_TENANT, Job, Kind
from ..limits.pacing import Ticket
from ..pictures.inputs import InputPicture
from ..pictures.measuring import PictureFacts
from ..routing.plan import Plan, estimate_usd
from ..vocabulary import FailureCode, Slot, extension_of, job_folder

#: Grows when the shape of a record changes so that an older app could not read it.
RECORD_VERSION: Final = 2


class TaskState(StrEnum):
    """The states of one paid call."""

    PENDING = "pending"
    CALLING = "calling"
    DONE = "done"
    FAILED = "failed"
    PARKED = "parked"
    CANCELLED = "cancelled"


class JobState(StrEnum):
    """The states of a job; an event is published for each but `running`."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARKED = "parked"
    CANCELLED = "cancelled"
    #: All pictures are stored, and a person decides.
    AWAITING_REVIEW = "awaiting_review"


#: States that a job does not stay in.
UNDECIDED: Final = frozenset({JobState.RUNNING, JobState.AWAITING_REVIEW})


class Picture(PictureFacts, extra="allow"):
    """A stored picture, as measured from its bytes."""

    blob: str
    url: str
    container: str
    #: Among the job's pictures of its locale.
    index: int = Field(ge=0)
    locale: str | None = None
    #: What the service made of the prompt, if it says so.
    revised_prompt: str | None = None


class Cost(StoredModel):
    """What calls cost, US dollars: both ends are null when one of them has no known price."""

    cost_usd: float | None = Field(default=0.0, description="What is certain, US dollars.")
    cost_usd_at_most: float | None = Field(
        default=0.0,
        description="What is possible: a refusal, a time-out or a lost reply may be billed too.",
    )
    cost_known_by: Literal["usage", "estimate"] | None = Field(
        default=None,
        description="`estimate` if a part of it is one; null if nothing can have been billed.",
    )


class Attempt(Cost):
    """One call that was, or may have been, paid for."""

    #: Number of the claim: the fencing token.
    token: int = Field(ge=1)
    deployment: str
    client_request_id: str
    started_at: AwareDatetime
    #: After this moment no process works on the attempt any more.
    deadline_at: AwareDatetime
    #: The time limit of the call itself, seconds.
    limit_seconds: float = Field(gt=0)
    #: USD; None when the model's price is unknown.
    estimate_usd: float | None = None
    #: The part of it that is billed though nothing is made; None: not known apart.
    estimate_input_usd: float | None = None
    ended_at: AwareDatetime | None = None
    kind: OutcomeKind | None = None
    code: str | None = None
    message: str | None = None
    #: The provider's id of the request, for reconciliation.
    request_id: str | None = None
    #: The reservation of the day's budget.
    ticket: str | None = None
    #: None where the reply had none that counts.
    usage: Usage | None = None
    #: Why the usage in the reply does not count.
    usage_ignored: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, stored: Any) -> Any:  # noqa: ANN401 (whatever is to be validated)
        if isinstance(stored, dict) and "charged" in stored:
            from .upgrades import upgrade_attempt  # noqa: PLC0415 (rare: no start waits for it)

            return upgrade_attempt(stored)
        return stored

    @property
    def may_be_billed(self) -> bool:
        """Tell whether the call cost something, or may have."""
        return self.cost_usd_at_most != 0


class FailureFacts(StoredModel):
    """Why something failed; `code` is a `FailureCode`."""

    code: str
    message: str
    retryable: bool = False


class Failure(FailureFacts):
    """Why a task or a job ended without its pictures."""

    moderation: Moderation | None = Field(
        default=None, description="What a content filter objected to, if the reply says so."
    )

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, stored: Any) -> Any:  # noqa: ANN401 (whatever is to be validated)
        if isinstance(stored, dict) and "categories" in stored:
            from .upgrades import upgrade_failure  # noqa: PLC0415 (rare: no start waits for it)

            return upgrade_failure(stored)
        return stored


#: What an ended job failed of where its record does not say it.
NO_FAILURE: Final = {
    JobState.PARKED: Failure(
        code=FailureCode.OUTCOME_UNKNOWN, message="the job is parked; an operator decides"
    ),
    JobState.CANCELLED: Failure(code=FailureCode.CANCELLED, message="the job was cancelled"),
    JobState.FAILED: Failure(code=FailureCode.UNCLASSIFIED, message="no reason is known"),
}


class TaskRecord(StoredModel):
    """One paid call of a job: what it is to make, and what happened to it so far."""

    index: int = Field(ge=0)
    #: Index of its plan: one model and size of the job.
    part: int = Field(default=0, ge=0)
    locale: str | None = None
    #: The index of its first picture among the job's pictures of its locale.
    first: int = Field(default=0, ge=0)
    #: Where its pictures go, in the order of the reply; one that is of another type than asked for
    #: is stored under the name of its own type.
    blobs: tuple[str, ...]
    state: TaskState = TaskState.PENDING
    #: Claims made so far; the newest is the fencing token.
    claims: int = 0
    #: Calls that surely cost nothing and were put back (429, blocked, not sent).
    unpaid_retries: int = 0
    #: Its place in the line of a quota pool, as given last in this run.
    ticket: Ticket | None = added_field()
    #: Code of the last of them.
    last_unpaid: str | None = None
    current: Attempt | None = None
    attempts: tuple[Attempt, ...] = ()
    pictures: tuple[Picture, ...] = ()
    failure: Failure | None = None
    #: Blobs of pictures that arrived after the job was cancelled; they are deleted.
    dropped: tuple[str, ...] = ()
    #: A call whose outcome is unknown was followed by another one.
    possible_duplicate_charge: bool = False

    @property
    def every_attempt(self) -> tuple[Attempt, ...]:
        """Return every call that was or may have been paid for, a running one included."""
        return (*self.attempts, *([self.current] if self.current else []))

    @property
    def missing(self) -> tuple[Slot, ...]:
        """Return the pictures that are not stored yet."""
        stored = {picture.index - self.first for picture in self.pictures}
        return tuple(
            Slot(index, blob) for index, blob in enumerate(self.blobs) if index not in stored
        )


class OutboxEntry(StoredModel):
    """An event of the job, and when it was published."""

    type: str
    time: AwareDatetime
    sent_at: AwareDatetime | None = None
    #: The run it reports; event ids differ between runs.
    run: int = 1
    #: The blob of the picture it reports; None: it reports the job.
    picture: str | None = added_field()


class StoredRendition(PictureFacts, extra="allow"):
    """A picture made from a stored original."""

    #: Blob of the original; None for the contact sheet, which is made from all.
    of: str | None
    kind: Kind
    blob: str
    url: str


class FinishRecord(StoredModel):
    """What this run makes from the originals, when all calls have ended."""

    state: Literal["pending", "done", "failed"] = "pending"
    rendered: tuple[StoredRendition, ...] = ()
    failure: Failure | None = None


class BatchEntryRef(StoredModel):
    """The entry of a batch that a job was made from."""

    batch_id: str
    entry: int = Field(ge=1)


class Reused(StoredModel):
    """The job whose pictures answer another one, at no cost."""

    job_id: str
    made_at: AwareDatetime = Field(description="When that job succeeded.")


class Review(StoredModel):
    """What a person has decided about the pictures of a job, or the passing of time."""

    approved: bool
    reason: str = ""
    decided_at: AwareDatetime


class Erasure(StoredModel):
    """That the personal data of a job is deleted: since when, and which blobs had any."""

    requested_at: AwareDatetime
    deleted: tuple[str, ...] = Field(
        description="Blobs, with their containers, that are deleted or overwritten. Storage can "
        "restore them until its soft delete has ended."
    )
    kept: tuple[str, ...] = Field(
        description="What may still hold data of the job, and why it is not deleted."
    )
    receivers: tuple[str, ...] = Field(
        description="Who was sent the events of the job: queues, webhooks, the host of a callback."
    )


class JobRecord(StoredModel):
    """The truth about one job."""

    version: Literal[2] = RECORD_VERSION
    job_id: str
    fingerprint: str
    #: 1, and one more each time the ended job is taken up again: by a release, a replay, a fail
    #: command, a cancel command, or a new day's budget.
    run: int = Field(default=1, ge=1)
    state: JobState = JobState.RUNNING
    job: Job
    #: One for each part: a model and size that the job is made in.
    plans: tuple[Plan, ...] = Field(min_length=1)
    #: The pictures to edit and their mask, as they were when the job was accepted.
    inputs: tuple[InputPicture, ...] = ()
    tasks: tuple[TaskRecord, ...]
    #: None until all calls have ended, and always None for a job without `finish`.
    finishing: FinishRecord | None = None
    outbox: tuple[OutboxEntry, ...] = ()
    #: Each stored picture has an event of its own.
    publish_pictures: bool = added_field(False)
    #: Of a job with `reuse`: what its pictures are found by, and the SHA-256 of its prompt.
    reuse_key: str | None = added_field()
    prompt_sha256: str | None = added_field()
    #: Its pictures are those of another job.
    reused: Reused | None = added_field()
    #: How long a person may take to review the pictures; None: nobody does.
    review_seconds: float | None = added_field()
    #: Of this run.
    review: Review | None = added_field()
    #: Of a request of OpenAI's API: its claim.
    request_key: str | None = added_field()
    #: None for a job whose data nobody has erased.
    erased: Erasure | None = added_field()
    #: None for a job that was submitted alone.
    batch: BatchEntryRef | None = None
    accepted_at: AwareDatetime
    updated_at: AwareDatetime
    #: None in the first run.
    run_started_at: AwareDatetime | None = None
    #: The job is cancelled; the results of calls under way are kept or dropped.
    cancel_requested: Literal["keep", "drop"] | None = None
    #: The job was released by hand, so it may exceed the day's budget.
    budget_waived: bool = False
    #: Calls made before the last replay.
    past: tuple[Attempt, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, document: Any) -> Any:  # noqa: ANN401 (whatever is to be validated)
        if isinstance(document, dict) and document.get("version") == 1:
            from .upgrades import upgrade_record  # noqa: PLC0415 (rare: no start waits for it)

            return upgrade_record(document)
        return document

    @model_validator(mode="after")
    def _check_tasks(self) -> "JobRecord":
        for place, task in enumerate(self.tasks):
            if task.index != place or task.part >= len(self.plans):
                raise ValueError(
                    f"tasks[{place}] has the index {task.index} and the part {task.part} of "
                    f"{len(self.plans)}"
                )
            if any(picture.index < task.first for picture in task.pictures):
                raise ValueError(f"tasks[{place}] has a picture before its first, {task.first}")
        return self

    def give_up_at(self, lifetime: timedelta) -> datetime:
        """Return when to give the job up: at its deadline, or after `lifetime` from its begin.

        A deadline that had passed when the run began does not count.
        """
        begun = self.run_started_at or self.accepted_at
        deadline = self.job.deadline
        if deadline and (self.run_started_at is None or deadline > begun):
            return deadline
        return max(begun, self.job.not_before or begun) + lifetime

    @property
    def estimate_usd(self) -> float | None:
        """Return the estimate of the whole job, USD; None where a part has no known price."""
        return estimate_usd(self.plans)

    @property
    def failure(self) -> Failure | None:
        """Return the first task's failure, the finish's or the review's, if there is one."""
        of_finish = self.finishing.failure if self.finishing else None
        if self.review and not self.review.approved:
            return Failure(code=FailureCode.NOT_APPROVED, message=self.review.reason)
        return next((task.failure for task in self.tasks if task.failure), of_finish)

    @property
    def awaits_finish(self) -> bool:
        """Tell whether all calls have ended and the originals are yet to be finished."""
        return self.state is JobState.RUNNING and bool(
            self.finishing and self.finishing.state == "pending"
        )

    @property
    def review_by(self) -> datetime | None:
        """Return until when a person may review the pictures; None if none are to be reviewed."""
        if self.state is not JobState.AWAITING_REVIEW or self.review_seconds is None:
            return None
        return self.outbox[-1].time + timedelta(seconds=self.review_seconds)

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels that its blobs bear: they tell its pictures from those of others."""
        labels = {"job_id": self.job_id, "fingerprint": self.fingerprint}
        tenant = self.job.tenant
        return labels if tenant == DEFAULT_TENANT else {**labels, "tenant": tenant}

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Return all pictures stored so far, in order."""
        return tuple(picture for task in self.tasks for picture in task.pictures)

    @property
    def images_wanted(self) -> int:
        """Return how many pictures the job makes in all."""
        return sum(len(task.blobs) for task in self.tasks)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Return every call that was or may have been paid for, the running ones included."""
        return self.past + tuple(each for task in self.tasks for each in task.every_attempt)


def plan_tasks(job: Job, plans: tuple[Plan, ...], *, run: int = 1) -> tuple[TaskRecord, ...]:
    """Divide a job's pictures into calls: part by part, locale by locale.

    The index of a picture counts within its locale, through all parts of the job.
    """
    folder = job_folder(job.job_id, run)
    extension = extension_of(job.format)
    calls = [
        (part, locale, part * job.n + start, min(plan.per_call, job.n - start))
        for part, plan in enumerate(plans)
        for locale in job.locales or (None,)
        for start in range(0, job.n, plan.per_call)
    ]
    return tuple(
        TaskRecord(
            index=index,
            part=part,
            locale=locale,
            first=first,
            blobs=tuple(
                f"{folder}/{locale or 'default'}/{number}.{extension}"
                for number in range(first, first + n)
            ),
        )
        for index, (part, locale, first, n) in enumerate(calls)
    )
