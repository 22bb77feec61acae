"""What the client returns: receipts, quotes and statuses; and what it raises.

Its own errors, beside those of `shared.errors`:

* NoSuchJob           no record and no rejection: not read by the app yet, or never sent
* StillRunning        the time given to `wait` is over; the job goes on
* JobEnded            `result` of a job that ended without all of its pictures
* NotSubmitted        some jobs may not have been sent; sending them again is safe
* NoSuchBlob          the picture is not (or no longer) in storage
* DamagedPicture      the bytes that came are not the ones that were stored
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..errors import ImageJobsError, Unavailable
from ..events.data import Image, Spending
from ..events.projection import images_of, spending_of
from ..http_api.waits import WaitStatus
from ..jobs.job import Job
from ..records.record import JobRecord, JobState, TaskState
from ..routing.plan import Plan, estimate_usd

#: Where a task stands when no call of it is to come.
_CLOSED = frozenset(TaskState) - {TaskState.PENDING, TaskState.CALLING}


@dataclass(frozen=True, slots=True)
class Quote:
    """What the app would make of a job.

    `plans` is None where the client does not know the app's deployments. Then only the fields were
    checked, and the app may still reject a job that none of its models makes.
    """

    plans: tuple[Plan, ...] | None

    @property
    def checked(self) -> Literal["fields", "routing"]:
        """How far the job was checked before it was sent."""
        return "fields" if self.plans is None else "routing"

    @property
    def estimate_usd(self) -> float | None:
        """The most the job is expected to cost, US dollars; None where that is not known."""
        return None if self.plans is None else estimate_usd(self.plans)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A job that is on the queue."""

    job_id: str
    #: What the job asks for, as `Job.fingerprint`.
    fingerprint: str
    #: SHA-256 of the message, and the queue's time of it: by them a rejection is found.
    digest: str
    inserted_at: datetime
    quote: Quote


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a job, from its record."""

    record: JobRecord
    #: What it waits for, and when its calls are expected, as `status` and `status_many` read it;
    #: None when it does not wait, and where the ledger of its pool may not be read.
    wait: WaitStatus | None = None

    @property
    def job_id(self) -> str:
        """The id of the job."""
        return self.record.job_id

    @property
    def state(self) -> JobState:
        """`running`, or how the job ended."""
        return self.record.state

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself; a parked job waits for an operator."""
        return self.record.state is not JobState.RUNNING

    @property
    def succeeded(self) -> bool:
        """Whether all of its pictures are there."""
        return self.record.state is JobState.SUCCEEDED

    @property
    def calls(self) -> int:
        """Number of paid calls of the job."""
        return len(self.record.tasks)

    @property
    def calls_ended(self) -> int:
        """Number of calls that have ended, successfully or not."""
        return sum(task.state in _CLOSED for task in self.record.tasks)

    @property
    def calls_running(self) -> int:
        """Number of calls in progress."""
        return sum(task.state is TaskState.CALLING for task in self.record.tasks)

    @property
    def images(self) -> tuple[Image, ...]:
        """The pictures stored so far."""
        return images_of(self.record)

    @property
    def costs(self) -> Spending:
        """What it cost so far; a call in progress may cost its estimate."""
        return spending_of(self.record)


class NoSuchJob(ImageJobsError):
    """No job of this id is known to storage."""


class StillRunning(ImageJobsError, TimeoutError):
    """The job has not ended within the time given."""


class JobEnded(ImageJobsError):
    """The job ended without all of its pictures; `status` has the reason and the pictures."""

    def __init__(self, status: Status) -> None:
        failure = status.record.failure
        why = f": {failure.code}, {failure.message}" if failure else ""
        super().__init__(f"job {status.job_id} {status.state}{why}")
        self.status = status


class NotSubmitted(Unavailable):
    """Storage failed while jobs were being sent.

    `receipts` are those of the jobs that surely went out. `jobs` may or may not have: they have
    their ids, so submitting them again makes nothing twice.
    """

    def __init__(
        self, cause: BaseException, *, receipts: Sequence[Receipt], jobs: Sequence[Job]
    ) -> None:
        super().__init__(
            f"{len(jobs)} of {len(receipts) + len(jobs)} jobs may not have been sent: {cause}"
        )
        self.receipts = tuple(receipts)
        self.jobs = tuple(jobs)


class NoSuchBlob(ImageJobsError):
    """No blob of this name is in storage."""


class DamagedPicture(ImageJobsError):
    """The bytes that came are not those in the job's record."""
