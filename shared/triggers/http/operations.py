"""Handle requests for health and overview."""

import json

import azure.functions as func

from ...adapters.world import open_world
from ...config.settings import Configuration
from ...errors import ImageJobsError
from ...http_api.problems import refused
from ...workflows import overview as overviews
from ..host import log
from .responses import json_response

#: Never the id of a job: ids start with a letter or digit.
_NO_JOB = "_health"


async def health(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return 200, or 503 if storage can't be reached."""
    del req
    try:
        await open_world(configuration).records.read(_NO_JOB)
    except ImageJobsError as error:
        log.warning("health: storage can't be reached: %s", error)
        return _health_response(503, "unavailable")
    return _health_response(200, "ok")


def _health_response(status: int, word: str) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps({"status": word}), status_code=status, mimetype="application/json"
    )


async def read_overview(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return the state of the app."""
    del req
    told, errors = await overviews.overview(open_world(configuration), configuration)
    for error in errors:
        log.warning("read_overview: %s", error)
    return json_response(told)


async def probe_pool(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Let the next call of a pool be a probe, instead of waiting for its time."""
    pool = req.route_params.get("pool", "")
    found = await overviews.probe_pool(pool, open_world(configuration), configuration)
    if found is None:
        raise refused("no_such_pool", f"no deployment uses the pool {pool!r}; see /api/overview")
    log.info("probe_pool: the next call of pool %s is a probe", found.pool)
    return json_response(found)
