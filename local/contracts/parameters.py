"""The parameters of requests in `docs/schemas/openapi.json`."""

from typing import Final

from shared.http_api.job_documents import FORMS, ORIGINAL
from shared.http_api.queries import MAX_PAGE_JOBS, PAGE_JOBS
from shared.jobs.fields import BLOB_NAME, TENANT_NAME
from shared.records.commands import MAX_RUNS
from shared.records.record import JobState

type Schema = dict[str, object]

ID: Final[Schema] = {
    "name": "job_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "The id of the job. An invalid id returns the same answer as an unknown one.",
}
BATCH_ID: Final[Schema] = ID | {
    "name": "batch_id",
    "description": "The id of the batch, from its `Location` or its event.",
}
POOL: Final[Schema] = ID | {
    "name": "pool",
    "description": "The name of the quota pool, from the overview.",
}
LINKS: Final[Schema] = {
    "name": "links",
    "in": "query",
    "schema": {"enum": ["true", "false", ""], "default": "false"},
    "description": "Whether to return links that read pictures without a key for a limited time. "
    "Rejected unless `READ_LINK_SECONDS` is set.",
}
HAVE: Final[Schema] = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The `ETag` of the caller's version. 304 if it is still current.",
}
KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string"},
    "description": "For jobs without a `job_id`. Requests with the same key and body are one job.",
}
LIST_KEY: Final[Schema] = KEY | {
    "description": "Requests with the same key and body are one batch. The same key with another "
    "body is rejected. Without a key, the same body is the same batch.",
}
NUMBER: Final[Schema] = {
    "name": "number",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^(?:first|contact-sheet|[0-9]{1,4})$"},
    "description": "The number from `images` of the job, `first`, or `contact-sheet`.",
}
NAME: Final[Schema] = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": BLOB_NAME},
    "description": "The name of the picture for `inputs` or `mask` of a job; slashes are allowed.",
}
PART: Final[Schema] = {
    "name": "Content-Range",
    "in": "header",
    "schema": {"type": "string"},
    "description": "`bytes first-last/total`, of a part. Left out, the body is the whole picture.",
}
DIGEST: Final[Schema] = {
    "name": "Repr-Digest",
    "in": "header",
    "schema": {"type": "string"},
    "description": "`sha-256=:…:` of the whole picture in base64 (RFC 9530). A part needs it.",
}
FORM: Final[Schema] = {
    "name": "as",
    "in": "query",
    "schema": {"type": "string", "pattern": f"^(?:{FORMS})?$", "default": ORIGINAL},
    "description": "The original picture, or a result of `finish`: `exact`, `thumbnail` (the "
    "original if there is no thumbnail), or a rendition by quality and type, such as `q80.webp`. "
    "`preview`: the newest preview, while the picture is made.",
}
RANGE: Final[Schema] = {
    "name": "Range",
    "in": "header",
    "schema": {"type": "string"},
    "description": "Bytes of the picture, such as `bytes=0-`. One response holds up to 4 MiB.",
}


TENANT: Final[Schema] = {
    "name": "tenant",
    "in": "query",
    "schema": {"type": "string", "pattern": f"^$|{TENANT_NAME}"},
    "description": "The tenant of all jobs, which is then theirs alone to edit and to see. Only an "
    "operator may name one.",
}


def _text(name: str, description: str) -> Schema:
    return {
        "name": name,
        "in": "query",
        "schema": {"type": "string"},
        "description": description,
    }


#: An empty parameter counts as absent: the platform drops it.
FILTERED: Final[tuple[Schema, ...]] = (
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
        "description": "Only jobs with this tag, such as `campaign:winter`.",
    },
    *(
        _text(name, "Only jobs " + which)
        for name, which in (
            ("model", "that use this model."),
            ("batch", "that this batch began."),
            ("tenant", "of this tenant."),
            ("failure", "with this code of a failure."),
            ("text", "with this text in the id, the prompt's beginning, a model, a size or a tag."),
        )
    ),
)
LISTED: Final[tuple[Schema, ...]] = (
    *FILTERED,
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
        "description": "Jobs per page. A page may hold fewer and still have a `next`.",
    },
    {
        "name": "after",
        "in": "query",
        "schema": {"type": "string"},
        "description": "The `next` of the previous page.",
    },
)


RUN: Final[Schema] = {
    "name": "run",
    "in": "query",
    "schema": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_RUNS}, {"const": ""}]},
    "description": "The run that the caller knows. A repeated command has no second effect.",
}
REASON: Final[Schema] = {
    "name": "reason",
    "in": "query",
    "schema": {"type": "string", "maxLength": 400},
    "description": "The reason, stored in the record.",
}


def choice(name: str, default: str, other: str) -> Schema:
    """Return a parameter with two possible words."""
    return {
        "name": name,
        "in": "query",
        "schema": {"enum": [default, other, ""], "default": default},
        "description": f"`{default}` or `{other}`.",
    }
