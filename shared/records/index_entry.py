"""Describe a job in the index; define how the names of its entries sort newest first.

A name is `{inverted time}-{job_id}.{run}`. The time is the job's acceptance, so a job keeps its
place in the list. The run grows each time an ended job is taken up again, so a late process can
only close an earlier run.
"""

import base64
import binascii
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ..errors import UnreadableCursor
from ..jobs.text import parse_json
from ..vocabulary import MAX_NAME_BYTES, clip
from .costs import cost_of
from .record import JobRecord, JobState

#: Milliseconds that no time of ours reaches (the year 2286); names count down from it.
_END_OF_TIME: Final = 10**13
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: What metadata holds as it is: printable ASCII but `%`, which marks what is encoded, and spaces.
_SAFE: Final = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}"

#: Bytes of a prompt, as JSON, that a list shows.
MAX_PROMPT: Final = 240

#: The first check of an open job comes this long after it was accepted: most jobs end before it.
FIRST_CHECK_AFTER: Final = timedelta(minutes=2)


class IndexEntry(BaseModel):
    """A job as a list shows it; small enough for the metadata of a blob."""

    model_config = ConfigDict(frozen=True, extra="allow")

    job_id: str
    accepted_at: datetime
    updated_at: datetime
    state: JobState = JobState.RUNNING
    run: int = 1
    models: tuple[str, ...] = ()
    #: As `1536x1024`, without repeats.
    sizes: tuple[str, ...] = ()
    #: How many are stored, and the blob of the first.
    pictures: int = 0
    picture: str | None = None
    #: The blob of a small one of that, if one was made.
    thumbnail: str | None = None
    #: What is certain and what is possible; None where a price is not known.
    cost_usd: float | None = None
    cost_usd_at_most: float | None = None
    code: str | None = None
    #: The beginning of the prompt; None where a blob holds it.
    prompt: str | None = None
    tags: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, stored: Any) -> Any:  # noqa: ANN401 (whatever is to be validated)
        if isinstance(stored, dict) and "cost_usd" in stored:
            return {"cost_usd_at_most": stored["cost_usd"], **stored}  # an older one has one cost
        return stored

    @property
    def place(self) -> str:
        """Where the job stands among all jobs: names of newer ones sort before it."""
        milliseconds = (self.accepted_at - _EPOCH) // timedelta(milliseconds=1)
        return f"{_END_OF_TIME - milliseconds:013d}-{self.job_id}"

    @property
    def cover(self) -> str | None:
        """The blob that a list shows."""
        return self.thumbnail or self.picture

    @property
    def name(self) -> str:
        """The name of this run of the job."""
        return f"{self.place}.{self.run}"

    def has_tag(self, tag: tuple[str, str] | None) -> bool:
        """Tell whether the job has the tag, a name and its value; every job has None."""
        return tag is None or self.tags.get(tag[0]) == tag[1]


def index_entry_of(record: JobRecord) -> IndexEntry:
    """Return the index entry of a record."""
    cost = cost_of(record.attempts)
    sizes = dict.fromkeys(f"{plan.width}x{plan.height}" for plan in record.plans)
    pictures = record.pictures
    return IndexEntry(
        job_id=record.job_id,
        accepted_at=record.accepted_at,
        updated_at=record.updated_at,
        state=record.state,
        run=record.run,
        models=tuple(dict.fromkeys(clip(plan.model, MAX_NAME_BYTES) for plan in record.plans)),
        sizes=tuple(sizes),
        pictures=len(pictures),
        picture=pictures[0].blob if pictures else None,
        thumbnail=_thumbnail(record, pictures[0].blob) if pictures else None,
        cost_usd=cost.cost_usd,
        cost_usd_at_most=cost.cost_usd_at_most,
        code=record.failure.code if record.failure else None,
        prompt=record.job.prompt and clip(record.job.prompt, MAX_PROMPT),
        tags=record.job.tags,
    )


def _thumbnail(record: JobRecord, blob: str) -> str | None:
    made = record.finishing.rendered if record.finishing else ()
    return next((each.blob for each in made if (each.of, each.kind) == (blob, "thumbnail")), None)


def to_metadata(entry: IndexEntry) -> str:
    """Return the entry as one value of a blob's metadata."""
    return quote(entry.model_dump_json(exclude_defaults=True), safe=_SAFE)


def from_metadata(value: str) -> IndexEntry:
    """Read an entry back; `ValueError` if it is not one."""
    return IndexEntry.model_validate_json(unquote(value))


def newest(entries: Iterable[IndexEntry]) -> IndexEntry:
    """Return the valid one of a job's entries: the last run's, an ended one before an open one."""
    return max(entries, key=lambda entry: (entry.run, entry.state is not JobState.RUNNING))


class Cursor(BaseModel):
    """Where a list continues: after a place, within the pages of the store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str
    #: The store's markers of its pages, by list; None is the first page.
    marks: tuple[str | None, ...] = ()

    def is_before(self, name: str) -> bool:
        """Tell whether a name, of any run, comes later in the list."""
        return name > f"{self.place}/"  # "/" sorts right after the "." before the run

    def to_text(self) -> str:
        """Return the cursor as callers get it: opaque, and safe in a URL."""
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """Read a caller's cursor; `UnreadableCursor` if it is not ours."""
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return Cursor.model_validate(parse_json(decoded.decode()))
    except (ValueError, ValidationError, binascii.Error) as error:
        raise UnreadableCursor("no page returned this cursor; start without one") from error


class Page(BaseModel):
    """Some entries, newest first, and the cursor of the next page; None when it does not exist."""

    model_config = ConfigDict(frozen=True)

    entries: tuple[IndexEntry, ...]
    next: str | None = None
