"""HTTP, lists of jobs: each is a batch, begun while the caller waits, and followed by its id.

What they need is imported with the first request: most instances of the app never get one.
"""

from typing import TYPE_CHECKING

import azure.functions as func

from ..configuration import Configuration
from ..fields import is_job_id
from ..http_headers import has_version
from ..job_lists import MAX_BATCH_BYTES
from ..ports import World
from ..problems import refused
from ..reports import Report
from ..services.world import open_world
from .answers import answering, document, nothing
from .deliveries import tell
from .pictures import answer_with
from .submit import body_of

if TYPE_CHECKING:
    from ..batches import KeptBatch


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the functions `submit_batch`, `read_batch` and `read_results`."""
    blueprint = func.Blueprint()

    async def submit_batch(req: func.HttpRequest) -> func.HttpResponse:
        from ..batch_statuses import begun, not_begun  # noqa: PLC0415 (see the module)
        from ..posted_lists import Begun, begin  # noqa: PLC0415 (see the module)

        body, key = body_of(req, MAX_BATCH_BYTES), req.headers.get("idempotency-key")
        world = open_world(configuration)
        made = await begin(body, key, world, configuration)
        if not isinstance(made, Begun):
            tell("submit_batch", Report("refused", None, {"jobs": len(made)}))
            return document(not_begun(made), status=400)
        record = made.stored.record
        told = begun(record, made.page)
        facts = {"accepted": told.accepted, "refused": told.refused}
        tell("submit_batch", Report("accepted", None, {"batch_id": record.batch_id} | facts))
        headers = _headers(made.stored, world) | {"Location": f"/api/batches/{record.batch_id}"}
        return document(told, status=202 if "Retry-After" in headers else 200, headers=headers)

    async def read_batch(req: func.HttpRequest) -> func.HttpResponse:
        from ..batch_statuses import batch_status  # noqa: PLC0415 (see the module)

        world = open_world(configuration)
        stored = await _stored(req, world)
        headers = _headers(stored, world)
        if has_version(req.headers.get("if-none-match"), stored.version):
            return nothing(304, headers)
        return document(batch_status(stored.record), headers=headers)

    async def read_results(req: func.HttpRequest) -> func.HttpResponse:
        from ..batch_events import RESULTS  # noqa: PLC0415 (see the module)

        world = open_world(configuration)
        record = (await _stored(req, world)).record
        name = RESULTS.format(batch_id=record.batch_id) if record.results_url else None
        return await answer_with(
            name, req, world=world, configuration=configuration, missing="no_results_yet"
        )

    both = [func.HttpMethod.GET, func.HttpMethod.HEAD]
    for handler, route, methods in (
        (submit_batch, "jobs/batch", [func.HttpMethod.POST]),
        (read_batch, "batches/{batch_id}", both),
        (read_results, "batches/{batch_id}/results", [func.HttpMethod.GET]),
    ):
        name = handler.__name__
        decorate = blueprint.route(route=route, methods=methods)
        blueprint.function_name(name)(decorate(answering(name, handler)))
    return blueprint


async def _stored(req: func.HttpRequest, world: World) -> "KeptBatch":
    batch_id = req.route_params.get("batch_id", "")
    found = await world.batches.read(batch_id) if is_job_id(batch_id) else None
    if found is None:
        raise refused("no_such_batch")
    return found


def _headers(stored: "KeptBatch", world: World) -> dict[str, str]:
    from ..batch_statuses import poll_batch_after  # noqa: PLC0415 (see the module)

    headers = {"ETag": stored.version}
    if stored.record.completed_at is None:
        again = poll_batch_after(stored.record, world.clock.now())
        headers["Retry-After"] = str(again)
    return headers
