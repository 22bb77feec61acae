"""Handle requests about jobs and their pictures: submit, upload, estimate, control, read, list."""

import hashlib
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Final
from urllib.parse import urlencode

import azure.functions as func

from ...adapters.world import open_world
from ...config.settings import Configuration
from ...http_api.job_documents import (
    JOB_PATH,
    PREVIEW,
    describe_estimate,
    describe_job,
    describe_jobs,
    describe_sums,
    find_picture,
    find_preview,
    list_blobs,
    poll_after,
)
from ...http_api.problems import refused
from ...http_api.queries import (
    FILTERS,
    JSON_TYPES,
    ListQuery,
    identify_caller,
    is_json,
    matches_version,
    read_command_query,
    read_event_headers,
    read_form,
    read_list_query,
    wants_links,
)
from ...http_api.waits import WaitStatus, describe_wait, find_pools
from ...jobs.fields import is_job_id
from ...jobs.parsing import MAX_MESSAGE_BYTES, Message
from ...ports import Report, Versioned, What
from ...records.commands import Action
from ...records.record import JobRecord, JobState
from ...stores.world import World
from ...workflows.control import execute_command
from ...workflows.intake import estimate, submit
from ...workflows.uploads import read_upload, store_part
from ..host import log_report
from .responses import empty_response, json_response, respond_with_blob

#: An idempotency key gives the same id at any time.
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


