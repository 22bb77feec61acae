"""Handle requests for health and overview."""

import json

import azure.functions as func

from ...adapters.world import open_world
from ...config.settings import Configuration
from ...errors import ImageJobsError
from ...workflows.overview import overview
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
    told, errors = await overview(open_world(configuration), configuration)
    for error in errors:
        log.warning("read_overview: %s", error)
    return json_response(told)
