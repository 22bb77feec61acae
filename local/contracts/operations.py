"""The operations of the HTTP API as a table, from which `docs/schemas/openapi.json` is made.

A test compares the table with the functions of the app.
"""

from dataclasses import dataclass, field
from typing import Final

from local.contracts.parameters import (
    BATCH_ID,
    DIGEST,
    FILTERED,
    FORM,
    HAVE,
    ID,
    KEY,
    LINKS,
    LIST_KEY,
    LISTED,
    NAME,
    NUMBER,
    PART,
    POOL,
    RANGE,
    REASON,
    RUN,
    TENANT,
    Schema,
    choice,
)
from shared.batches.reader import MAX_JOBS
from shared.events.data import Data
from shared.http_api.batch_documents import BatchList, BatchStatus, SubmittedList
from shared.http_api.job_documents import JobCounts, JobEstimate, JobList, JobStatus
from shared.workflows.overview import Overview, PoolStatus
from shared.workflows.uploads import PICTURE_TYPES, UploadedInput

#: Response headers and their meanings.
HEADERS: Final = {
    "Location": "The URL of the job or batch.",
    "Retry-After": "Seconds to wait before the next request, while the job or batch runs.",
    "ETag": "The version of the document.",
    "Link": "The next page, as `rel=next`.",
    "Content-Range": "The range of these bytes, and the total.",
}

#: Codes that any operation may return.
ANYWHERE: Final = ("unavailable", "unreadable")


