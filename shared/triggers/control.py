"""HTTP, the orders: a job is cancelled, released, failed or replayed by whoever has a key."""

import azure.functions as func

from ..configuration import Configuration
from ..controlling import control
from ..fields import is_job_id
from ..orders import Action
from ..problems import refused
from ..queries import order_query
from ..services.world import open_world
from .deliveries import tell
from .submit import told


async def cancel_job(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Cancel a job."""
    return await _ordered(Action.CANCEL, req, configuration)


async def replay_job(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Have a job made again."""
    return await _ordered(Action.REPLAY, req, configuration)


async def release_job(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Let a parked job go on."""
    return await _ordered(Action.RELEASE, req, configuration)


async def fail_job(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Give a parked job up."""
    return await _ordered(Action.FAIL, req, configuration)


async def _ordered(
    action: Action, req: func.HttpRequest, configuration: Configuration
) -> func.HttpResponse:
    world, job_id = open_world(configuration), req.route_params.get("job_id", "")
    if not is_job_id(job_id):
        raise refused("no_such_job")
    order = order_query(action, job_id, req.params)
    report = await control(order, world, configuration)
    tell(f"{action}_job", report)
    stored = await world.records.read(job_id)
    if stored is None:
        raise refused("no_such_job")
    if report.what == "not_controlled":
        raise refused("wrong_state", str(report.facts["why"]), job_id=job_id)
    return told(stored, now=world.clock.now())
