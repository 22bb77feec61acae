"""The index of jobs: empty blobs beside the records, with all facts in their name and metadata.

`open/{name}` is an open job, `ended/{name}` one that has ended. Both sort newest first, so a page
is a listing of each, merged (docs/decisions/0007).
"""

import contextlib
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from ..errors import StaleVersion
from ..ports import Blob, Blobs
from ..records.index_entry import (
    Cursor,
    IndexEntry,
    JobFilter,
    JobSums,
    Page,
    from_metadata,
    newest,
    read_cursor,
    to_metadata,
)
from ..records.record import JobState
from ..redaction import quote_fact
from .documents import list_all

_LOG: Final = logging.getLogger("image_jobs")

OPEN: Final = "open/"
ENDED: Final = "ended/"
_ENTRY: Final = "entry"
_NEXT_CHECK_AT: Final = "next_check_at"
#: The most that one listing returns.
_MOST: Final = 5_000
_ALWAYS: Final = datetime.max.replace(tzinfo=UTC)
#: How long counts of open jobs are believed.
_FRESH: Final = timedelta(seconds=5)
#: Listings that one page may cost, however many jobs its filter passes over.
_LISTINGS: Final = 4


@dataclass(frozen=True, slots=True)
class OpenEntry:
    """An open job in the index, and the version that a conditional change names."""

    entry: IndexEntry
    #: A sweep checks the job from then on.
    next_check_at: datetime
    version: str


@dataclass(slots=True)
class _OpenCounts:
    """Open jobs by tenant, as of a moment and with those that this process has admitted since."""

    by_tenant: Counter[str] = field(default_factory=Counter)
    at: datetime | None = None


