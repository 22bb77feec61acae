"""The register as empty blobs beside the records: all they say is their name and metadata.

`open/{name}` marks an open job, `ended/{name}` keeps an ended one; both sort newest first, so a
page is a listing of each, merged. docs/decisions says what each step costs.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Final

from ..adapters.storage.blobs import Blob, Blobs, if_still
from ..adapters.storage.rest import StorageRefusal
from ..errors import UnreadableCursor
from ..ports import OpenEntry
from ..records.index_entry import (
    Cursor,
    IndexEntry,
    Page,
    from_metadata,
    newest,
    read_cursor,
    to_metadata,
)
from ..records.record import JobState

_OPEN: Final = "open/"
_ENDED: Final = "ended/"
_ENTRY: Final = "entry"
_NEXT_CHECK_AT: Final = "next_check_at"
#: The most that one listing returns.
_MOST: Final = 5_000
#: Listings that one page may cost, however many jobs its filter passes over.
_LISTINGS: Final = 4


class BlobRegister:
    """`Register` in the container of the records."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def enter(self, entry: IndexEntry, *, next_check_at: datetime) -> OpenEntry:
        """Mark a job as open; one write."""
        doing = f"marking the job {entry.job_id} as open"
        labels = _metadata(entry, next_check_at)
        version = await self._blobs.put(_open(entry), b"", doing=doing, metadata=labels)
        return OpenEntry(entry, next_check_at, version)

    async def postpone(self, marker: OpenEntry, *, next_check_at: datetime) -> None:
        """Have sweeps look at the job later; one write."""
        doing = f"postponing the look at job {marker.entry.job_id}"
        labels, condition = _metadata(marker.entry, next_check_at), if_still(marker.version)
        with _unless_changed():
            await self._blobs.set_metadata(
                _open(marker.entry), labels, doing=doing, condition=condition
            )

    async def withdraw(self, marker: OpenEntry) -> None:
        """Take a marker away that no job needs; one delete."""
        doing, condition = f"unmarking the job {marker.entry.job_id}", if_still(marker.version)
        with _unless_changed():
            await self._blobs.delete(_open(marker.entry), doing=doing, condition=condition)

    async def close(self, entry: IndexEntry) -> None:
        """Keep the entry of an ended job, then take its marker away; one write, one delete."""
        doing, labels = f"closing the job {entry.job_id}", {_ENTRY: to_metadata(entry)}
        await self._blobs.put(f"{_ENDED}{entry.name}", b"", doing=doing, metadata=labels)
        with _unless_changed():
            await self._blobs.delete(_open(entry), doing=doing)

    async def open_entries(self, *, due: datetime) -> AsyncIterator[OpenEntry]:
        """Yield the open jobs to look at by then; one listing for each 5,000 open jobs."""
        mark: str | None = None
        while True:
            doing = "listing the open jobs"
            listing = await self._blobs.list(_OPEN, doing=doing, most=_MOST, after=mark)
            for blob in listing.found.values():
                next_check_at = datetime.fromisoformat(blob.metadata[_NEXT_CHECK_AT])
                if next_check_at <= due:
                    yield OpenEntry(_entry(blob), next_check_at, blob.version)
            mark = listing.next
            if mark is None:
                return

    async def page(
        self,
        *,
        after: str | None = None,
        limit: int = 50,
        state: JobState | None = None,
        tag: tuple[str, str] | None = None,
    ) -> Page:
        """Return jobs, newest first; a listing of the open ones and one of the ended, as a rule."""
        cursor = read_cursor(after) if after is not None else None
        filtered = state is not None or tag is not None
        size = _MOST if filtered else min(limit + 1, _MOST)
        prefixes = (_OPEN,) if state is JobState.RUNNING else (_OPEN, _ENDED)
        listings = [
            _Listing(self._blobs, prefix, cursor, number=number, size=size)
            for number, prefix in enumerate(prefixes)
        ]
        found: list[IndexEntry] = []
        while len(found) < limit and sum(each.asked for each in listings) <= _LISTINGS:
            group = await _next_job(listings)
            if not group:
                return Page(entries=tuple(found))
            entry = newest(group)
            cursor = Cursor(place=entry.place, marks=tuple(listing.mark for listing in listings))
            if entry.has_tag(tag) and state in {None, entry.state}:
                found.append(entry)
        more = [listing for listing in listings if await listing.head()]
        return Page(
            entries=tuple(found), next=cursor.to_text() if more and cursor is not None else None
        )


class _Listing:
    """One sorted listing of the container, read a page at a time from where a cursor says."""

    def __init__(
        self,
        blobs: Blobs,
        prefix: str,
        cursor: Cursor | None,
        *,
        number: int,
        size: int,
    ) -> None:
        marks = cursor.marks if cursor else ()
        #: The store's mark of the page we stand in.
        self.mark = marks[number] if number < len(marks) else None
        #: Pages asked for so far.
        self.asked = 0
        self._cursor = cursor
        self._prefix = prefix
        self._entries: deque[IndexEntry] = deque()
        self._next: str | None = self.mark
        self._blobs = blobs
        self._size = size

    async def head(self) -> IndexEntry | None:
        """Return the next entry and leave it there, or None at the end."""
        while not self._entries:
            if self.asked and not self._next:
                return None
            self.mark = self._next
            self.asked += 1
            try:
                listing = await self._blobs.list(
                    self._prefix, doing="listing the jobs", most=self._size, after=self.mark
                )
            except StorageRefusal as refusal:
                if self.mark and refusal.status == HTTPStatus.BAD_REQUEST:
                    raise UnreadableCursor("the store knows no such page; start anew") from refusal
                raise
            self._next = listing.next
            ahead = [blob for name, blob in listing.found.items() if self._is_ahead(name)]
            self._entries.extend(map(_entry, ahead))
        return self._entries[0]

    def take(self) -> IndexEntry:
        return self._entries.popleft()

    def _is_ahead(self, name: str) -> bool:
        return self._cursor is None or self._cursor.is_before(name.removeprefix(self._prefix))


async def _next_job(listings: list[_Listing]) -> list[IndexEntry]:
    """Take every entry of the job that comes next: its openings follow one another."""
    heads = [entry for listing in listings if (entry := await listing.head())]
    if not heads:
        return []
    place = min(heads, key=lambda entry: entry.name).place
    group: list[IndexEntry] = []
    for listing in listings:
        while (entry := await listing.head()) and entry.place == place:
            group.append(listing.take())
    return group


def _open(entry: IndexEntry) -> str:
    return f"{_OPEN}{entry.name}"


def _metadata(entry: IndexEntry, next_check_at: datetime) -> dict[str, str]:
    return {_ENTRY: to_metadata(entry), _NEXT_CHECK_AT: next_check_at.isoformat()}


def _entry(blob: Blob) -> IndexEntry:
    return from_metadata(blob.metadata[_ENTRY])


@contextmanager
def _unless_changed() -> Iterator[None]:
    """Let a step pass whose marker was changed or taken away by another."""
    try:
        yield
    except StorageRefusal as refusal:
        gone = refusal.code == "BlobNotFound"
        if not gone and refusal.status != HTTPStatus.PRECONDITION_FAILED:
            raise