@dataclass(frozen=True, slots=True)
class Answer:
    """The response with one status."""

    meaning: str
    #: The document in the body.
    of: type[Data] | None = None
    #: The type of the bytes, when the body is not a document.
    media: str | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One HTTP function."""

    name: str
    method: str
    path: str
    summary: str
    answers: dict[int, Answer]
    problems: tuple[str, ...]
    #: The model of a JSON body, or the content types of another one, separated by commas.
    body: str | None = None
    parameters: tuple[Schema, ...] = field(default=())
    #: It needs a function key.
    keyed: bool = True


#: Codes that reject a job in a body.
_OF_A_JOB: Final = (
    *("malformed_message", "invalid_job", "unsupported_request", "over_cost_limit"),
    *("not_allowed", "too_many_jobs"),
    *("too_large", "unsupported_media_type", "invalid_query"),
)
_STATUS_HEADERS: Final = ("Location", "ETag", "Retry-After")
#: Of a result manifest.
_LINES: Final = "application/x-ndjson"
_SAME: Final = Answer("Not modified.", headers=("ETag",))


def _command(name: str, method: str, path: str, summary: str, *parameters: Schema) -> Operation:
    return Operation(
        name,
        method,
        f"/api/jobs/{{job_id}}{path}",
        summary,
        {
            202: Answer(
                "The command was accepted; the job runs.", JobStatus, headers=_STATUS_HEADERS
            ),
            200: Answer(
                "The command was carried out; the job has ended.",
                JobStatus,
                headers=_STATUS_HEADERS,
            ),
        },
        ("no_such_job", "wrong_state", "invalid_query"),
        parameters=(ID, RUN, *parameters),
    )


OPERATIONS: Final = (
    Operation(
        "submit_job",
        "post",
        "/api/jobs",
        "Submit a job. The response comes before its pictures are made.",
        {
            202: Answer(
                "Accepted, with its plan and estimate.", JobStatus, headers=_STATUS_HEADERS
            ),
            200: Answer(
                "The same job was submitted before and has ended.",
                JobStatus,
                headers=_STATUS_HEADERS,
            ),
        },
        (*_OF_A_JOB, "conflict"),
        body="Job",
        parameters=(KEY,),
    ),
    Operation(
        "submit_batch",
        "post",
        "/api/jobs/batch",
        f"Submit a list of up to {MAX_JOBS} jobs as a batch. Each job is validated separately.",
        {
            202: Answer(
                "Accepted. Rejected jobs are listed by their position.",
                SubmittedList,
                headers=_STATUS_HEADERS,
            ),
            200: Answer(
                "The same list was sent before and is completed.",
                SubmittedList,
                headers=_STATUS_HEADERS,
            ),
            400: Answer("Every job was rejected; there is no batch.", SubmittedList),
        },
        (
            *("malformed_message", "batch_conflict", "too_large", "unsupported_media_type"),
            "invalid_query",
        ),
        body="Jobs",
        parameters=(TENANT, LIST_KEY),
    ),
    Operation(
        "list_batches",
        "get",
        "/api/batches",
        "List batches, newest first, 20 a page.",
        {200: Answer("A page of batches.", BatchList)},
        ("invalid_query",),
        parameters=(LISTED[-1],),
    ),
    Operation(
        "read_batch",
        "get",
        "/api/batches/{batch_id}",
        "Return the counts, the cost and the place of the results of a batch.",
        {
            200: Answer("The batch.", BatchStatus, headers=("ETag", "Retry-After")),
            304: _SAME,
        },
        ("no_such_batch", "invalid_query"),
        parameters=(BATCH_ID, HAVE),
    ),
    Operation(
        "cancel_batch",
        "delete",
        "/api/batches/{batch_id}",
        "Cancel a batch: the rest of its file is not read, and its running jobs are cancelled.",
        {
            200: Answer("The batch had ended before.", BatchStatus, headers=("ETag",)),
            202: Answer("The batch ends.", BatchStatus, headers=("ETag", "Retry-After")),
        },
        ("no_such_batch", "wrong_state", "invalid_query"),
        parameters=(BATCH_ID,),
    ),
    Operation(
        "read_results",
        "get",
        "/api/batches/{batch_id}/results",
        "Download the result manifest of a completed batch: whole up to 4 MiB, in ranges above.",
        {
            200: Answer("The results, one line per entry.", media=_LINES, headers=("ETag",)),
            206: Answer("The requested range.", media=_LINES, headers=("ETag", "Content-Range")),
            302: Answer(
                "A link to a file above 4 MiB, valid for a limited time.", headers=("Location",)
            ),
            304: _SAME,
        },
        (
            *("no_such_batch", "no_results_yet", "range_needed", "range_not_satisfiable"),
            "invalid_query",
        ),
        parameters=(BATCH_ID, RANGE, HAVE),
    ),
    Operation(
        "estimate_job",
        "post",
        "/api/estimate",
        "Return the plans and the cost that a job would have. Nothing is stored.",
        {200: Answer("The plans and the estimate.", JobEstimate)},
        _OF_A_JOB,
        body="Job",
    ),
    Operation(
        "list_jobs",
        "get",
        "/api/jobs",
        "List jobs, newest first.",
        {200: Answer("A page of jobs.", JobList, headers=("ETag", "Link")), 304: _SAME},
        ("invalid_query",),
        parameters=(*LISTED, LINKS, HAVE),
    ),
    Operation(
        "count_jobs",
        "get",
        "/api/counts",
        "Count the jobs of a list by state and failure, with their cost.",
        {200: Answer("The counts.", JobCounts)},
        ("invalid_query",),
        parameters=FILTERED,
    ),
    Operation(
        "read_job",
        "get",
        "/api/jobs/{job_id}",
        "Return the state, the pictures, the decisions and the cost of a job.",
        {
            200: Answer("The job.", JobStatus, headers=("ETag", "Retry-After")),
            304: _SAME,
        },
        ("no_such_job", "invalid_query"),
        parameters=(ID, LINKS, HAVE),
    ),
    Operation(
        "read_image",
        "get",
        "/api/jobs/{job_id}/images/{number}",
        "Download a picture: whole up to 4 MiB, in ranges above.",
        {
            200: Answer("The picture.", media="image/*", headers=("ETag",)),
            206: Answer("The requested range.", media="image/*", headers=("ETag", "Content-Range")),
            302: Answer(
                "A link to a file above 4 MiB, valid for a limited time.", headers=("Location",)
            ),
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
    _command(
        "cancel_job",
        "delete",
        "",
        "Cancel a job. Calls that already run are paid for; their pictures are kept or dropped.",
        choice("result", "keep", "drop"),
        REASON,
    ),
    _command(
        "replay_job",
        "post",
        "/replay",
        "Run a failed, parked or cancelled job again: only missing pictures, or all.",
        choice("pictures", "keep", "remake"),
    ),
    _command(
        "release_job",
        "post",
        "/release",
        "Continue a parked job. It may pay again for the call whose outcome is unknown.",
    ),
    _command("fail_job", "post", "/fail", "End a parked job as failed.", REASON),
    _command(
        "approve_job",
        "post",
        "/approve",
        "Approve the pictures of a job that awaits review. It has succeeded.",
        REASON,
    ),
    _command(
        "reject_job",
        "post",
        "/reject",
        "Reject the pictures of a job that awaits review. It has failed; the pictures stay.",
        REASON,
    ),
    Operation(
        "upload_input",
        "put",
        "/api/inputs/{name}",
        "Upload a picture to edit: whole up to 4 MiB, in parts of exactly 4 MiB above.",
        {
            201: Answer("The picture is stored.", UploadedInput),
            200: Answer("The same picture was stored before.", UploadedInput),
            202: Answer("A part is stored; send the others."),
        },
        (
            *("invalid_upload", "not_allowed", "upload_conflict", "too_large"),
            *("unsupported_media_type", "invalid_query"),
        ),
        body=", ".join(PICTURE_TYPES),
        parameters=(NAME, PART, DIGEST),
    ),
    Operation(
        "erase_job",
        "post",
        "/api/jobs/{job_id}/erase",
        "Delete the personal data of a job that has ended; its id and its costs stay.",
        {200: Answer("What is left of the job.", JobStatus)},
        ("no_such_job", "wrong_state", "invalid_query"),
        parameters=(ID,),
    ),
    Operation(
        "read_overview",
        "get",
        "/api/overview",
        "Return the live state of the app: the pace of each quota pool, the budget, the queues.",
        {200: Answer("The overview.", Overview)},
        ("invalid_query",),
    ),
    Operation(
        "probe_pool",
        "post",
        "/api/pools/{pool}/probe",
        "Let the next call of a pool be the probe of its open circuits.",
        {200: Answer("The pool.", PoolStatus)},
        ("no_such_pool", "invalid_query"),
        parameters=(POOL,),
    ),
)
