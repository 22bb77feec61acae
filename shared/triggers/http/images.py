"""Handle requests for pictures by their number, whole or in parts."""

from typing import Final

import azure.functions as func

from ...adapters.world import open_world
from ...config.settings import Configuration
from ...http_api.job_documents import find_picture
from ...http_api.problems import refused
from ...http_api.queries import ByteRange, matches_version, read_byte_range, read_form
from ...stores.pictures import PicturePart
from ...stores.world import World
from .jobs import stored_job
from .responses import empty_response

#: Most bytes of a picture in one response: the platform keeps a response in memory.
PART_BYTES: Final = 4 << 20


async def read_image(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return a picture, a part of it, or another form of it."""
    world = open_world(configuration)
    stored = await stored_job(req, world)
    number, form = req.route_params.get("number", ""), read_form(req.params)
    name = find_picture(stored.value, number, form)
    return await respond_with_blob(
        name, req, world=world, configuration=configuration, missing="no_such_picture"
    )


async def respond_with_blob(
    name: str | None,
    req: func.HttpRequest,
    *,
    world: World,
    configuration: Configuration,
    missing: str,
) -> func.HttpResponse:
    """Return a blob of the images container, whole or in part; `Refused` with `missing` if none."""
    wanted = read_byte_range(req.headers.get("range"))
    part = name and await world.pictures.read(
        name, start=wanted.start if wanted else 0, length=_length(wanted)
    )
    if not (name and part):
        raise refused(missing)
    if matches_version(req.headers.get("if-none-match"), part.version):
        return empty_response(304, {"ETag": part.version})
    if wanted:
        return _partial_response(part)
    if len(part.data) < part.total:
        return await _link_response(name, part, world, configuration)
    return _part_response(part, status=200)


def _length(wanted: ByteRange | None) -> int:
    if wanted is None or wanted.end is None:
        return PART_BYTES
    return min(PART_BYTES, wanted.end - wanted.start + 1)


def _partial_response(part: PicturePart) -> func.HttpResponse:
    if not part.data:
        raise refused("range_not_satisfiable", f"there are {part.total:,} bytes")
    end = part.start + len(part.data) - 1
    return _part_response(part, status=206, range=f"bytes {part.start}-{end}/{part.total}")


async def _link_response(
    name: str, part: PicturePart, world: World, configuration: Configuration
) -> func.HttpResponse:
    """Redirect to storage for a long picture if links are enabled; else require a range."""
    life = configuration.settings.read_link_life
    if not life:
        raise refused(
            "range_needed",
            f"the picture has {part.total:,} bytes and a response at most {PART_BYTES:,}; send "
            "'Range: bytes=0-' and continue from there",
        )
    url = await world.links.link(name, until=world.clock.now() + life)
    return empty_response(302, {"Location": url, "Cache-Control": "no-store"})


def _part_response(part: PicturePart, *, status: int, range: str = "") -> func.HttpResponse:  # noqa: A002 (it is called that)
    headers = {
        "ETag": part.version,
        "Accept-Ranges": "bytes",
        "Content-Type": part.content_type,
        "X-Content-Type-Options": "nosniff",
        # A stored blob never changes; which picture is the first may change.
        "Cache-Control": "private, no-cache",
    }
    if range:
        headers["Content-Range"] = range
    return func.HttpResponse(
        part.data, status_code=status, mimetype=part.content_type, headers=headers
    )
