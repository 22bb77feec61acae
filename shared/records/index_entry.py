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

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, model_validator

from ..errors import UnreadableCursor
from ..jobs.job import DEFAULT_TENANT
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


def newest_first(at: datetime, name: str) -> str:
    """Return a name that sorts before those of earlier times."""
    milliseconds = (at - _EPOCH) // timedelta(milliseconds=1)
    return f"{_END_OF_TIME - milliseconds:013d}-{name}"


class IndexEntry(BaseModel, frozen=True, extra="allow"):
    """A job as a list shows it; small enough for the metadata of a blob."""

    job_id: str
    accepted_at: AwareDatetime
    updated_at: AwareDatetime
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
    #: Pixels of the first picture.
    cover_width: int | None = None
    cover_height: int | None = None
    batch_id: str | None = None
    tenant: str = DEFAULT_TENANT
    estimate_usd: float | None = None
    #: What is certain and what is possible; None where a price is not known.
    cost_usd: float | None = None
    cost_usd_at_most: float | None = None
    code: str | None = None
    #: The beginning of the prompt; None where a blob holds it.
    prompt: str | None = None
    tags: dict[str, str] = {}
    #: Its personal data is deleted.
    erased: bool = False

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, stored: Any) -> Any:  # noqa: ANN401 (whatever is to be validated)
        if isinstance(stored, dict) and "cost_usd" in stored:
            return {"cost_usd_at_most": stored["cost_usd"], **stored}  # an older one has one cost
        return stored

    @property
    def place(self) -> str:
        """Where the job stands among all jobs: names of newer ones sort before it."""
        return newest_first(self.accepted_at, self.job_id)

    @property
    def cover(self) -> str | None:
        """The blob that a list shows."""
        return self.thumbnail or self.picture

    @property
    def name(self) -> str:
        """The name of this run of the job."""
        return f"{self.place}.{self.run}"

    def has_text(self, text: str) -> bool:
        """Tell whether the id, the beginning of the prompt, a model, a size or a tag has it."""
        tags = (f"{name}:{value}" for name, value in self.tags.items())
        words = (self.job_id, self.prompt or "", *self.models, *self.sizes, *tags)
        return any(text.casefold() in each.casefold() for each in words)


class JobFilter(BaseModel):
    """Which jobs a list holds: those that have all that is given."""

    model_config = ConfigDict(frozen=True)

    state: JobState | None = None
    #: A name and its value.
    tag: tuple[str, str] | None = None
    model: str | None = None
    batch: str | None = None
    tenant: str | None = None
    #: A code.
    failure: str | None = None
    text: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it lets every job through."""
        return not any(getattr(self, name) for name in JobFilter.model_fields)

    def matches(self, entry: IndexEntry) -> bool:
        """Tell whether a job is in the list."""
        return (
            self.state in {None, entry.state}
            and (self.tag is None or entry.tags.get(self.tag[0]) == self.tag[1])
            and (self.model is None or self.model in entry.models)
            and self.batch in {None, entry.batch_id}
            and self.tenant in {None, entry.tenant}
            and self.failure in {None, entry.code}
            and (self.text is None or entry.has_text(self.text))
        )


class JobSums(BaseModel):
    """Sums over jobs of the index."""

    states: dict[JobState, int] = dict.fromkeys(JobState, 0)
    #: Jobs by the code of their failure.
    failures: dict[str, int] = {}
    images: int = 0
    cost_usd: float = 0.0
    cost_usd_at_most: float = 0.0
    #: Of the jobs that run.
    estimate_usd: float = 0.0
    #: When the oldest of them was accepted; None: all jobs are counted.
    since: datetime | None = None

    def add(self, entry: IndexEntry) -> None:
        """Count a job."""
        self.states[entry.state] += 1
        if entry.code:
            self.failures[entry.code] = self.failures.get(entry.code, 0) + 1
        self.images += entry.pictures
        self.cost_usd += entry.cost_usd or 0.0
        self.cost_usd_at_most += entry.cost_usd_at_most or 0.0
        if entry.state is JobState.RUNNING:
            self.estimate_usd += entry.estimate_usd or 0.0


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
        cover_width=pictures[0].width if pictures else None,
        cover_height=pictures[0].height if pictures else None,
        batch_id=record.batch.batch_id if record.batch else None,
        tenant=record.job.tenant,
        estimate_usd=record.estimate_usd,
        cost_usd=cost.cost_usd,
        cost_usd_at_most=cost.cost_usd_at_most,
        code=record.failure.code if record.failure else None,
        prompt=record.job.prompt and clip(record.job.prompt, MAX_PROMPT),
        tags=record.job.tags,
        erased=record.erased is not None,
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


class Cursor(BaseModel, frozen=True, extra="forbid"):
    """Where a list continues: after a place, within the pages of the store."""

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


class Page(BaseModel, frozen=True):
    """Some entries, newest first, and the cursor of the next page; None when it does not exist."""

    entries: tuple[IndexEntry, ...]
    next: str | None = None
