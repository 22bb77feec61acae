"""Read requests of OpenAI's images API as jobs, and tell a repeat from a new request.

What would change the picture and can't be done is refused, with the name of the parameter. The
parameters are those of openai 3.57.0 for Python (2026-11); edits come as forms, all else as JSON.

The clients repeat what got no answer, most of them without saying so: `x-stainless-retry-count`
above 0 proves a repeat, and its absence proves nothing. A form has another boundary each time, so
requests are compared by their parts.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, Field, SecretStr, ValidationError

from ..config.settings import Configuration
from ..errors import Fault, InvalidJob
from ..jobs.fields import Prompt, RequestModel, StoredModel, quote_value
from ..jobs.job import ANY_MODEL, Job
from ..jobs.parsing import build_job
from ..jobs.text import JsonObject, decode_text, digest_json, parse_json
from ..jobs.validation import in_order, validation_faults
from ..pictures.inputs import HEAD_BYTES, InputHead, read_inputs
from ..records.record import JobRecord, JobState
from ..vocabulary import picture_name
from .openai_responses import OpenAIRefused, Operation, refuse
from .queries import read_media_type

#: Bytes of a JSON body: a prompt of 32,000 characters, each escaped.
MAX_JSON_BYTES: Final = 1 << 20
#: Parts of a form: the pictures that a model takes, the mask and every parameter are fewer.
MAX_PARTS: Final = 64
#: The fields of a form that are files.
IMAGE_FIELDS: Final = ("image", "image[]")
MASK_FIELD: Final = "mask"
#: An equal request this soon after the answer repeats it: a client that got no answer waits for
#: 0.5 to 8 s, the Vercel AI SDK for 2 and 4 s.
REPEAT_WINDOW: Final = timedelta(seconds=30)
#: The same for a request that says it is a repeat; a client waits 10 minutes for each answer.
RETRY_WINDOW: Final = timedelta(hours=1)
#: What a picture that is not compressed has; clients send it with any format.
_NOT_COMPRESSED: Final = 100
_BEARER: Final = re.compile(r"bearer +(\S+)", re.IGNORECASE)
_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))', re.IGNORECASE)


class Parameters(RequestModel):
    """The parameters of a request; None counts as left out."""

    prompt: Prompt = Field(repr=False)
    model: str | None = None
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    moderation: Literal["auto", "low"] | None = None
    input_fidelity: Literal["low", "high"] | None = None
    response_format: Literal["b64_json", "url"] | None = None
    stream: bool | None = None
    #: No partial picture is ever sent, as the API allows.
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    user: str | None = None
    safety_identifier: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture in a request, whose first bytes say that it is one."""

    name: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ImagesRequest:
    """What a caller requests, as the fields of a job and the form of the answer."""

    operation: Operation
    content: Mapping[str, Any]
    images: tuple[Upload, ...]
    mask: Upload | None
    by_url: bool
    stream: bool
    #: SHA-256 of all parts: requests with the same one ask for the same.
    fingerprint: str

    def job(self, job_id: str, caller: str | None = None) -> Job:
        """Return the job of this id, whose tenant is the caller; or raise `InvalidJob`."""
        return build_job({**self.content, "tenant": caller}, made_id=job_id)


def find_caller(headers: Mapping[str, str], keys: Mapping[str, SecretStr] | None) -> str:
    """Return whose key a request has, as a bearer token or in `api-key`.

    Every key is compared, each in constant time. Raises `OpenAIRefused`: 404 without keys in the
    settings, 401 for a missing or wrong key.
    """
    if not keys:
        message = "the OpenAI endpoints of this app are off; an operator sets OPENAI_KEYS"
        raise refuse(message, status=HTTPStatus.NOT_FOUND, code="not_enabled")
    bearer = _BEARER.fullmatch(headers.get("authorization", "").strip())
    given = [headers.get("api-key", ""), bearer[1] if bearer else ""]
    found = [
        caller
        for caller, key in keys.items()
        for each in given
        if hmac.compare_digest(each.encode(), key.get_secret_value().encode())
    ]
    if not found:
        message = "the API key is missing or wrong; send it as a bearer token, or in `api-key`"
        raise refuse(message, status=HTTPStatus.UNAUTHORIZED, code="invalid_api_key")
    return found[0]


