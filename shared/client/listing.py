"""The newest jobs, off the register that the app keeps beside the records."""

from itertools import groupby
from typing import Final

from ..entries import Entry, from_metadata, newest
from ..records import JobState
from ..settings import Settings
from .storage import Listed, Storage

#: Where open and ended jobs stand in the container of the records, newest first.
OPEN: Final = "open/"
ENDED: Final = "ended/"
_ENTRY: Final = "entry"
#: The most that one listing returns.
MOST: Final = 5_000


async def newest_jobs(
    storage: Storage, settings: Settings, *, limit: int, state: JobState | None
) -> list[Entry]:
    """Return the newest jobs, of one state if it is given: one listing or two.

    With a state, as many as are found among the newest 5,000.
    """
    most = min(limit if state is None else MOST, MOST)
    prefixes = (OPEN,) if state is JobState.RUNNING else (OPEN, ENDED)
    found: list[Entry] = []
    for prefix in prefixes:
        blobs = await storage.listed(settings.jobs_container, prefix=prefix, most=most)
        found += map(_entry, blobs)
    found.sort(key=lambda entry: entry.name)
    jobs = [newest(group) for _, group in groupby(found, key=lambda entry: entry.place)]
    return [job for job in jobs if state in {None, job.state}][:limit]


def _entry(blob: Listed) -> Entry:
    return from_metadata(blob.metadata[_ENTRY])
