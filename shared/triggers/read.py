"""HTTP, the way to look: one job, with all there is to tell of it."""

import azure.functions as func

from ..configuration import Configuration
from ..fields import is_job_id
from ..http_headers import has_version
from ..ports import Versioned, World
from ..problems import refused
from ..queries import wants_links
from ..records import JobRecord, JobState
from ..services.world import open_world
from ..statuses import blobs_of, linked, poll_after, status_of
from .answers import document, nothing


async def read_job(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Tell of one job, with links to its pictures where they are wanted and given."""
    world = open_world(configuration)
    links = wants_links(req.params, configuration.settings)
    stored = await stored_job(req, world)
    record, now = stored.value, world.clock.now()
    # With links a document is another one each time, so it has no version of its own.
    headers = {} if links else {"ETag": stored.version}
    if record.state is JobState.RUNNING:
        headers["Retry-After"] = str(poll_after(record, now))
    if not links and has_version(req.headers.get("if-none-match"), stored.version):
        return nothing(304, headers)
    status = status_of(record)
    if links:
        until = now + configuration.settings.read_link_life
        urls = {blob: await world.links.link(blob, until=until) for blob in blobs_of(status)}
        status = linked(status, urls)
    return document(status, headers=headers)


async def stored_job(req: func.HttpRequest, world: World) -> Versioned[JobRecord]:
    """Return the job that the path names; `Refused` if there is none."""
    job_id = req.route_params.get("job_id", "")
    found = await world.records.read(job_id) if is_job_id(job_id) else None
    if found is None:
        raise refused("no_such_job")
    return found
