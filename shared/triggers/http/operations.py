"""Whether this instance can do its work, told in one word and nothing else.

HTTP, the whole: how the app stands at a glance.
"""

import json

import azure.functions as func

from ...adapters.world import open_world
from ...config.settings import Configuration
from ...errors import ImageJobsError
from ...workflows.overview import overview
from ..host import log
from .responses import json_response

#: Never a job's id: ids begin with a letter or digit.
_NOBODY = "_health"


async def health(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Answer 200, or 503 where storage can't be reached."""
    del req
    try:
        await open_world(configuration).records.read(_NOBODY)
    except ImageJobsError as error:
        log.warning("health: storage can't be reached: %s", error)
        return _answer(503, "unavailable")
    return _answer(200, "ok")


def _answer(status: int, word: str) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps({"status": word}), status_code=status, mimetype="application/json"
    )


async def read_overview(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Tell how the app stands."""
    del req
    told, errors = await overview(open_world(configuration), configuration)
    for error in errors:
        log.warning("read_overview: %s", error)
    return json_response(told)
