"""HTTP, the whole: how the app stands at a glance."""

import azure.functions as func

from ..configuration import Configuration
from ..overview import overview
from ..services.world import open_world
from .answers import answering, document


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the function `read_overview`."""
    blueprint = func.Blueprint()

    async def read_overview(req: func.HttpRequest) -> func.HttpResponse:
        del req
        return document(await overview(open_world(configuration), configuration))

    decorate = blueprint.route(
        route="overview", methods=[func.HttpMethod.GET, func.HttpMethod.HEAD]
    )
    blueprint.function_name("read_overview")(decorate(answering("read_overview", read_overview)))
    return blueprint
