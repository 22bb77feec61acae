"""The parameters of requests, as `docs/schemas/openapi.json` describes them."""

from typing import Final

from shared.http_api.job_documents import FORMS, ORIGINAL
from shared.http_api.queries import MAX_PAGE_JOBS, PAGE_JOBS
from shared.jobs.commands import MAX_RUNS
from shared.records.record import JobState

type Schema = dict[str, object]

ID: Final[Schema] = {
    "name": "job_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "The job's id. One that no job can have is answered like one that none has.",
}
BATCH_ID: Final[Schema] = ID | {
    "name": "batch_id",
    "description": "The batch's id, as its `Location` or its event tells it.",
}
LINKS: Final[Schema] = {
    "name": "links",
    "in": "query",
    "schema": {"enum": ["true", "false", ""], "default": "false"},
    "description": "Whether to give links that read pictures without a key, for a limited time; "
    "refused where the app is not set up for it (`READ_LINK_SECONDS`).",
}
HAVE: Final[Schema] = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The `ETag` of what the caller has: 304 if that is still what there is.",
}
KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string"},
    "description": "For jobs without a `job_id`: requests with one key and one body are one job.",
}
LIST_KEY: Final[Schema] = KEY | {
    "description": "Requests with one key and one body are one batch, and another body is refused; "
    "without a key the body is its own: sent again, it is the batch that it was.",
}
NUMBER: Final[Schema] = {
    "name": "number",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^(?:first|contact-sheet|[0-9]{1,4})$"},
    "description": "As `images` of the job tells it, `first`, or `contact-sheet`.",
}
FORM: Final[Schema] = {
    "name": "as",
    "in": "query",
    "schema": {"type": "string", "pattern": f"^(?:{FORMS})?$", "default": ORIGINAL},
    "description": "The picture as it came, or what `finish` made of it: `exact`, `thumbnail` (the "
    "picture itself where none was made), or a rendition by quality and type, as `q80.webp`.",
}
RANGE: Final[Schema] = {
    "name": "Range",
    "in": "header",
    "schema": {"type": "string"},
    "description": "Bytes of the picture, as `bytes=0-`: one answer holds up to 4 MiB.",
}
#: An empty parameter is one left out: the platform drops it.
LISTED: Final[tuple[Schema, ...]] = (
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


OPENING: Final[Schema] = {
    "name": "run",
    "in": "query",
    "schema": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_RUNS}, {"const": ""}]},
    "description": "Of the job as the caller knows it: an order sent twice is carried out once.",
}
REASON: Final[Schema] = {
    "name": "reason",
    "in": "query",
    "schema": {"type": "string", "maxLength": 400},
    "description": "A word for it, kept in the record.",
}


def choice(name: str, default: str, other: str) -> Schema:
    """Return a parameter that is one of two words."""
    return {
        "name": name,
        "in": "query",
        "schema": {"enum": [default, other, ""], "default": default},
        "description": f"`{default}` or `{other}`.",
    }
