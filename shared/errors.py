"""Define the errors of Image Jobs, as one tree.

* ImageJobsError
  x Misconfigured           the app must not start: a setting is missing or wrong
  x Rejected                the job can never succeed as asked: report it, do not retry
    + MalformedMessage        the bytes contain no job
    + InvalidJob              a job, with faults in its fields
    + UnsupportedRequest      a valid job that no configured model can make
    + NotAllowed              the tenant of the job may not do this, or not now
    + ConflictingJob          its id belongs to a job with other content
  x Unavailable             the same step may succeed later: the queue retries it
    + StoreUnavailable        blob or queue storage did not answer
      - NoSuchQueue             the queue to send to does not exist
      - BlobLeased              somebody holds a lease on the blob
      - TagsRefused             a write may succeed without its index tags
    + CredentialUnavailable   no token could be obtained
  x CallFailed              a paid call without a complete reply
    + NotSent                 the request was not sent: nothing was paid
      - NoConnection            the endpoint could not be reached
    + BrokenReply             it was sent, and the reply is missing or cut off: outcome unknown
      - NoReply                 no reply came, or it fell silent
      - UnreadableReply       the reply, or a picture in it, is not valid
  x DeliveryFailed          a sink did not accept an event
  x IllegalStep             a record does not allow this step from the state it is in
    + Superseded              another attempt, or another end, has taken the attempt's place
  x StaleVersion            another write came before a conditional write
  x AlreadyExists           the target of a create-only write exists
  x NameTaken               a picture's name belongs to a blob of another job, or of nobody
  x TooLarge                a message is longer than the queue allows
  x RecordGone              the record of a job was deleted while it was in use
  x CannotRender            a rendition of a stored original can't be made
  x UnreadableRecord        a stored record is damaged
    + NewerRecord             a newer version of the app has written it
  x UnreadableCursor        the cursor of a list is not valid

Callers see `faults` (by field) and `code` (a fixed set, in `shared.vocabulary`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .redaction import redacted


@dataclass(frozen=True, slots=True)
class Fault:
    """One problem with one field; the message says what would be right."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class ImageJobsError(Exception):
    """The base of all errors of Image Jobs; no message of them holds a secret."""

    def __init__(self, message: str = "") -> None:
        super().__init__(redacted(message))


class Misconfigured(ImageJobsError):
    """A setting is missing or wrong, so the app does not start."""


class Rejected(ImageJobsError):
    """The job can never succeed as requested.

    `code` is a `RejectionCode`; `faults` holds every fault found, not only the first; `job_id` is
    the job's own id where it could still be read.
    """

    code = "rejected"

    def __init__(
        self, faults: Sequence[Fault], *, job_id: str | None = None, code: str | None = None
    ) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(replace(each, message=redacted(each.message)) for each in faults)
        self.job_id = job_id
        if code is not None:
            self.code = code


class MalformedMessage(Rejected):
    """The message contains no job."""

    code = "malformed_message"


class InvalidJob(Rejected):
    """The job has faults in its fields."""

    code = "invalid_job"


class UnsupportedRequest(Rejected):
    """No configured model can make the job."""

    code = "unsupported_request"


class NotAllowed(Rejected):
    """The tenant of the job may not do this; with `too_many_jobs`, not before others have ended."""

    code = "not_allowed"


class ConflictingJob(Rejected):
    """The job's id belongs to a job with other content."""

    code = "conflict"


class Unavailable(ImageJobsError):
    """A service that the app needs did not answer; the same step may succeed later."""


class StoreUnavailable(Unavailable):
    """Blob or queue storage did not answer."""


class NoSuchQueue(StoreUnavailable):
    """The queue to send to does not exist."""


class BlobLeased(StoreUnavailable):
    """Somebody else holds a lease on the blob, so it can't be written until they release it."""


class TagsRefused(StoreUnavailable):
    """A write with index tags was refused: no right to them, or no such feature."""


class CredentialUnavailable(Unavailable):
    """No token for the endpoint could be obtained."""


class CallFailed(ImageJobsError):
    """A call of the images endpoint returned no complete reply."""


class NotSent(CallFailed):
    """The request did not reach the endpoint: nothing was paid."""


class NoConnection(NotSent):
    """No connection to the endpoint could be made."""


class BrokenReply(CallFailed):
    """The request was sent and the reply is missing or broken: it may have been paid."""


class NoReply(BrokenReply):
    """The request was sent, and no reply came, or it fell silent."""


class UnreadableReply(BrokenReply):
    """The reply, or a picture in it, is not valid: it was probably paid."""


class DeliveryFailed(ImageJobsError):
    """A sink did not accept an event.

    `status` is the HTTP status of its response, if there was one; `retry_after` is the wait that it
    requested, in seconds; `final` means that a retry would fail again.
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
    """The document was changed after it was read."""


class AlreadyExists(ImageJobsError):
    """The target of a create-only write exists."""


class NameTaken(ImageJobsError):
    """A blob that a job did not store has the name of its picture; it is never overwritten."""


class RecordGone(ImageJobsError):
    """The record of the job was deleted."""


class UnreadableRecord(ImageJobsError):
    """A stored record is damaged."""


class NewerRecord(UnreadableRecord):
    """A newer version of the app has written the record: an instance of that version reads it."""


class UnreadableCursor(ImageJobsError):
    """The cursor is not from a page of this list."""


class CannotRender(ImageJobsError):
    """A stored original can't be opened, or is too large."""


class TooLarge(ImageJobsError):
    """A message is longer than the queue allows."""
