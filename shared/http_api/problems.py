"""Describe errors to HTTP callers as RFC 9457 problem details.

Every problem has a code of a fixed set, a sentence, and all faults by field. Messages of storage
and of the provider are only in the log.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from pydantic import Field

from ..errors import (
    ConflictingJob,
    Fault,
    IllegalStep,
    ImageJobsError,
    RecordGone,
    Rejected,
    Unavailable,
    UnreadableCursor,
)
from ..events.data import Data
from ..vocabulary import REJECTIONS, RejectionCode

#: Type of a body that holds a problem.
PROBLEM_TYPE: Final = "application/problem+json"
#: The type of a problem, with its code.
_TYPE: Final = "urn:image-jobs:problem:{code}"


@dataclass(frozen=True, slots=True)
class _Kind:
    status: HTTPStatus
    title: str


#: The problems that only HTTP has, and what each means.
_KINDS: Final = {
    "invalid_query": _Kind(
        HTTPStatus.BAD_REQUEST,
        "A parameter of the query is not valid, or the request has a body that is not read.",
    ),
    "unknown_caller": _Kind(
        HTTPStatus.UNAUTHORIZED, "The request has no key or sign-in that `CALLERS` names."
    ),
    "for_operators": _Kind(HTTPStatus.FORBIDDEN, "Only operators may do this."),
    "no_such_job": _Kind(HTTPStatus.NOT_FOUND, "There is no job of this id."),
    "no_such_picture": _Kind(HTTPStatus.NOT_FOUND, "The job has no such picture, or not yet."),
    "no_such_batch": _Kind(HTTPStatus.NOT_FOUND, "There is no batch of this id."),
    "no_such_pool": _Kind(HTTPStatus.NOT_FOUND, "No deployment uses a quota pool of this name."),
    "no_results_yet": _Kind(HTTPStatus.NOT_FOUND, "The batch is not completed."),
    "batch_conflict": _Kind(
        HTTPStatus.CONFLICT, "The idempotency key belongs to a batch of other jobs."
    ),
    "invalid_upload": _Kind(
        HTTPStatus.BAD_REQUEST, "The name, the range or the bytes of an upload are not valid."
    ),
    "upload_conflict": _Kind(
        HTTPStatus.CONFLICT, "The name has other content, or parts before the last one are missing."
    ),
    "wrong_state": _Kind(HTTPStatus.CONFLICT, "The state of the job or batch does not allow this."),
    "too_large": _Kind(HTTPStatus.CONTENT_TOO_LARGE, "The body is too long."),
    "unsupported_media_type": _Kind(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The content type of the body is not supported."
    ),
    "range_needed": _Kind(
        HTTPStatus.BAD_REQUEST, "The picture is too large for one response; request ranges."
    ),
    "range_not_satisfiable": _Kind(
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "The picture has no such bytes."
    ),
    "unreadable": _Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "A stored document can't be read."),
    "unavailable": _Kind(
        HTTPStatus.SERVICE_UNAVAILABLE, "A service that the app needs did not answer; try again."
    ),
}

#: Every code and its HTTP status.
STATUSES: Final[dict[str, HTTPStatus]] = {
    **{code.value: HTTPStatus.BAD_REQUEST for code in REJECTIONS},
    ConflictingJob.code: HTTPStatus.CONFLICT,
    RejectionCode.NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    RejectionCode.TOO_MANY_JOBS: HTTPStatus.TOO_MANY_REQUESTS,
    **{code: kind.status for code, kind in _KINDS.items()},
}
#: Every code and what it means.
TITLES: Final[dict[str, str]] = {
    **{code.value: meaning for code, meaning in REJECTIONS.items()},
    **{code: kind.title for code, kind in _KINDS.items()},
}


class Problem(Data):
    """Why a request was refused, by RFC 9457."""

    type: str = Field(description="`urn:image-jobs:problem:` and the code.")
    title: str = Field(description="What the code means.")
    status: int = Field(description="The HTTP status.")
    detail: str
    code: str
    faults: tuple[Fault, ...] = Field(description="Every fault found, by its field.")
    job_id: str | None = Field(description="The id of the job, if it could be read.")


class Refused(ImageJobsError):
    """A request that is refused; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def problem(
    code: str, detail: str = "", *, faults: Iterable[Fault] = (), job_id: str | None = None
) -> Problem:
    """Return the problem of this code; without a `detail` it repeats the title."""
    return Problem(
        type=_TYPE.format(code=code),
        title=TITLES[code],
        status=STATUSES[code],
        detail=detail or TITLES[code],
        code=code,
        faults=tuple(faults),
        job_id=job_id,
    )


def refused(code: str, detail: str = "") -> Refused:
    """Return the error that carries this problem."""
    return Refused(problem(code, detail))


def to_problem(error: ImageJobsError) -> Problem:
    """Return an error as a problem; only faults of the caller are described in full."""
    match error:
        case Refused():
            return error.problem
        case Rejected():
            return problem(error.code, str(error), faults=error.faults, job_id=error.job_id)
        case IllegalStep():
            return problem("wrong_state", str(error), job_id=error.job_id)
        case UnreadableCursor():
            return problem("invalid_query", str(error), faults=[Fault("after", str(error))])
        case RecordGone():
            return problem("no_such_job")
        case Unavailable():
            return problem("unavailable")
        case _:
            return problem("unreadable")
