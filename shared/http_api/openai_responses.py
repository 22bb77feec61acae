"""Write the responses of OpenAI's images API: pictures, models, and errors of its shape.

The official clients raise a class of their own for each error, and repeat a request after 408, 409,
429 and any 5xx, twice; a header `x-should-retry` of the response overrides that (openai 3.57.0 for
Python, 6.49.0 for Node).
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, Literal

from pydantic import SecretStr

from ..errors import Fault, ImageJobsError, Rejected, Unavailable
from ..events.projection import spending_of
from ..jobs.validation import top_field
from ..records.record import NO_FAILURE, JobRecord, JobState
from ..vocabulary import FailureCode
from .job_documents import ImageStatus
from .problems import to_problem

type Operation = Literal["generations", "edits"]

#: How long the link to a picture is valid.
LINK_LIFE: Final = timedelta(hours=1)
#: Names of events of a stream.
_EVENTS: Final = {
    "generations": "image_generation.completed",
    "edits": "image_edit.completed",
}
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


def describe_models(names: Iterable[str]) -> dict[str, Any]:
    """Return the list of models: each name that `model` may have."""
    return {"object": "list", "data": [describe_model(name) for name in names]}


def describe_model(name: str) -> dict[str, Any]:
    """Return the document of a model; when it was made is not known."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "image-jobs"}


def response_headers(record: JobRecord, *, joined: bool) -> dict[str, str]:
    """Return the headers that name the job, its plan and its cost."""
    plan, spending = record.plans[0], spending_of(record)
    quality = f" {plan.quality}" if plan.quality else ""
    missing = sum(len(task.missing) for task in record.tasks)
    headers = {
        "x-request-id": record.job_id,
        "x-image-jobs-job-id": record.job_id,
        "x-image-jobs-joined": str(joined).lower(),
        "x-image-jobs-plan": f"{plan.model} {plan.width}x{plan.height}{quality}",
    }
    if spending.cost_usd is not None:
        headers["x-image-jobs-cost-usd"] = f"{spending.cost_usd:.6f}"
    return headers | ({"x-image-jobs-missing": str(missing)} if missing else {})


def write_answer(
    record: JobRecord, pictures: Sequence[ImageStatus], urls: Sequence[str] = ()
) -> Iterator[str | ImageStatus]:
    """Yield the pieces of the body; a picture stands for the base64 of its bytes.

    With `urls`, one for each picture, these are returned instead.
    """
    document = {"created": _ended_at(record), **_describe_format(record, pictures)}
    yield f'{json.dumps(document)[:-1]}, "data": ['
    for place, picture in enumerate(pictures):
        yield ", {" if place else "{"
        if picture.revised_prompt:
            yield f'"revised_prompt": {json.dumps(picture.revised_prompt)}, '
        if urls:
            yield f'"url": {json.dumps(urls[place])}' + "}"
        else:
            yield '"b64_json": "'
            yield picture
            yield '"}'
    yield "]}"


def write_stream(
    record: JobRecord, pictures: Sequence[ImageStatus], operation: Operation
) -> Iterator[str | ImageStatus]:
    """Yield the pieces of a stream: its last events, one for each picture.

    Its usage is in the last one.
    """
    name = _EVENTS[operation]
    about = _describe_format(record, pictures)
    usage = about.pop("usage", None)
    for picture in pictures:
        last = {"usage": usage} if usage and picture is pictures[-1] else {}
        document = {"type": name, "created_at": _ended_at(record), **about, **last}
        yield f'event: {name}\ndata: {json.dumps(document)[:-1]}, "b64_json": "'
        yield picture
        yield '"}\n\n'


def _describe_format(record: JobRecord, pictures: Sequence[ImageStatus]) -> dict[str, Any]:
    plan, first = record.plans[0], pictures[0]
    found = {
        "background": plan.background or "auto",
        "output_format": first.content_type.removeprefix("image/"),
        "quality": plan.quality or "auto",
        "size": f"{first.width}x{first.height}",
    }
    usage = _describe_usage(record)
    return found | ({"usage": usage} if usage else {})


def _describe_usage(record: JobRecord) -> dict[str, Any] | None:
    """Return the tokens of all calls; None where a reply had no usage."""
    usage = spending_of(record).usage
    if usage is None:
        return None
    found: dict[str, Any] = {
        "total_tokens": usage.total_tokens,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "input_tokens_details": {
            "text_tokens": usage.input_text_tokens or 0,
            "image_tokens": usage.input_image_tokens or 0,
        },
    }
    texts, images = usage.output_text_tokens, usage.output_image_tokens
    if texts is not None or images is not None:
        found["output_tokens_details"] = {"text_tokens": texts or 0, "image_tokens": images or 0}
    return found


def _ended_at(record: JobRecord) -> int:
    return int(record.updated_at.timestamp())


def sign_picture(job_id: str, number: int, until: datetime, key: SecretStr) -> str:
    """Return what a link to a picture ends with; it can't be guessed without the caller's key."""
    end = int(until.timestamp())
    return f"{end}-{_signature(job_id, number, end, key)}"


def find_signer(
    job_id: str, number: str, signed: str, keys: Mapping[str, SecretStr], now: datetime
) -> str | None:
    """Return the caller with whose key a link was signed; None if it is not valid now.

    A caller has its key, and can sign for any job: only those of its tenant are its own.
    """
    end, _, signature = signed.partition("-")
    if not (end.isdecimal() and end.isascii() and number.isdecimal() and number.isascii()):
        return None
    given = signature.encode("utf-8", "backslashreplace")
    signers = [
        caller
        for caller, key in keys.items()
        if hmac.compare_digest(given, _signature(job_id, int(number), int(end), key).encode())
    ]
    return signers[0] if signers and now.timestamp() <= int(end) else None


def _signature(job_id: str, number: int, end: int, key: SecretStr) -> str:
    signed = f"picture {job_id} {number} {end}".encode()
    return hmac.new(key.get_secret_value().encode(), signed, hashlib.sha256).hexdigest()
