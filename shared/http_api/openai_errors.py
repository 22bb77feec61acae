"""Describe errors in the shape of OpenAI's API, so that its clients raise the right class.

The official clients repeat a request after 408, 409, 429 and any 5xx, twice; a header
`x-should-retry` of the response overrides that (openai 3.57.0 for Python, 6.49.0 for Node).
"""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from ..errors import Fault, ImageJobsError, Rejected, Unavailable
from ..jobs.validation import top_field
from ..records.record import NO_FAILURE, JobRecord, JobState
from ..vocabulary import FailureCode
from .problems import to_problem

_INVALID: Final = "invalid_request_error"
_SERVER: Final = "server_error"

#: Names of the fields of a job in OpenAI's API; the others have the same name.
_PARAMETERS: Final = {
    "compression": "output_compression",
    "format": "output_format",
    "inputs": "image",
    "prompt_blob": "prompt",
}


@dataclass(frozen=True, slots=True)
class OpenAIError:
    """An error of OpenAI's API."""

    status: HTTPStatus
    message: str
    #: `type` in the body.
    kind: str = _INVALID
    code: str | None = None
    param: str | None = None
    #: The same request may succeed, and costs no second job.
    may_retry: bool = False
    job_id: str | None = None

    def to_json(self) -> str:
        """Return the body of the response."""
        found = {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }
        return json.dumps({"error": found})


class OpenAIRefused(ImageJobsError):
    """A request at the OpenAI endpoints that is refused; `error` says why."""

    def __init__(self, error: OpenAIError) -> None:
        super().__init__(error.message)
        self.error = error


def refuse(
    message: str,
    *,
    status: HTTPStatus = HTTPStatus.BAD_REQUEST,
    code: str | None = None,
    param: str | None = None,
) -> OpenAIRefused:
    """Return the error of a request that is wrong in itself."""
    return OpenAIRefused(OpenAIError(status, message, code=code, param=param))


def describe_error(error: ImageJobsError) -> OpenAIError:
    """Return any error as one of OpenAI's API; only faults of the caller are described in full."""
    match error:
        case OpenAIRefused():
            return error.error
        case Rejected(faults=faults):
            found = [_rename(fault) for fault in faults]
            message = "; ".join(map(str, found)) or str(error)
            param = next((fault.field for fault in found if fault.field), None)
            status = HTTPStatus(to_problem(error).status)
            later = status is HTTPStatus.TOO_MANY_REQUESTS  # when other jobs have ended
            return OpenAIError(status, message, code=error.code, param=param, may_retry=later)
        case Unavailable():
            said = to_problem(error)
            kind, status = _SERVER, HTTPStatus(said.status)
            return OpenAIError(status, said.detail, kind, said.code, may_retry=True)
        case _:
            said = to_problem(error)
            kind = _SERVER if HTTPStatus(said.status).is_server_error else _INVALID
            return OpenAIError(HTTPStatus(said.status), said.detail, kind, said.code)


def _rename(fault: Fault) -> Fault:
    """Return a fault of a job under the name that its field has in OpenAI's API."""
    top = top_field(fault)
    rest = fault.field[len(top) :]
    if top in {"options", "tags"} and rest:
        return Fault(rest.strip(".[]'"), fault.message)
    return Fault(_PARAMETERS.get(top, top) + rest, fault.message)


#: The status, the type and the code for what a job failed of; for any other, 502.
_FAILURES: Final = {
    FailureCode.CONTENT_REFUSED: (
        HTTPStatus.BAD_REQUEST,
        "image_generation_user_error",
        "moderation_blocked",
    ),
    FailureCode.PROVIDER_REJECTED: (HTTPStatus.BAD_REQUEST, _INVALID, "provider_rejected"),
    FailureCode.CANCELLED: (HTTPStatus.CONFLICT, _INVALID, "cancelled"),
    FailureCode.OVER_BUDGET: (
        HTTPStatus.TOO_MANY_REQUESTS,
        "insufficient_quota",
        "insufficient_quota",
    ),
    FailureCode.DEADLINE_EXCEEDED: (HTTPStatus.GATEWAY_TIMEOUT, _SERVER, "deadline_exceeded"),
    FailureCode.MISCONFIGURED: (HTTPStatus.INTERNAL_SERVER_ERROR, _SERVER, "misconfigured"),
}


def describe_failure(record: JobRecord) -> OpenAIError:
    """Return the error of a job that ended without a picture, or is parked."""
    failure = record.failure or NO_FAILURE.get(record.state, NO_FAILURE[JobState.FAILED])
    by_code = {str(code): facts for code, facts in _FAILURES.items()}
    status, kind, code = by_code.get(failure.code, (HTTPStatus.BAD_GATEWAY, _SERVER, failure.code))
    message = f"{failure.message} (job {record.job_id})"
    return OpenAIError(status, message, kind, code, job_id=record.job_id)


def describe_timeout(job_id: str, minutes: int) -> OpenAIError:
    """Return the error of a job that runs longer than a request can be held."""
    message = (
        f"job {job_id} is still running after {minutes} minutes; it goes on, and the same request "
        f"returns its pictures later. GET /api/jobs/{job_id} shows its state"
    )
    return OpenAIError(HTTPStatus.GATEWAY_TIMEOUT, message, _SERVER, "still_running", job_id=job_id)
