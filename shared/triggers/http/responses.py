"""Answers over HTTP: documents, problems, and what must stand in their headers."""

from collections.abc import Awaitable, Mapping
from typing import Final

import azure.functions as func

from ...errors import ImageJobsError, Rejected, Unavailable
from ...events.data import Data
from ...http_api.problems import PROBLEM_TYPE, Refused, to_problem
from ...ports import Report, What
from ..host import log, log_report

#: What every answer of the API says: it is one caller's, and it is what it says it is.
_ALWAYS: Final = {
    "Cache-Control": "private, no-cache",
    "X-Content-Type-Options": "nosniff",
}
#: Seconds until something that did not answer is worth another try.
_TRY_AGAIN: Final = "5"


def json_response(
    data: Data, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """Answer with a document."""
    return _json(data, "application/json", status, headers or {})


def empty_response(status: int, headers: Mapping[str, str]) -> func.HttpResponse:
    """Answer without a body."""
    return func.HttpResponse(status_code=status, headers={**_ALWAYS, **headers})


async def respond(name: str, answer: Awaitable[func.HttpResponse]) -> func.HttpResponse:
    """Return an answer of the function `name`: what goes wrong is a problem, and logged."""
    try:
        return await answer
    except ImageJobsError as error:
        _tell(name, error)
        found = to_problem(error)
        again = {"Retry-After": _TRY_AGAIN} if isinstance(error, Unavailable) else {}
        return _json(found, PROBLEM_TYPE, found.status, again)


def _tell(name: str, error: ImageJobsError) -> None:
    match error:
        case Refused():
            return  # the caller's own affair: a wrong id, a wrong type
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
        headers={**_ALWAYS, "Content-Type": mimetype, **headers},
    )
