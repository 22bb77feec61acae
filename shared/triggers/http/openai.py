"""Serve OpenAI's images API, so that its clients use the app with another base URL and key.

A job takes longer than the platform holds a request. So a client is redirected, with 303, to a GET
that waits on: all known clients follow that, and none of them follows more than 9 times for sure.
"""

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urljoin

import azure.functions as func

from ...adapters.world import open_world
from ...config.settings import Configuration
from ...errors import ImageJobsError
from ...http_api.job_documents import ImageStatus, describe_pictures, find_picture
from ...http_api.openai_requests import (
    ImagesRequest,
    check_form,
    find_caller,
    find_model,
    list_models,
    read_form_request,
    read_json_request,
)
from ...http_api.openai_responses import (
    LINK_LIFE,
    OpenAIError,
    Operation,
    describe_error,
    describe_failure,
    describe_model,
    describe_models,
    describe_timeout,
    find_signer,
    refuse,
    response_headers,
    sign_picture,
    write_answer,
    write_stream,
)
from ...http_api.problems import refused
from ...jobs.fields import is_job_id
from ...ports import Report, What
from ...records.record import JobRecord, JobState
from ...stores.world import World
from ...vocabulary import extension_of
from ...workflows.openai import Taken, find_request, note_answer, take_request, wait_for_job
from ..host import log_report
from .responses import build_response, empty_response, log_error, respond_with_blob

#: Redirects of one request. aiohttp follows 9; openai, axios and fetch follow 20.
MAX_HOPS: Final = 9
#: A longer body is not kept in memory while its job runs: its client is redirected at once.
_MAX_HELD_BODY: Final = 1 << 20
#: Bytes of a picture that are read at once; a multiple of 3, so that pieces of base64 fit.
_PIECE_BYTES: Final = 3 << 20
#: The largest picture that a link returns whole.
_MAX_LINKED_BYTES: Final = 1 << 26
_RETRY_AFTER: Final = "5"


