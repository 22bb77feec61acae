"""Handle requests about batches: a posted list of jobs starts a batch."""

from typing import Final

import azure.functions as func

from ...adapters.world import open_world
from ...batches.events import RESULTS
from ...batches.reader import MAX_LIST_BYTES
from ...batches.record import BatchRecord
from ...config.settings import Configuration
from ...http_api.batch_documents import (
    BatchList,
    describe_batch,
    describe_begun,
    describe_rejected,
    poll_batch_after,
)
from ...http_api.problems import refused
from ...http_api.queries import Caller, identify_caller, matches_version, read_tenant
from ...jobs.fields import is_job_id
from ...ports import Report, Versioned, What
from ...stores.world import World
from ...workflows import batches as workflow
from ...workflows.posted_lists import Begun, begin
from ..host import log_report
from .jobs import read_body
from .responses import empty_response, json_response, respond_with_blob

#: Batches of one page.
PAGE_BATCHES: Final = 20


async def submit_batch(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Start a batch from a list of jobs."""
    body, key = read_body(req, MAX_LIST_BYTES), req.headers.get("idempotency-key")
    world = open_world(configuration)
    tenant = read_tenant(req.params, identify_caller(req.headers, configuration.settings))
    made = await begin(body, key, world, configuration, tenant=tenant)
    if not isinstance(made, Begun):
        log_report("submit_batch", Report(What.REFUSED, None, {"jobs": len(made)}))
        return json_response(describe_rejected(made), status=400)
    record = made.stored.value
    told = describe_begun(record, made.page)
    facts = {"accepted": told.accepted, "refused": told.refused}
    log_report("submit_batch", Report(What.ACCEPTED, None, {"batch_id": record.batch_id} | facts))
    headers = _headers(made.stored, world) | {"Location": f"/api/batches/{record.batch_id}"}
    return json_response(told, status=202 if "Retry-After" in headers else 200, headers=headers)


async def list_batches(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return a page of the newest batches."""
    world, caller = open_world(configuration), identify_caller(req.headers, configuration.settings)
    ids, following = await world.batches.newest(
        limit=PAGE_BATCHES, after=req.params.get("after") or None
    )
    found = await world.gather(world.batches.read(batch_id) for batch_id in ids)
    batches = tuple(
        describe_batch(stored.value) for stored in found if stored and _sees(caller, stored.value)
    )
    return json_response(BatchList(batches=batches, next=following))


async def read_batch(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return the state of a batch."""
    world = open_world(configuration)
    stored = await _stored(req, world, configuration)
    headers = _headers(stored, world)
    if matches_version(req.headers.get("if-none-match"), stored.version):
        return empty_response(304, headers)
    return json_response(describe_batch(stored.value), headers=headers)


async def cancel_batch(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Cancel a batch."""
    world = open_world(configuration)
    batch_id = (await _stored(req, world, configuration)).value.batch_id
    stored = await workflow.cancel_batch(batch_id, world, configuration)
    if stored.value.cancel_requested_at is None:
        raise refused("wrong_state", f"batch {batch_id} is completed")
    log_report("cancel_batch", Report(What.EXECUTED, None, {"batch_id": batch_id}))
    headers = _headers(stored, world)
    return json_response(
        describe_batch(stored.value),
        status=202 if "Retry-After" in headers else 200,
        headers=headers,
    )


async def read_results(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return the results of a completed batch, one line for each job."""
    world = open_world(configuration)
    record = (await _stored(req, world, configuration)).value
    name = RESULTS.format(batch_id=record.batch_id) if record.results_url else None
    return await respond_with_blob(
        name, req, world=world, configuration=configuration, missing="no_results_yet"
    )


def _sees(caller: Caller, record: BatchRecord) -> bool:
    """Return whether a batch exists for a caller; one of a file is for operators."""
    return caller.tenant in {None, record.manifest.tenant}


async def _stored(
    req: func.HttpRequest, world: World, configuration: Configuration
) -> Versioned[BatchRecord]:
    caller = identify_caller(req.headers, configuration.settings)
    batch_id = req.route_params.get("batch_id", "")
    found = await world.batches.read(batch_id) if is_job_id(batch_id) else None
    if found is None or not _sees(caller, found.value):
        raise refused("no_such_batch")
    return found


def _headers(stored: Versioned[BatchRecord], world: World) -> dict[str, str]:
    headers = {"ETag": stored.version}
    if stored.value.completed_at is None:
        again = poll_batch_after(stored.value, world.clock.now())
        headers["Retry-After"] = str(again)
    return headers
