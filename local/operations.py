"""What the app answers over HTTP, as data: printed into `docs/schemas/openapi.json`.

A test holds the table to the functions the app has.
"""

from dataclasses import dataclass, field
from typing import Final

from shared.event_data import Data
from shared.job_lists import MAX_JOBS
from shared.overview import Overview
from shared.queries import MAX_PAGE_JOBS, PAGE_JOBS
from shared.records import JobState
from shared.status_data import BatchStatus, JobEstimate, JobList, JobStatus

type Schema = dict[str, object]

_ID: Final[Schema] = {
    "name": "job_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "The job's id. One that no job can have is answered like one that none has.",
}
_LINKS: Final[Schema] = {
    "name": "links",
    "in": "query",
    "schema": {"enum": ["true", "false", ""], "default": "false"},
    "description": "Whether to give links that read pictures without a key, for a limited time; "
    "refused where the app is not set up for it (`READ_LINK_SECONDS`).",
}
_HAVE: Final[Schema] = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The `ETag` of what the caller has: 304 if that is still what there is.",
}
_KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string"},
    "description": "For jobs without a `job_id`: requests with one key and one body are one job.",
}
_NUMBER: Final[Schema] = {
    "name": "number",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^(?:first|[0-9]{1,4})$"},
    "description": "As `images` of the job tells it, or `first`.",
}
_FORM: Final[Schema] = {
    "name": "as",
    "in": "query",
    "schema": {"enum": ["original", "exact", "thumbnail", ""], "default": "original"},
    "description": "The picture as it came, or what `finish` made of it; a `thumbnail` is the "
    "picture itself where none was made.",
}
_RANGE: Final[Schema] = {
    "name": "Range",
    "in": "header",
    "schema": {"type": "string"},
    "description": "Bytes of the picture, as `bytes=0-`: one answer holds up to 4 MiB.",
}
#: An empty parameter is one left out: the platform drops it.
_LISTED: Final[tuple[Schema, ...]] = (
    {
        "name": "state",
        "in": "query",
        "schema": {"enum": [*JobState, ""]},
        "description": "Only jobs in this state.",
    },
    {
        "name": "tag",
        "in": "query",
        "schema": {"type": "string", "pattern": "^(?:[A-Za-z_][A-Za-z0-9_]{0,63}:.+)?$"},
        "description": "Only jobs with this tag, as `campaign:winter`.",
    },
    {
        "name": "limit",
        "in": "query",
        "schema": {
            "default": PAGE_JOBS,
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_JOBS},
                {"const": ""},
            ],
        },
        "description": "Jobs of a page; fewer may come with a `next`.",
    },
    {
        "name": "after",
        "in": "query",
        "schema": {"type": "string"},
        "description": "The `next` of the page before.",
    },
)

#: Headers of answers, and what they say.
HEADERS: Final = {
    "Location": "Where to ask for the job.",
    "Retry-After": "Seconds until it is worth asking again; while the job runs.",
    "ETag": "The version of what is told.",
    "Link": "The next page, as `rel=next`.",
    "Content-Range": "Which bytes these are, and of how many.",
}

#: Codes that any operation may answer with.
ANYWHERE: Final = ("unavailable", "unreadable")


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back with one status."""

    meaning: str
    #: A document of the app, or none.
    of: type[Data] | None = None
    #: Where it is no document: the type of the bytes.
    media: str | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One function over HTTP."""

    name: str
    method: str
    path: str
    summary: str
    answers: dict[int, Answer]
    problems: tuple[str, ...]
    body: str | None = None
    parameters: tuple[Schema, ...] = field(default=())
    #: A function key is asked for.
    keyed: bool = True


#: Why a job in a body is not taken.
_OF_A_JOB: Final = (
    *("malformed_message", "invalid_job", "unsupported_request", "over_cost_limit"),
    *("too_large", "unsupported_media_type"),
)
_TOLD: Final = ("Location", "ETag", "Retry-After")
_SAME: Final = Answer("The caller has the newest.", headers=("ETag",))

OPERATIONS: Final = (
    Operation(
        "submit_job",
        "post",
        "/api/jobs",
        "Submit a job; it is made while you wait elsewhere.",
        {
            202: Answer("Taken, and told with its plan and estimate.", JobStatus, headers=_TOLD),
            200: Answer("The same job, asked for again, has ended.", JobStatus, headers=_TOLD),
        },
        (*_OF_A_JOB, "conflict"),
        body="Job",
        parameters=(_KEY,),
    ),
    Operation(
        "submit_batch",
        "post",
        "/api/jobs/batch",
        f"Submit a list of up to {MAX_JOBS} jobs; each is taken or refused by itself.",
        {
            202: Answer("At least one was taken.", BatchStatus),
            400: Answer("None was taken.", BatchStatus),
        },
        ("malformed_message", "too_large", "unsupported_media_type"),
        body="Jobs",
        parameters=(_KEY,),
    ),
    Operation(
        "estimate_job",
        "post",
        "/api/estimate",
        "Foresee what a job would be made into and cost; nothing is stored.",
        {200: Answer("Its plans.", JobEstimate)},
        _OF_A_JOB,
        body="Job",
    ),
    Operation(
        "list_jobs",
        "get",
        "/api/jobs",
        "List jobs, newest first.",
        {200: Answer("A page.", JobList, headers=("ETag", "Link")), 304: _SAME},
        ("invalid_query",),
        parameters=(*_LISTED, _LINKS, _HAVE),
    ),
    Operation(
        "read_job",
        "get",
        "/api/jobs/{job_id}",
        "Look at a job: its state, its pictures, why, and at what cost.",
        {
            200: Answer("All there is to tell.", JobStatus, headers=("ETag", "Retry-After")),
            304: _SAME,
        },
        ("no_such_job", "invalid_query"),
        parameters=(_ID, _LINKS, _HAVE),
    ),
    Operation(
        "read_image",
        "get",
        "/api/jobs/{job_id}/images/{number}",
        "Fetch a picture, whole up to 4 MiB, else in ranges.",
        {
            200: Answer("The picture.", media="image/*", headers=("ETag",)),
            206: Answer("Some of it.", media="image/*", headers=("ETag", "Content-Range")),
            302: Answer("Where a long one is to be had for a while.", headers=("Location",)),
            304: _SAME,
        },
        (
            "no_such_job",
            "no_such_picture",
            "range_needed",
            "range_not_satisfiable",
            "invalid_query",
        ),
        parameters=(_ID, _NUMBER, _FORM, _RANGE, _HAVE),
    ),
    Operation(
        "read_overview",
        "get",
        "/api/overview",
        "See how the app stands: its models, quota pools, what waits.",
        {200: Answer("At a glance.", Overview)},
        (),
    ),
)
