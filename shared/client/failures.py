"""What a caller of the client may have to catch, beside the tree of `shared.errors`.

* NoSuchJob           no record and no rejection: not taken in yet, or never sent
* StillRunning        the time given to `wait` is over; the job goes on
* JobEnded            `result` of a job that ended without all of its pictures
* NotSubmitted        some jobs may not have been sent; sending them again is safe
* NoSuchBlob          the picture is not (or no longer) in storage
* DamagedPicture      the bytes that came are not the ones that were stored
"""

from collections.abc import Sequence

from ..errors import ImageJobsError, Unavailable
from ..jobs import Job
from .answers import Receipt, Status


class NoSuchJob(ImageJobsError):
    """No job of this id is known to storage."""


class StillRunning(ImageJobsError, TimeoutError):
    """The job has not ended within the time given."""


class JobEnded(ImageJobsError):
    """The job ended without all of its pictures; `status` tells how, and holds those that came."""

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
    """The bytes that came are not those that the job's record tells of."""
