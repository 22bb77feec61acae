"""Write the responses of OpenAI's images API about a job that has its pictures."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import SecretStr

from ..config.settings import Configuration
from ..events.projection import spending_of
from ..records.record import JobRecord
from .job_documents import ImageStatus
from .openai_requests import RequestClaim, list_models

#: How long the link to a picture is valid.
LINK_LIFE: Final = timedelta(hours=1)
#: Names of events of a stream.
_EVENTS: Final = {
    "generations": "image_generation.completed",
    "edits": "image_edit.completed",
}


def describe_models(configuration: Configuration) -> dict[str, Any]:
    """Return the list of models: each name that `model` may have."""
    return {
        "object": "list",
        "data": [describe_model(name) for name in list_models(configuration)],
    }


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
    record: JobRecord, claim: RequestClaim, pictures: Sequence[ImageStatus], urls: Sequence[str]
) -> Iterator[str | ImageStatus]:
    """Yield the pieces of the body; a picture stands for the base64 of its bytes.

    With `urls`, one for each picture, these are returned instead. A stream is its last events, one
    for each picture; its usage is in the last one.
    """
    if claim.stream:
        yield from _write_events(record, claim, pictures)
        return
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


def _write_events(
    record: JobRecord, claim: RequestClaim, pictures: Sequence[ImageStatus]
) -> Iterator[str | ImageStatus]:
    name = _EVENTS[claim.operation]
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
