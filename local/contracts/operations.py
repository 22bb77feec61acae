"""What the app answers over HTTP, as data: printed into `docs/schemas/openapi.json`.

A test holds the table to the functions the app has.
"""

from dataclasses import dataclass, field
from typing import Final

from local.contracts.parameters import (
    BATCH_ID,
    FORM,
    HAVE,
    ID,
    KEY,
    LINKS,
    LIST_KEY,
    LISTED,
    NUMBER,
    OPENING,
    RANGE,
    REASON,
    Schema,
    choice,
)
from shared.batches.reader import MAX_JOBS
from shared.events.data import Data
from shared.http_api.batch_documents import BatchStatus, SubmittedList
from shared.http_api.job_documents import JobEstimate, JobList, JobStatus
from shared.workflows.overview import Overview

#: Headers of answers, and what they say.
HEADERS: Final = {
    "Location": "Where to ask for the job, or batch.",
    "Retry-After": "Seconds until it is worth asking again; while it runs.",
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
#: Of a result manifest.
_LINES: Final = "application/x-ndjson"
_SAME: Final = Answer("The caller has the newest.", headers=("ETag",))


def _order(name: str, method: str, path: str, summary: str, *parameters: Schema) -> Operation:
    return Operation(
        name,
        method,
        f"/api/jobs/{{job_id}}{path}",
        summary,
        {
            202: Answer("Done, and the job runs.", JobStatus, headers=_TOLD),
            200: Answer("Done, and the job has ended.", JobStatus, headers=_TOLD),
        },
        ("no_such_job", "wrong_state", "invalid_query"),
        parameters=(ID, OPENING, *parameters),
    )


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
        parameters=(KEY,),
    ),
    Operation(
        "submit_batch",
        "post",
        "/api/jobs/batch",
        f"Submit a list of up to {MAX_JOBS} jobs as a batch; each is taken or refused by itself.",
        {
            202: Answer(
                "Begun; jobs with faults are told by their place.", SubmittedList, headers=_TOLD
            ),
            200: Answer("The same list, sent again, is completed.", SubmittedList, headers=_TOLD),
            400: Answer("None was taken, and no batch begun.", SubmittedList),
        },
        ("malformed_message", "batch_conflict", "too_large", "unsupported_media_type"),
        body="Jobs",
        parameters=(LIST_KEY,),
    ),
    Operation(
        "read_batch",
        "get",
        "/api/batches/{batch_id}",
        "Look at a batch, of a list or of a file: its counts, its cost, where its results are.",
        {
            200: Answer("All there is to tell.", BatchStatus, headers=("ETag", "Retry-After")),
            304: _SAME,
        },
        ("no_such_batch",),
        parameters=(BATCH_ID, HAVE),
    ),
    Operation(
        "read_results",
        "get",
        "/api/batches/{batch_id}/results",
        "Fetch the result manifest of a completed batch, whole up to 4 MiB, else in ranges.",
        {
            200: Answer("A line an entry.", media=_LINES, headers=("ETag",)),
            206: Answer("Some of it.", media=_LINES, headers=("ETag", "Content-Range")),
            302: Answer("Where a long one is to be had for a while.", headers=("Location",)),
            304: _SAME,
        },
        ("no_such_batch", "no_results_yet", "range_needed", "range_not_satisfiable"),
        parameters=(BATCH_ID, RANGE, HAVE),
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
        parameters=(*LISTED, LINKS, HAVE),
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
        parameters=(ID, LINKS, HAVE),
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
        parameters=(ID, NUMBER, FORM, RANGE, HAVE),
    ),
    _order(
        "cancel_job",
        "delete",
        "",
        "Cancel what was not called for yet; pictures being paid for are kept, or dropped.",
        choice("result", "keep", "drop"),
        REASON,
    ),
    _order(
        "replay_job",
        "post",
        "/replay",
        "Make a failed, parked or cancelled job again: what is missing of it, or all.",
        choice("pictures", "keep", "remake"),
    ),
    _order("release_job", "post", "/release", "Let a parked job go on, and pay again if it must."),
    _order("fail_job", "post", "/fail", "End a parked job as failed.", REASON),
    Operation(
        "read_overview",
        "get",
        "/api/overview",
        "See how the app stands, live: each quota pool's pace, today's money, what waits.",
        {200: Answer("At a glance.", Overview)},
        (),
    ),
)