async def submit_job(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Accept a job, like the queue does, and return its state."""
    world = open_world(configuration)
    accepted = await submit(_message(req, configuration), world, configuration)
    what = What.ACCEPTED if accepted.is_new else What.REPEATED
    log_report("submit_job", Report(what, accepted.stored.value.job_id))
    return await _job_response(accepted.stored, world, configuration)


async def estimate_job(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return the plans and the estimate of a job, without making it."""
    found = await estimate(_message(req, configuration), open_world(configuration), configuration)
    return json_response(describe_estimate(found.plans, found.reused))


def _message(req: func.HttpRequest, configuration: Configuration) -> Message:
    """Return the body as a message.

    Without an id it gets one of the `Idempotency-Key`, where there is one: the same request sent
    again is the same job.
    """
    body = read_body(req, MAX_MESSAGE_BYTES)
    event = read_event_headers(req.headers)
    tenant = identify_caller(req.headers, configuration.settings).tenant
    if key := req.headers.get("idempotency-key"):
        # The same key of two tenants must not be one job.
        seed = f"idempotency-key {key}" if tenant is None else f"{tenant}\nidempotency-key {key}"
        return Message(body, seed, _EPOCH, event, tenant)
    return Message(body, uuid.uuid4().hex, datetime.now(UTC), event, tenant)


def read_body(req: func.HttpRequest, most: int) -> bytes:
    """Return the body; `Refused` for another content type or more than `most` bytes."""
    if not is_json(req.headers.get("content-type")):
        raise refused("unsupported_media_type", f"send {' or '.join(JSON_TYPES)}")
    body = req.get_body()
    if len(body) > most:
        raise refused(
            "too_large", f"the body has {len(body):,} bytes; at most {most:,} are allowed"
        )
    return body


async def _job_response(
    stored: Versioned[JobRecord], world: World, configuration: Configuration
) -> func.HttpResponse:
    """Return a job as a response: 202 while it runs, 200 when it has ended."""
    record = stored.value
    wait = await _find_wait(record, world, configuration)
    running = record.state is JobState.RUNNING
    headers = {
        "Location": JOB_PATH.format(job_id=record.job_id),
        "ETag": _find_version(stored.version, wait),
    }
    if running:
        headers["Retry-After"] = str(poll_after(record, world.clock.now()))
    document = describe_job(record, wait=wait)
    return json_response(document, status=202 if running else 200, headers=headers)


async def _find_wait(
    record: JobRecord, world: World, configuration: Configuration
) -> WaitStatus | None:
    """Return what a job waits for; at most one read for each pool that it may call."""
    ledgers = await world.pools.look_all(find_pools(record, configuration))
    return describe_wait(record, ledgers, configuration, now=world.clock.now())


def _find_version(version: str, wait: WaitStatus | None) -> str:
    """Return the version of a job's document: while it waits, it changes with the line too."""
    if wait is None:
        return version
    digest = hashlib.sha256(f"{version} {wait.model_dump_json()}".encode()).hexdigest()
    return f'"{digest[:32]}"'


async def _run_command(
    action: Action, req: func.HttpRequest, configuration: Configuration
) -> func.HttpResponse:
    world, job_id = open_world(configuration), req.route_params.get("job_id", "")
    if not is_job_id(job_id):
        raise refused("no_such_job")
    await _stored_job(req, world, configuration)
    command = read_command_query(action, job_id, req.params)
    log_report(f"{action}_job", await execute_command(command, world, configuration))
    return await _job_response(await _stored_job(req, world, configuration), world, configuration)


cancel_job: Final = partial(_run_command, Action.CANCEL)
replay_job: Final = partial(_run_command, Action.REPLAY)
release_job: Final = partial(_run_command, Action.RELEASE)
fail_job: Final = partial(_run_command, Action.FAIL)
approve_job: Final = partial(_run_command, Action.APPROVE)
reject_job: Final = partial(_run_command, Action.REJECT)
erase_job: Final = partial(_run_command, Action.ERASE)


async def read_job(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return one job, with links to its pictures if requested."""
    world = open_world(configuration)
    links = wants_links(req.params, configuration.settings)
    stored = await _stored_job(req, world, configuration)
    record = stored.value
    wait = await _find_wait(record, world, configuration)
    version = _find_version(stored.version, wait)
    # With links the document is different each time, so it has no version.
    headers = {} if links else {"ETag": version}
    if record.state is JobState.RUNNING:
        headers["Retry-After"] = str(poll_after(record, world.clock.now()))
    if not links and matches_version(req.headers.get("if-none-match"), version):
        return empty_response(304, headers)
    urls = await _make_links(list_blobs(record), world, configuration) if links else {}
    return json_response(describe_job(record, urls, wait=wait), headers=headers)


async def _make_links(
    blobs: Iterable[str], world: World, configuration: Configuration
) -> dict[str, str]:
    until = world.clock.now() + configuration.settings.read_link_life
    return {blob: await world.links.link(blob, until=until) for blob in blobs}


async def upload_input(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Store a part of a picture: 202 for a part, 201 for the last one, 200 for a repeat."""
    tenant = identify_caller(req.headers, configuration.settings).tenant
    body = req.get_body()
    part = read_upload(req.route_params.get("name", ""), req.headers, body, tenant=tenant)
    stored = await store_part(part, body, open_world(configuration))
    if stored is None:
        return empty_response(202, {})
    uploaded, is_new = stored
    log_report("upload_input", Report(What.DONE, None, {"bytes": uploaded.bytes}))
    return json_response(uploaded, status=201 if is_new else 200)


async def read_image(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return a picture by its number, a part of it, another form of it, or a preview."""
    world = open_world(configuration)
    stored = await _stored_job(req, world, configuration)
    number, form = req.route_params.get("number", ""), read_form(req.params)
    if form == PREVIEW:
        preview = find_preview(stored.value, number)
        is_there = preview and await world.pictures.has_preview(preview.blob, preview.labels)
        name = preview.blob if preview and is_there else None
    else:
        name = find_picture(stored.value, number, form)
    return await respond_with_blob(
        name, req, world=world, configuration=configuration, missing="no_such_picture"
    )


async def _stored_job(
    req: func.HttpRequest, world: World, configuration: Configuration
) -> Versioned[JobRecord]:
    """Return the job in the path; `Refused` if it does not exist, or not for this caller."""
    caller = identify_caller(req.headers, configuration.settings)
    job_id = req.route_params.get("job_id", "")
    found = await world.records.read(job_id) if is_job_id(job_id) else None
    if found is None or not caller.sees(found.value.job.tenant):
        raise refused("no_such_job")
    return found


def _read_list(req: func.HttpRequest, configuration: Configuration) -> ListQuery:
    """Return the query of a list, which holds only jobs that the caller sees."""
    wanted, caller = (
        read_list_query(req.params),
        identify_caller(req.headers, configuration.settings),
    )
    if caller.tenant is None:
        return wanted
    if wanted.tenant not in {None, caller.tenant}:
        raise refused("for_operators", f"you are bound to the tenant {caller.tenant!r}")
    return wanted.model_copy(update={"tenant": caller.tenant})


async def list_jobs(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return a page of the newest jobs."""
    world, wanted = open_world(configuration), _read_list(req, configuration)
    links = wants_links(req.params, configuration.settings)
    page = await world.index.page(after=wanted.after, limit=wanted.limit, wanted=wanted)
    covers = [entry.cover for entry in page.entries if entry.cover]
    jobs = describe_jobs(page, await _make_links(covers, world, configuration) if links else {})
    headers = {}
    if page.next:
        # Only known parameters: a key in the query must not be repeated in the link.
        asked = {name: req.params[name] for name in FILTERS if name in req.params}
        following = urlencode({**asked, "after": page.next})
        headers["Link"] = f'</api/jobs?{following}>; rel="next"'
    if not links:
        digest = hashlib.sha256(jobs.model_dump_json().encode()).hexdigest()
        headers["ETag"] = f'"{digest[:32]}"'
        if matches_version(req.headers.get("if-none-match"), headers["ETag"]):
            return empty_response(304, headers)
    return json_response(jobs, headers=headers)


async def count_jobs(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return how many jobs there are in each state."""
    wanted = _read_list(req, configuration)
    return json_response(describe_sums(await open_world(configuration).index.sums(wanted)))
