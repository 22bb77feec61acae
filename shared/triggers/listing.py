"""HTTP, the list: the newest jobs, by state or by tag, a page at a time."""

import hashlib
from urllib.parse import urlencode

import azure.functions as func

from ..configuration import Configuration
from ..http_headers import has_version
from ..queries import FILTERS, list_query, wants_links
from ..services.world import open_world
from ..statuses import listed
from .answers import document, nothing


async def list_jobs(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Tell of the newest jobs, a page at a time."""
    world, wanted = open_world(configuration), list_query(req.params)
    links = wants_links(req.params, configuration.settings)
    page = await world.register.page(
        after=wanted.after, limit=wanted.limit, state=wanted.state, tag=wanted.tag
    )
    urls: dict[str, str] = {}
    if links:
        until = world.clock.now() + configuration.settings.read_link_life
        covers = [entry.cover for entry in page.entries if entry.cover]
        urls = {blob: await world.links.link(blob, until=until) for blob in covers}
    jobs = listed(page, urls)
    headers = {}
    if page.next:
        # Only what this list knows: a key that came in the query must not come out again.
        asked = {name: req.params[name] for name in FILTERS if name in req.params}
        following = urlencode({**asked, "after": page.next})
        headers["Link"] = f'</api/jobs?{following}>; rel="next"'
    if not links:
        digest = hashlib.sha256(jobs.model_dump_json().encode()).hexdigest()
        headers["ETag"] = f'"{digest[:32]}"'
        if has_version(req.headers.get("if-none-match"), headers["ETag"]):
            return nothing(304, headers)
    return document(jobs, headers=headers)
