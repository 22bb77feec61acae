"""Everything that can go wrong, as one tree.

* ImageJobsError
  x Misconfigured           the app must not start: a setting is missing or wrong
  x Rejected                the job can never succeed as asked: report it, do not retry
    + MalformedMessage        the bytes hold no job at all
    + InvalidJob              a job, with faults in its fields
    + UnsupportedRequest      a valid job that no configured model can make
    + ConflictingJob          its id belongs to a job with other content
  x Unavailable             it may yet succeed: leave it to the queue
    + StoreUnavailable        blob or queue storage did not answer
      - NoSuchQueue             the queue to send to does not exist
      - BlobLeased              somebody holds a lease on the blob
      - TagsRefused             a write may succeed without its index tags
    + CredentialUnavailable   no token could be had
  x CallFailed              a paid call that gave no complete reply
    + NotSent                 the request never left: nothing was paid
    + BrokenReply             it left, and the reply is missing or cut: the outcome is unknown
      - UnreadableReply       the reply came, and it or a picture in it makes no sense
  x NotTaken                a sink did not take an event, now or ever
  x IllegalStep             a record does not allow this step from the state it is in
    + Superseded              another attempt, or another end, has taken the attempt's place
  x StaleVersion            a conditional write lost against another one
  x AlreadyExists           a create-only write found something there
  x TooLarge                a message is longer than a queue takes
  x RecordGone              a job's record was deleted while it was worked on
  x CannotRender            a stored original can't be made into what was asked for
  x UnreadableRecord        a stored record is none of this version's
  x UnreadableCursor        a list can't go on from where it is told to

The words a caller sees are in `faults` (by field) and in `code` (a fixed set, `shared.vocabulary`).
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one field, in a sentence that says what would be right."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class ImageJobsError(Exception):
    """Image Jobs could not do what was asked."""


class Misconfigured(ImageJobsError):
    """A setting is missing or wrong, so the app does not start."""


class Rejected(ImageJobsError):
    """The job can never succeed as it was asked.

    `code` is a `RejectionCode`; `faults` holds every fault found, not only the first; `job_id` is
    the job's own id where it could still be read.
    """

    code = "rejected"

    def __init__(self, faults: Sequence[Fault], *, job_id: str | None = None) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(faults)
        self.job_id = job_id


class MalformedMessage(Rejected):
    """The message holds no job."""

    code = "malformed_message"


class InvalidJob(Rejected):
    """The job has faults in its fields."""

    code = "invalid_job"


class UnsupportedRequest(Rejected):
    """No configured model makes what the job asks for."""

    code = "unsupported_request"


class ConflictingJob(Rejected):
    """The job's id belongs to a job with other content."""

    code = "conflict"


class Unavailable(ImageJobsError):
    """Something needed did not answer; the same step may succeed later."""


class StoreUnavailable(Unavailable):
    """Blob or queue storage did not answer."""


class NoSuchQueue(StoreUnavailable):
    """The queue to send to does not exist."""


class BlobLeased(StoreUnavailable):
    """Somebody else holds a lease on the blob, so it can't be written until they release it."""


class TagsRefused(StoreUnavailable):
    """A write with index tags was refused: no right to them, or no such feature."""


class CredentialUnavailable(Unavailable):
    """No token could be had for the endpoint."""


class CallFailed(ImageJobsError):
    """A call of the images endpoint gave no complete reply."""


class NotSent(CallFailed):
    """The request never reached the endpoint: nothing was paid."""


class BrokenReply(CallFailed):
    """The request was sent and the reply is missing, cut or unreadable: it may have been paid."""


class UnreadableReply(BrokenReply):
    """The reply came, and it or a picture in it makes no sense: it was probably paid."""


class DeliveryFailed(ImageJobsError):
    """A sink did not take an event.

    `status` is the HTTP status of its answer, if it gave one; `retry_after` is how long it asked
    to be left alone, in seconds; `final` says that it would refuse the same event each time.
    """

    def __init__(
        self,
        why: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        final: bool = False,
    ) -> None:
        super().__init__(why)
        self.status = status
        self.retry_after = retry_after
        self.final = final


class IllegalStep(ImageJobsError):
    """The record does not allow this step from the state it is in; `job_id` if it is the job's."""

    def __init__(self, why: str, *, job_id: str | None = None) -> None:
        super().__init__(why)
        self.job_id = job_id


class Superseded(IllegalStep):
    """The attempt was given up, and another attempt or another end has taken its place."""


class StaleVersion(ImageJobsError):
    """The thing was changed by somebody else since it was read."""


class AlreadyExists(ImageJobsError):
    """A create-only write found something there."""


class RecordGone(ImageJobsError):
    """The job has no record any more."""


class UnreadableRecord(ImageJobsError):
    """A job's record is damaged, or was written by a newer version."""


class UnreadableCursor(ImageJobsError):
    """A cursor is none that a page of the list gave."""


class CannotRender(ImageJobsError):
    """A stored original can't be opened, or not within bounds."""


class TooLarge(ImageJobsError):
    """A message is longer than a queue takes."""
