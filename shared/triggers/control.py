"""HTTP, the orders: a job is cancelled, released, failed or replayed by whoever has a key."""

from collections.abc import Awaitable, Callable

import azure.functions as func

from ..configuration import Configuration
from ..controlling import control
from ..fields import is_job_id
from ..orders import Action
from ..problems import refused
from ..queries import order_query
from ..services.world import open_world
from .answers import answering
from .deliveries import tell
from .submit import told

#: The method and the route of each order.
ROUTES = {
    Action.CANCEL: (func.HttpMethod.DELETE, "jobs/{job_id}"),
    Action.REPLAY: (func.HttpMethod.POST, "jobs/{job_id}/replay"),
    Action.RELEASE: (func.HttpMethod.POST, "jobs/{job_id}/release"),
    Action.FAIL: (func.HttpMethod.POST, "jobs/{job_id}/fail"),
}


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the functions `cancel_job`, `replay_job`, `release_job` and `fail_job`."""
    blueprint = func.Blueprint()
    for action, (method, route) in ROUTES.items():
        name = f"{action}_job"
        decorate = blueprint.route(route=route, methods=[method])
        handler = answering(name, _handler(action, name, configuration))
        blueprint.function_name(name)(decorate(handler))
    return blueprint


def _handler(
    action: Action, name: str, configuration: Configuration
) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
    async def handle(req: func.HttpRequest) -> func.HttpResponse:
        world, job_id = open_world(configuration), req.route_params.get("job_id", "")
        if not is_job_id(job_id):
            raise refused("no_such_job")
        order = order_query(action, job_id, req.params)
        report = await control(order, world, configuration)
        tell(name, report)
        stored = await world.records.read(job_id)
        if stored is None:
            raise refused("no_such_job")
        if report.what == "not_controlled":
            raise refused("wrong_state", str(report.facts["why"]), job_id=job_id)
        return told(stored, now=world.clock.now())

    return handle
