"""HTTP, the whole: how the app stands at a glance."""

import azure.functions as func

from ..configuration import Configuration
from ..overview import overview
from ..services.world import open_world
from .answers import document
from .deliveries import log


async def read_overview(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Tell how the app stands."""
    del req
    told, errors = await overview(open_world(configuration), configuration)
    for error in errors:
        log.warning("read_overview: %s", error)
    return document(told)