async def openai(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return the response of OpenAI's API to a request, or an error in its shape."""
    try:
        return await _answer(req, configuration)
    except ImageJobsError as error:
        log_error("openai", error)
        return _error_response(describe_error(error))


async def _answer(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    match req.method, _path(req).split("/"):
        case "POST", ["v1", "images", ("generations" | "edits") as operation]:
            return await _create(operation, None, req, configuration)
        case "POST", ["images", ("generations" | "edits") as operation]:
            return await _create(operation, None, req, configuration)
        case "POST", ["deployments", name, "images", ("generations" | "edits") as operation]:
            return await _create(operation, name, req, configuration)
        case "GET", ["requests", key]:
            return await _continue(key, req, configuration)
        case "GET", ["pictures", job_id, number, signed]:
            return await _picture(job_id, number, signed, req, configuration)
        case "GET", ["models"] | ["v1", "models"]:
            _caller(req, configuration)
            return _json_response(describe_models(list_models(configuration)))
        case "GET", ["models", name] | ["v1", "models", name]:
            _caller(req, configuration)
            find_model(name, configuration)
            return _json_response(describe_model(name))
    _caller(req, configuration)
    message = f"there is no {req.method} of this path; this app makes and edits images only"
    raise refuse(message, status=HTTPStatus.NOT_FOUND, code="unknown_url")


def _caller(req: func.HttpRequest, configuration: Configuration) -> str:
    return find_caller(req.headers, configuration.settings.openai_keys)


async def _create(
    operation: Operation,
    deployment: str | None,
    req: func.HttpRequest,
    configuration: Configuration,
) -> func.HttpResponse:
    """Make a request a job, or find its job, and wait."""
    caller, world = _caller(req, configuration), open_world(configuration)
    count = req.headers.get("x-stainless-retry-count", "")
    taken = await take_request(
        _read_request(operation, deployment, req, configuration),
        caller,
        idempotency_key=req.headers.get("idempotency-key") or None,
        retry=count.isdecimal() and int(count) > 0,
        world=world,
        configuration=configuration,
    )
    what = What.REPEATED if taken.joined else What.ACCEPTED
    log_report("openai", Report(what, taken.claim.job_id, {"caller": caller}))
    if len(req.get_body()) > _MAX_HELD_BODY:
        return _redirect(taken, 1, req)
    return await _follow(taken, caller, 0, req, world, configuration)


def _read_request(
    operation: Operation,
    deployment: str | None,
    req: func.HttpRequest,
    configuration: Configuration,
) -> ImagesRequest:
    body, content_type = req.get_body(), req.headers.get("content-type")
    if operation == "generations":
        return read_json_request(body, content_type, deployment, configuration)
    check_form(body, content_type)
    fields = [(name, text) for name in req.form for text in req.form.getlist(name)]
    files = [(name, file.read()) for name in req.files for file in req.files.getlist(name)]
    return read_form_request(fields, files, deployment, configuration)


async def _continue(
    key: str, req: func.HttpRequest, configuration: Configuration
) -> func.HttpResponse:
    """Wait on for the job of a request."""
    caller, world = _caller(req, configuration), open_world(configuration)
    claim = await find_request(key, caller, world)
    hop = req.params.get("hop", "")
    if hop not in map(str, range(1, MAX_HOPS + 1)):
        raise refuse(f"hop must be from 1 to {MAX_HOPS}", param="hop")
    taken = Taken(key, claim, joined=req.params.get("joined") == "true")
    return await _follow(taken, caller, int(hop), req, world, configuration)


async def _follow(
    taken: Taken,
    caller: str,
    hop: int,
    req: func.HttpRequest,
    world: World,
    configuration: Configuration,
) -> func.HttpResponse:
    """Return the answer of a job when it has ended; redirect if it runs for longer."""
    job_id, seconds = taken.claim.job_id, configuration.settings.openai_wait_seconds
    until = world.clock.now() + timedelta(seconds=seconds)
    record = await wait_for_job(job_id, until=until, world=world)
    if record.state is JobState.RUNNING:
        if hop < MAX_HOPS:
            return _redirect(taken, hop + 1, req)
        minutes = round(seconds * (MAX_HOPS + 1) / 60)
        return _error_response(describe_timeout(job_id, minutes))
    if record.state is not JobState.PARKED:  # a parked job may still get its pictures
        await note_answer(taken.key, job_id, world)
    pictures = describe_pictures(record)
    if not pictures or record.state is JobState.PARKED:
        return _error_response(
            describe_failure(record), response_headers(record, joined=taken.joined)
        )
    return await _images(taken, caller, record, req, world=world, configuration=configuration)


def _redirect(taken: Taken, hop: int, req: func.HttpRequest) -> func.HttpResponse:
    """Return the redirect to the next wait, by a relative URL: a proxy may add to the path."""
    query = f"hop={hop}&joined={str(taken.joined).lower()}"
    return empty_response(
        HTTPStatus.SEE_OTHER,
        {
            "Location": f"{_up(req)}requests/{taken.key}?{query}",
            "Cache-Control": "no-store",
            "x-image-jobs-job-id": taken.claim.job_id,
        },
    )


def _up(req: func.HttpRequest) -> str:
    """Return the relative URL from a request to the root of this API."""
    return "../" * _path(req).count("/")


def _path(req: func.HttpRequest) -> str:
    path: str = req.route_params.get("path", "")
    return path.strip("/")


async def _images(
    taken: Taken,
    caller: str,
    record: JobRecord,
    req: func.HttpRequest,
    *,
    world: World,
    configuration: Configuration,
) -> func.HttpResponse:
    """Return the pictures of a job: as base64 up to the limit, else as links."""
    claim, pictures = taken.claim, describe_pictures(record)
    most = configuration.settings.openai_base64_bytes
    is_long = sum(picture.bytes for picture in pictures) > most
    if claim.stream and is_long:
        message = (
            f"the pictures of job {record.job_id} have more than {most:,} bytes, which a stream "
            f"can't return; get them from /api/jobs/{record.job_id}, or send the request without "
            "stream"
        )
        raise refuse(message, code="too_long_for_stream", param="stream")
    urls: list[str] = []
    if not claim.stream and (claim.by_url or is_long):
        urls = [_link(record.job_id, picture, caller, req, configuration) for picture in pictures]
    body = bytearray()
    pieces = (
        write_stream(record, pictures, claim.operation)
        if claim.stream
        else write_answer(record, pictures, urls)
    )
    for piece in pieces:
        if isinstance(piece, str):
            body += piece.encode()
        else:
            await _add_base64(body, piece, world)
    kind = "text/event-stream" if claim.stream else "application/json"
    headers = response_headers(record, joined=taken.joined)
    return build_response(bytes(body), kind, HTTPStatus.OK, headers)


async def _add_base64(body: bytearray, picture: ImageStatus, world: World) -> None:
    """Append a picture piece by piece, so that it is in memory only once."""
    for start in range(0, picture.bytes, _PIECE_BYTES):
        part = await world.pictures.read(picture.blob, start=start, length=_PIECE_BYTES)
        if part is None or part.total != picture.bytes:
            raise refused("no_such_picture", f"the picture {picture.blob!r} was deleted")
        body += base64.b64encode(part.data)


def _link(
    job_id: str,
    picture: ImageStatus,
    caller: str,
    req: func.HttpRequest,
    configuration: Configuration,
) -> str:
    """Return the URL of a picture at this host, signed with the caller's key.

    Clients send their own Authorization header with it, which storage would refuse beside a SAS.
    """
    keys = configuration.settings.openai_keys or {}
    until = open_world(configuration).clock.now() + LINK_LIFE
    signed = sign_picture(job_id, picture.number, until, keys[caller])
    name = f"{signed}.{extension_of(picture.content_type)}"
    address: str = req.url
    return urljoin(address, f"{_up(req)}pictures/{job_id}/{picture.number}/{name}")


async def _picture(
    job_id: str, number: str, signed: str, req: func.HttpRequest, configuration: Configuration
) -> func.HttpResponse:
    """Return the picture of a signed link, which needs no key."""
    keys, world = configuration.settings.openai_keys or {}, open_world(configuration)
    name, _, _ = signed.partition(".")
    signer = find_signer(job_id, number, name, keys, world.clock.now())
    stored = await world.records.read(job_id) if signer and is_job_id(job_id) else None
    if stored is None or stored.value.job.tenant != signer:
        message = "there is no such picture, or its link has expired"
        raise refuse(message, status=HTTPStatus.NOT_FOUND)
    blob = find_picture(stored.value, number)
    return await respond_with_blob(
        blob,
        req,
        world=world,
        configuration=configuration,
        missing="no_such_picture",
        most=_MAX_LINKED_BYTES,
    )


def _json_response(document: Mapping[str, Any]) -> func.HttpResponse:
    return build_response(json.dumps(document), "application/json", HTTPStatus.OK, {})


def _error_response(error: OpenAIError, headers: Mapping[str, str] = {}) -> func.HttpResponse:
    """Return an error; `x-should-retry` says whether the same request may succeed."""
    again = {"x-should-retry": "true", "Retry-After": _RETRY_AFTER}
    named = {"x-image-jobs-job-id": error.job_id} if error.job_id else {}
    return build_response(
        error.to_json(),
        "application/json",
        error.status,
        {**headers, **named, **(again if error.may_retry else {"x-should-retry": "false"})},
    )
