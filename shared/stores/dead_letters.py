"""Dead letters, `{yyyy}/{mm}/{dd}/{name}.json`: what the app gave up on, kept for people."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from ..errors import UnreadableRecord
from ..jobs.fields import is_job_id
from ..ports import Blobs
from .documents import list_all

if TYPE_CHECKING:
    from ..records.dead_letter import DeadLetter

_SUFFIX: Final = ".json"
#: The label of a dead letter by which that of a job is found.
_JOB_ID: Final = "job_id"
#: Of one day that are listed.
_MOST: Final = 5_000


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters in their container; a name is read with or without its extension."""

    blobs: Blobs

    async def put(self, letter: "DeadLetter") -> str:
        """Store a dead letter and return its name; one of the same name is overwritten."""
        label = {_JOB_ID: letter.job_id} if letter.job_id and is_job_id(letter.job_id) else None
        await self.blobs.put(letter.blob_name, letter.to_bytes(), metadata=label)
        return letter.blob_name

    async def names(self, day: date) -> list[str]:
        """Return the names of a day's dead letters, in order, 5,000 at most; one listing."""
        page = await self.blobs.list(f"{day:%Y/%m/%d}/", limit=_MOST)
        return [name.removesuffix(_SUFFIX) for name in page.blobs]

    async def find(self, job_id: str, day: date) -> "DeadLetter | None":
        """Return a dead letter of a job that was written on a day; one listing."""
        page = await self.blobs.list(f"{day:%Y/%m/%d}/", limit=_MOST)
        for name, blob in page.blobs.items():
            if blob.metadata.get(_JOB_ID) == job_id:
                return await self.read(name)
        return None

    async def names_of(self, job_id: str, events: Collection[str]) -> list[str]:
        """Return the names of a job's dead letters, and of those of its events; lists all letters.

        `events` are the ids of its events, with which the names of theirs begin.
        """
        return [
            name
            async for name, blob in list_all(self.blobs, "")
            if blob.metadata.get(_JOB_ID) == job_id
            or name.rpartition("/")[2].partition(".")[0] in events
        ]

    async def read(self, name: str) -> "DeadLetter | None":
        """Return a dead letter; None if it does not exist; `UnreadableRecord` if damaged."""
        from ..records.dead_letter import read_dead_letter  # noqa: PLC0415 (the app only writes)

        name = name.removesuffix(_SUFFIX)
        found = await self.blobs.read(f"{name}{_SUFFIX}")
        try:
            return read_dead_letter(found.body, name=name) if found else None
        except ValueError as error:
            raise UnreadableRecord(f"this version cannot read the dead letter {name!r}") from error

    async def delete(self, name: str) -> bool:
        """Delete a dead letter; return False when it does not exist."""
        return await self.blobs.delete(f"{name.removesuffix(_SUFFIX)}{_SUFFIX}")
