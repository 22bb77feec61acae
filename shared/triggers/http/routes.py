"""Define every HTTP route and the module that handles it.

A module is imported with its first request: most instances of the app are started by a queue and
never get a request.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final

import azure.functions as func

from ...config.settings import Configuration

type Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]
type Answer = Callable[[func.HttpRequest, Configuration], Awaitable[func.HttpResponse]]

_READ: Final = ("GET", "HEAD")
#: Parameters that say which jobs a list or a count holds.
_FILTER: Final = ("state", "tag", "model", "batch", "tenant", "failure", "text")


@dataclass(frozen=True, slots=True)
class Route:
    """A function of the app that handles requests."""

    name: str
    methods: tuple[str, ...]
    path: str
    #: The module of this package with the coroutine `name`.
    module: str
    #: Parameters of its query; an open route ignores its query.
    query: tuple[str, ...] = ()
    reads_body: bool = False
    #: Whether it needs no function key: it returns no data of callers, or checks keys itself.
    is_open: bool = False
    #: Whether callers that are bound to a tenant may use it: its coroutine then keeps to their own
    #: jobs and batches, which `tests/contract/test_callers.py` proves.
    for_tenants: bool = False


ROUTES: Final = (
    Route("submit_job", ("POST",), "jobs", "jobs", reads_body=True, for_tenants=True),
    Route("estimate_job", ("POST",), "estimate", "jobs", reads_body=True, for_tenants=True),
    Route(
        "list_jobs", _READ, "jobs", "jobs", ("after", "limit", *_FILTER, "links"), for_tenants=True
    ),
    Route("count_jobs", _READ, "counts", "jobs", _FILTER, for_tenants=True),
    Route("read_job", _READ, "jobs/{job_id}", "jobs", ("links",), for_tenants=True),
    Route(
        "read_image", ("GET",), "jobs/{job_id}/images/{number}", "jobs", ("as",), for_tenants=True
    ),
    Route(
        "cancel_job",
        ("DELETE",),
        "jobs/{job_id}",
        "jobs",
        ("run", "result", "reason"),
        for_tenants=True,
    ),
    Route(
        "replay_job",
        ("POST",),
        "jobs/{job_id}/replay",
        "jobs",
        ("run", "pictures"),
        for_tenants=True,
    ),
    Route("erase_job", ("POST",), "jobs/{job_id}/erase", "jobs", for_tenants=True),
    Route("release_job", ("POST",), "jobs/{job_id}/release", "jobs", ("run",)),
    Route("fail_job", ("POST",), "jobs/{job_id}/fail", "jobs", ("run", "reason")),
    Route("approve_job", ("POST",), "jobs/{job_id}/approve", "jobs", ("run", "reason")),
    Route("reject_job", ("POST",), "jobs/{job_id}/reject", "jobs", ("run", "reason")),
    Route(
        "submit_batch",
        ("POST",),
        "jobs/batch",
        "batches",
        ("tenant",),
        reads_body=True,
        for_tenants=True,
    ),
    Route("list_batches", _READ, "batches", "batches", ("after",), for_tenants=True),
    Route("read_batch", _READ, "batches/{batch_id}", "batches", for_tenants=True),
    Route("cancel_batch", ("DELETE",), "batches/{batch_id}", "batches", for_tenants=True),
    Route("read_results", ("GET",), "batches/{batch_id}/results", "batches", for_tenants=True),
    Route("upload_input", ("PUT",), "inputs/{*name}", "jobs", reads_body=True, for_tenants=True),
    Route("read_overview", _READ, "overview", "operations"),
    Route("probe_pool", ("POST",), "pools/{pool}/probe", "operations"),
    Route("openai", ("GET", "POST"), "openai/{*path}", "openai", is_open=True),
    Route("gallery", _READ, "gallery", "gallery", is_open=True),
    Route("gallery_file", _READ, "gallery/{name}", "gallery", is_open=True),
    Route("health", ("GET",), "health", "operations", is_open=True),
)


def functions(configuration: Configuration) -> func.Blueprint:
    """Return a function for each route."""
    blueprint = func.Blueprint()
    for route in ROUTES:
        decorate = blueprint.route(
            route=route.path,
            methods=route.methods,
            auth_level=func.AuthLevel.ANONYMOUS if route.is_open else None,
        )
        blueprint.function_name(route.name)(decorate(_handler(route, configuration)))
    return blueprint


def _handler(route: Route, configuration: Configuration) -> Handler:
    async def handle(req: func.HttpRequest) -> func.HttpResponse:
        from .responses import respond

        return await respond(route.name, _answer(route, req, configuration))

    handle.__name__ = route.name
    return handle


async def _answer(
    route: Route, req: func.HttpRequest, configuration: Configuration
) -> func.HttpResponse:
    # ruff: noqa: PLC0415 (see the module)
    from ...http_api.problems import refused
    from ...http_api.queries import check_request, identify_caller

    if not route.is_open:
        caller = identify_caller(req.headers, configuration.settings)
        if caller.tenant is not None and not route.for_tenants:
            raise refused("for_operators")
        check_request(route.query, req.params, b"" if route.reads_body else req.get_body())
    answer: Answer = getattr(import_module(f"{__package__}.{route.module}"), route.name)
    return await answer(req, configuration)