def read_json_request(
    body: bytes, content_type: str | None, deployment: str | None, configuration: Configuration
) -> ImagesRequest:
    """Return the request for new pictures in a JSON body; `OpenAIRefused` or `InvalidJob`."""
    _check_type(content_type, "application/json")
    if len(body) > MAX_JSON_BYTES:
        raise refuse(
            f"the body has {len(body):,} bytes; at most {MAX_JSON_BYTES:,} are allowed",
            status=HTTPStatus.CONTENT_TOO_LARGE,
        )
    try:
        content = parse_json(decode_text(body))
    except ValueError as error:
        raise refuse(f"the body is not valid JSON: {error}") from None
    if not isinstance(content, JsonObject):
        raise refuse("the body must be a JSON object")
    if content.repeated:
        name = min(content.repeated)
        raise refuse(f"{quote_value(name)} appears twice in the body", param=name)
    parameters = _validate(content, strict=True)
    return _build("generations", parameters, (), None, deployment, configuration)


def check_form(body: bytes, content_type: str | None) -> None:
    """Raise `OpenAIRefused` unless the body is a form that arrived whole.

    A parser that finds no boundary or no end returns an empty form, without an error.
    """
    _check_type(content_type, "multipart/form-data")
    boundary = _BOUNDARY.search(content_type or "")
    if boundary is None:
        raise refuse("the content type of the form has no boundary")
    mark = f"--{boundary[1] or boundary[2]}".encode()
    if not body.startswith(mark):
        raise refuse("the form does not begin with the boundary of its content type")
    if (parts := body.count(b"\r\n" + mark)) > MAX_PARTS:
        raise refuse(f"the form has {parts:,} parts; at most {MAX_PARTS} are allowed")
    if not body.rstrip(b" \t\r\n").endswith(mark + b"--"):
        raise refuse(f"the form is cut off: its {len(body):,} bytes do not end with its boundary")


def _check_type(content_type: str | None, wanted: str) -> None:
    if read_media_type(content_type) != wanted:
        raise refuse(
            f"the content type {quote_value(content_type or '')} is not supported; send {wanted}",
            status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )


def read_form_request(
    fields: Sequence[tuple[str, str]],
    files: Sequence[tuple[str, bytes]],
    deployment: str | None,
    configuration: Configuration,
) -> ImagesRequest:
    """Return the request to edit pictures in a form; `OpenAIRefused` or `InvalidJob`."""
    texts = dict(fields)
    if len(texts) < len(fields):
        names = [name for name, _ in fields]
        twice = next(name for name in names if names.count(name) > 1)
        raise refuse(f"{quote_value(twice)} appears twice in the form", param=twice)
    for name in (*IMAGE_FIELDS, MASK_FIELD):
        if name in texts:
            raise refuse(f"{name} must be a file: its part has no filename", param=name)
    for name, _ in files:
        if name not in (*IMAGE_FIELDS, MASK_FIELD):
            raise refuse(f"{quote_value(name)} is not a file of this request", param=name)
    masks = [body for name, body in files if name == MASK_FIELD]
    if len(masks) > 1:
        raise refuse("mask appears twice in the form", param=MASK_FIELD)
    parameters = _validate(texts, strict=False)
    images = tuple(_upload(body, name) for name, body in files if name in IMAGE_FIELDS)
    if not images:
        raise refuse("image is missing; send the picture to edit as a file", param="image")
    mask = _upload(masks[0], MASK_FIELD) if masks else None
    return _build("edits", parameters, images, mask, deployment, configuration)


def _validate(content: Mapping[str, Any], *, strict: bool) -> Parameters:
    try:
        return Parameters.model_validate(content, strict=strict)
    except ValidationError as error:
        raise InvalidJob(in_order(validation_faults(error, Parameters), Parameters)) from None


def _upload(body: bytes, field: str) -> Upload:
    """Return a picture under the name of its content, whatever the caller says that it is."""
    head = InputHead("", len(body), body[:HEAD_BYTES])
    pictures, faults = read_inputs([field], None, {field: head})
    if faults:
        raise InvalidJob([Fault(field, fault.message) for fault in faults])
    kind = pictures[0].content_type
    return Upload(picture_name(hashlib.sha256(body).hexdigest(), kind), kind, body)


