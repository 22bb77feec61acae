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

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import ContainerClient

from ..entries import Cursor, Entry, Page, from_metadata, newest, read_cursor, to_metadata
from ..errors import UnreadableCursor
from ..ports import Marker
from ..records import JobState
from .storage_accounts import error_code, storage_errors

_OPEN: Final = "open/"
_ENDED: Final = "ended/"
_ENTRY: Final = "entry"
_LOOK_AT: Final = "look_at"
#: The most that one listing returns.
_MOST: Final = 5_000
#: Listings that one page may cost, however many jobs its filter passes over.
_LISTINGS: Final = 4


class BlobRegister:
    """`Register` in the container of the records."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    async def enter(self, entry: Entry, *, look_at: datetime) -> Marker:
        """Mark a job as open; one write."""
        with storage_errors(f"marking the job {entry.job_id} as open"):
            written = await self._container.get_blob_client(f"{_OPEN}{entry.name}").upload_blob(
                b"", overwrite=True, metadata=_metadata(entry, look_at)
            )
        return Marker(entry, look_at, str(written["etag"]))

    async def postpone(self, marker: Marker, *, look_at: datetime) -> None:
        """Have sweeps look at the job later; one write."""
        blob = self._container.get_blob_client(f"{_OPEN}{marker.entry.name}")
        with (
            storage_errors(f"postponing the look at job {marker.entry.job_id}"),
            _unless_changed(),
        ):
            await blob.set_blob_metadata(
                _metadata(marker.entry, look_at),
                etag=marker.version,
                match_condition=MatchConditions.IfNotModified,
            )

    async def withdraw(self, marker: Marker) -> None:
        """Take a marker away that no job needs; one delete."""
        blob = self._container.get_blob_client(f"{_OPEN}{marker.entry.name}")
        with storage_errors(f"unmarking the job {marker.entry.job_id}"), _unless_changed():
            await blob.delete_blob(
                etag=marker.version, match_condition=MatchConditions.IfNotModified
            )

    async def close(self, entry: Entry) -> None:
        """Keep the entry of an ended job, then take its marker away; one write, one delete."""
        with storage_errors(f"closing the job {entry.job_id}"):
            await self._container.get_blob_client(f"{_ENDED}{entry.name}").upload_blob(
                b"", overwrite=True, metadata={_ENTRY: to_metadata(entry)}
            )
            with _unless_changed():
                await self._container.get_blob_client(f"{_OPEN}{entry.name}").delete_blob()

    async def open_entries(self, *, due: datetime) -> AsyncIterator[Marker]:
        """Yield the open jobs to look at by then; one listing for each 5,000 open jobs."""
        with storage_errors("listing the open jobs"):
            blobs = self._container.list_blobs(name_starts_with=_OPEN, include=["metadata"])
            async for blob in blobs:
                look_at = datetime.fromisoformat(blob.metadata[_LOOK_AT])
                if look_at <= due:
                    yield Marker(_entry(blob), look_at, str(blob.etag))

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
            _Listing(self._container, prefix, cursor, number=number, size=size)
            for number, prefix in enumerate(prefixes)
        ]
        found: list[Entry] = []
        with storage_errors("listing the jobs"):
            while len(found) < limit and sum(each.asked for each in listings) <= _LISTINGS:
                group = await _next_job(listings)
                if not group:
                    return Page(entries=tuple(found))
                entry = newest(group)
                cursor = Cursor(
                    place=entry.place, marks=tuple(listing.mark for listing in listings)
                )
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
        container: ContainerClient,
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
        self._entries: deque[Entry] = deque()
        self._next: str | None = self.mark
        self._pages = container.list_blobs(
            name_starts_with=prefix, include=["metadata"], results_per_page=size
        ).by_page(continuation_token=self.mark)

    async def head(self) -> Entry | None:
        """Return the next entry and leave it there, or None at the end."""
        while not self._entries:
            if self.asked and not self._next:
                return None
            self.mark = self._next
            self.asked += 1
            try:
                blobs = [blob async for blob in await anext(self._pages)]
            except StopAsyncIteration:
                self._next = None
                return None
            except HttpResponseError as error:
                if self.mark and error.status_code == HTTPStatus.BAD_REQUEST:
                    raise UnreadableCursor("the store knows no such page; start anew") from error
                raise
            self._next = self._pages.continuation_token  # type: ignore[attr-defined]  # AsyncPageIterator has it
            self._entries.extend(map(_entry, filter(self._is_ahead, blobs)))
        return self._entries[0]

    def take(self) -> Entry:
        return self._entries.popleft()

    def _is_ahead(self, blob: BlobProperties) -> bool:
        return self._cursor is None or self._cursor.is_before(blob.name.removeprefix(self._prefix))


async def _next_job(listings: list[_Listing]) -> list[Entry]:
    """Take every entry of the job that comes next: its openings follow one another."""
    heads = [entry for listing in listings if (entry := await listing.head())]
    if not heads:
        return []
    place = min(heads, key=lambda entry: entry.name).place
    group: list[Entry] = []
    for listing in listings:
        while (entry := await listing.head()) and entry.place == place:
            group.append(listing.take())
    return group


def _metadata(entry: Entry, look_at: datetime) -> dict[str, str]:
    return {_ENTRY: to_metadata(entry), _LOOK_AT: look_at.isoformat()}


def _entry(blob: BlobProperties) -> Entry:
    return from_metadata(blob.metadata[_ENTRY])


@contextmanager
def _unless_changed() -> Iterator[None]:
    """Let a step pass whose marker was changed or taken away by another."""
    try:
        yield
    except ResourceModifiedError:
        return
    except ResourceNotFoundError as error:
        if error_code(error) != "BlobNotFound":
            raise