class JobIndex:
    """Which jobs are open, and all jobs newest first, without reading a record."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self._counts = _OpenCounts()

    async def admit(
        self, tenant: str, counts: Callable[[str], bool], *, most: int, now: datetime
    ) -> bool:
        """Return whether one more job of a tenant makes at most `most` open ones, and count it.

        `counts` says whose jobs count. Jobs are listed again after 5 seconds, so several processes
        together may admit a few more.
        """
        if self._counts.at is None or not timedelta() <= now - self._counts.at < _FRESH:
            opened = [each.entry.tenant async for each in self.open_entries(due=_ALWAYS)]
            self._counts.by_tenant, self._counts.at = Counter(opened), now
        found = sum(count for name, count in self._counts.by_tenant.items() if counts(name))
        if found >= most:
            return False
        self._counts.by_tenant[tenant] += 1
        return True

    async def add(self, entry: IndexEntry, *, next_check_at: datetime) -> OpenEntry:
        """Add an open job before its record exists, or overwrite its entry; one write."""
        labels = _metadata(entry, next_check_at)
        version = await self.blobs.put(_open(entry), b"", metadata=labels)
        return OpenEntry(entry, next_check_at, version)

    async def postpone(self, found: OpenEntry, *, next_check_at: datetime) -> None:
        """Let sweeps check the job later, unless its entry was changed or removed; one write."""
        labels = _metadata(found.entry, next_check_at)
        with contextlib.suppress(StaleVersion):
            name = _open(found.entry)
            await self.blobs.put(name, b"", metadata=labels, if_version=found.version)

    async def remove(self, found: OpenEntry) -> None:
        """Remove the entry of a job that does not exist, unless it was changed; one delete."""
        with contextlib.suppress(StaleVersion):
            await self.blobs.delete(_open(found.entry), if_version=found.version)

    async def close(self, entry: IndexEntry) -> None:
        """Keep the entry of an ended job, then remove the open one; one write, one delete."""
        name = f"{ENDED}{entry.name}"
        await self.blobs.put(name, b"", metadata={_ENTRY: to_metadata(entry)})
        await self.blobs.delete(_open(entry))

    async def names_of(self, entry: IndexEntry) -> list[str]:
        """Return the blobs of all runs of a job."""
        found = (list_all(self.blobs, f"{prefix}{entry.place}.") for prefix in (OPEN, ENDED))
        return [name for listing in found async for name, _ in listing]

    async def keep_only(self, entry: IndexEntry) -> None:
        """Keep this entry of an ended job, and remove those of its other runs."""
        await self.close(entry)
        for name in await self.names_of(entry):
            if name != f"{ENDED}{entry.name}":
                await self.blobs.delete(name)

    async def open_entries(self, *, due: datetime) -> AsyncIterator[OpenEntry]:
        """Yield the open jobs whose next check is due; one listing for each 5,000 open jobs."""
        after: str | None = None
        while True:
            page = await self.blobs.list(OPEN, limit=_MOST, after=after)
            for opened in _read_all(page.blobs, _open_entry):
                if opened.next_check_at <= due:
                    yield opened
            after = page.next
            if after is None:
                return

    async def page(
        self,
        *,
        after: str | None = None,
        limit: int = 50,
        wanted: JobFilter = JobFilter(),  # noqa: B008 (frozen)
    ) -> Page:
        """Return jobs, newest first; a listing of the open ones and one of the ended, as a rule."""
        cursor = read_cursor(after) if after is not None else None
        size = min(limit + 1, _MOST) if wanted.is_empty else _MOST
        listings = self._listings(wanted, size, cursor)
        found: list[IndexEntry] = []
        while len(found) < limit and sum(each.asked for each in listings) <= _LISTINGS:
            group = await _next_job(listings)
            if not group:
                return Page(entries=tuple(found))
            entry = newest(group)
            cursor = Cursor(place=entry.place, marks=tuple(listing.mark for listing in listings))
            if wanted.matches(entry):
                found.append(entry)
        more = cursor is not None and [listing for listing in listings if await listing.head()]
        return Page(entries=tuple(found), next=cursor.to_text() if cursor and more else None)

    async def sums(self, wanted: JobFilter) -> JobSums:
        """Return sums over the jobs of a list, newest first: at most 20,000 are looked at."""
        listings, sums = self._listings(wanted, _MOST, None), JobSums()
        oldest: datetime | None = None
        while sum(each.asked for each in listings) <= _LISTINGS:
            group = await _next_job(listings)
            if not group:
                return sums
            entry = newest(group)
            oldest = entry.accepted_at
            if wanted.matches(entry):
                sums.add(entry)
        return sums.model_copy(update={"since": oldest})

    def _listings(self, wanted: JobFilter, size: int, cursor: Cursor | None) -> list["_Listing"]:
        prefixes = (OPEN,) if wanted.state is JobState.RUNNING else (OPEN, ENDED)
        marks = (*cursor.marks, None, None) if cursor else (None, None)
        return [
            _Listing(self.blobs, prefix, size, cursor, mark)
            for prefix, mark in zip(prefixes, marks, strict=False)
        ]


@dataclass(slots=True)
class _Listing:
    """One sorted listing of the container, read a page at a time from where a cursor says."""

    blobs: Blobs
    prefix: str
    #: Blobs in a page.
    size: int
    cursor: Cursor | None
    #: Where the current page begins, as storage marks it; None at the first.
    mark: str | None
    next_mark: str | None = None
    #: Pages asked for so far.
    asked: int = 0
    entries: deque[IndexEntry] = field(default_factory=deque)

    async def head(self) -> IndexEntry | None:
        """Return the next entry and leave it there, or None at the end."""
        while not self.entries:
            if self.asked:
                if not self.next_mark:
                    return None
                self.mark = self.next_mark
            self.asked += 1
            page = await self.blobs.list(self.prefix, limit=self.size, after=self.mark)
            self.next_mark = page.next
            for entry in _read_all(page.blobs, _entry):
                if self.cursor is None or self.cursor.is_before(entry.name):
                    self.entries.append(entry)
        return self.entries[0]


async def _next_job(listings: list[_Listing]) -> list[IndexEntry]:
    """Take every entry of the job that comes next: its openings follow one another."""
    heads = [entry for listing in listings if (entry := await listing.head())]
    if not heads:
        return []
    place = min(heads, key=lambda entry: entry.name).place
    group: list[IndexEntry] = []
    for listing in listings:
        while (entry := await listing.head()) and entry.place == place:
            group.append(listing.entries.popleft())
    return group


def _open(entry: IndexEntry) -> str:
    return f"{OPEN}{entry.name}"


def _metadata(entry: IndexEntry, next_check_at: datetime) -> dict[str, str]:
    return {_ENTRY: to_metadata(entry), _NEXT_CHECK_AT: next_check_at.isoformat()}


def _read_all[T](blobs: Mapping[str, Blob], read: Callable[[str, Blob], T]) -> Iterator[T]:
    """Yield what the blobs of a listing hold; skip and log those that are not the index's own."""
    foreign: list[str] = []
    for name, blob in blobs.items():
        try:
            found = read(name, blob)
        except (KeyError, ValueError, TypeError):
            foreign.append(name)
        else:
            yield found
    if foreign:
        said = "index: skipped blobs=%d first=%s: they are not entries of the index"
        _LOG.warning(said, len(foreign), quote_fact(foreign[0]))


def _entry(name: str, blob: Blob) -> IndexEntry:
    entry = from_metadata(blob.metadata[_ENTRY])
    if name not in {_open(entry), f"{ENDED}{entry.name}"}:
        raise ValueError(f"{name!r} has the entry of {entry.name!r}")  # a copy: listed out of order
    return entry


def _open_entry(name: str, blob: Blob) -> OpenEntry:
    next_check_at = datetime.fromisoformat(blob.metadata[_NEXT_CHECK_AT])
    if next_check_at.tzinfo is None:
        raise ValueError(f"{next_check_at} has no time zone")
    return OpenEntry(_entry(name, blob), next_check_at, blob.version)