def _build(
    operation: Operation,
    parameters: Parameters,
    images: tuple[Upload, ...],
    mask: Upload | None,
    deployment: str | None,
    configuration: Configuration,
) -> ImagesRequest:
    # Azure's clients name the deployment in the path; the model in the body is a copy of it.
    model = find_model(deployment or parameters.model or "auto", configuration)
    parts = {
        "operation": operation,
        "model": model,
        "images": [each.name for each in images],
        "mask": mask and mask.name,
        **parameters.model_dump(exclude={"model"}, exclude_none=True),
    }
    request = ImagesRequest(
        operation=operation,
        content=_job_content(parameters, model)
        | {"inputs": [*dict.fromkeys(each.name for each in images)] or None}
        | {"mask": mask and mask.name},
        images=images,
        mask=mask,
        by_url=parameters.response_format == "url",
        stream=bool(parameters.stream),
        fingerprint=digest_json(parts),
    )
    request.job("check")  # every fault is found before anything is stored
    return request


def _job_content(parameters: Parameters, model: str) -> dict[str, Any]:
    """Return the fields of the job; a size that the model does not make is rejected."""
    compression = parameters.output_compression
    if compression == _NOT_COMPRESSED and parameters.output_format in {None, "png"}:
        compression = None
    options = {
        "moderation": parameters.moderation if parameters.moderation != "auto" else None,
        "input_fidelity": parameters.input_fidelity,
    }
    user = parameters.safety_identifier or parameters.user
    return {
        "prompt": parameters.prompt,
        "model": model,
        "n": parameters.n,
        "size": parameters.size,
        "quality": parameters.quality,
        "background": parameters.background,
        "format": parameters.output_format,
        "compression": compression,
        "options": {name: value for name, value in options.items() if value is not None},
        "fit": "reject",
        "tags": {"user": user} if user else {},
    }


def find_model(name: str, configuration: Configuration) -> str:
    """Return the model of this name, or of the deployment of this name; else `OpenAIRefused`."""
    if name in ANY_MODEL:
        return name
    deployment = configuration.deployment(name)
    if deployment:
        return deployment.model
    if name in list_models(configuration):
        return name
    raise _no_model(name, configuration)


def list_models(configuration: Configuration) -> tuple[str, ...]:
    """Return every name that `model` may have: models and deployments."""
    models = (deployment.model for deployment in configuration.deployments)
    names = (deployment.name for deployment in configuration.deployments)
    return tuple(dict.fromkeys([*models, *names]))


def _no_model(name: str, configuration: Configuration) -> OpenAIRefused:
    known = ", ".join(list_models(configuration))
    message = f"the model {quote_value(name)} does not exist; use {known} or auto"
    return refuse(message, status=HTTPStatus.NOT_FOUND, code="model_not_found", param="model")


class RequestClaim(StoredModel):
    """The job of a request, written before anything is queued, and the form of its answer."""

    caller: str
    fingerprint: str
    job_id: str
    operation: Operation
    by_url: bool = False
    stream: bool = False
    claimed_at: AwareDatetime
    #: When its pictures, or its error, were returned first.
    answered_at: AwareDatetime | None = None


def claim_key(request: ImagesRequest, caller: str, idempotency_key: str | None) -> str:
    """Return the key under which equal requests of a caller are found, in hexadecimal.

    With an idempotency key that alone decides.
    """
    part = f"key {idempotency_key}" if idempotency_key else f"request {request.fingerprint}"
    return hashlib.sha256(f"{caller}\n{part}".encode("utf-8", "backslashreplace")).hexdigest()


def open_claim(request: ImagesRequest, caller: str, job_id: str, now: datetime) -> RequestClaim:
    """Return the claim of a new job."""
    return RequestClaim(
        caller=caller,
        fingerprint=request.fingerprint,
        job_id=job_id,
        operation=request.operation,
        by_url=request.by_url,
        stream=request.stream,
        claimed_at=now,
    )


def is_repeat(
    claim: RequestClaim, record: JobRecord | None, *, retry: bool, keyed: bool, now: datetime
) -> bool:
    """Return whether an equal request gets the job of this claim, instead of a new one.

    It does while the job is open or parked, and until its answer was returned; `retry` says that
    the request calls itself a repeat, `keyed` that it has an idempotency key.
    """
    if keyed or claim.answered_at is None:
        return True
    if record is None or record.state in {JobState.RUNNING, JobState.PARKED}:
        return True
    return now - claim.answered_at <= (RETRY_WINDOW if retry else REPEAT_WINDOW)
