"""Build HTTP responses: documents and problems, with their headers."""

from collections.abc import Awaitable, Mapping
from typing import Final

import azure.functions as func

from ...errors import ImageJobsError, Rejected, Unavailable
from ...events.data import Data
from ...http_api.problems import PROBLEM_TYPE, Refused, to_problem
from ...ports import Report, What
from ..host import log, log_report

#: Headers of every response.
_COMMON_HEADERS: Final = {
    "Cache-Control": "private, no-cache",
    "X-Content-Type-Options": "nosniff",
}
#: Seconds until a retry, after a service did not answer.
_RETRY_AFTER: Final = "5"


def json_response(
    data: Data, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """Return a response with a document."""
    return _json(data, "application/json", status, headers or {})


def empty_response(status: int, headers: Mapping[str, str]) -> func.HttpResponse:
    """Return a response without a body."""
    return func.HttpResponse(status_code=status, headers={**_COMMON_HEADERS, **headers})


async def respond(name: str, answer: Awaitable[func.HttpResponse]) -> func.HttpResponse:
    """Return the response of the function `name`; an error becomes a problem and is logged."""
    try:
        return await answer
    except ImageJobsError as error:
        _log_error(name, error)
        found = to_problem(error)
        again = {"Retry-After": _RETRY_AFTER} if isinstance(error, Unavailable) else {}
        return _json(found, PROBLEM_TYPE, found.status, again)


def _log_error(name: str, error: ImageJobsError) -> None:
    match error:
        case Refused():
            return  # an error of the caller, such as a wrong id or type
        case Rejected():
            faults = [str(fault) for fault in error.faults]
            log_report(
                name, Report(What.REFUSED, error.job_id, {"code": error.code, "faults": faults})
            )
        case _:
            log.warning("%s: %s", name, error)


def _json(data: Data, mimetype: str, status: int, headers: Mapping[str, str]) -> func.HttpResponse:
    return func.HttpResponse(
        data.model_dump_json(),
        status_code=status,
        mimetype=mimetype,
        headers={**_COMMON_HEADERS, "Content-Type": mimetype, **headers},
    )
