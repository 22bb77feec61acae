"""HTTP, the whole: how the app stands at a glance."""

import azure.functions as func

from ..configuration import Configuration
from ..services.world import open_world
from .answers import answering, document
from .deliveries import log


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the function `read_overview`."""
    blueprint = func.Blueprint()

    async def read_overview(req: func.HttpRequest) -> func.HttpResponse:
        del req
        from ..overview import overview  # noqa: PLC0415 (people look rarely; a cold start is often)

        told, errors = await overview(open_world(configuration), configuration)
        for error in errors:
            log.warning("read_overview: %s", error)
        return document(told)

    decorate = blueprint.route(
        route="overview", methods=[func.HttpMethod.GET, func.HttpMethod.HEAD]
    )
    blueprint.function_name("read_overview")(decorate(answering("read_overview", read_overview)))
    return blueprint
