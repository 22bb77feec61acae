"""Small JSON documents as blobs, and the one loop of conditional writes.

A write carries an id in the blob's metadata. When a conditional write is refused, the id of the
stored blob tells whether it was our own first try, whose reply got lost and which was repeated, or
somebody else's write. Comparing contents could not: two claims of one task may be equal to the
letter, and only one of them holds the task.
"""

import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from pydantic import BaseModel, ValidationError

from ..errors import (
    AlreadyExists,
    BlobLeased,
    NewerRecord,
    StaleVersion,
    StoreUnavailable,
    UnreadableRecord,
)
from ..jobs.validation import plain_faults
from ..ports import Blob, Blobs, Clock, Versioned

_WRITE_ID: Final = "write_id"
#: Writes lost in a row before storage counts as unavailable. A job has at most a hundred writers,
#: one a call, and a pool or budget has one a host.
MAX_TRIES: Final = 200
#: The wait before the second try and the longest one, seconds; half of each is chance, so that two
#: writers do not lose to each other forever.
FIRST_WAIT: Final = 0.01
LONGEST_WAIT: Final = 0.5
#: Faults of a whole document that uses what only a newer version knows: a field of the job, or one
#: more value of an enumeration.
_UNKNOWN_HERE: Final = frozenset({"extra_forbidden", "enum", "literal_error"})
#: The most that one listing returns.
_MOST_LISTED: Final = 5_000


async def until_written[T](
    attempt: Callable[[bool], Awaitable[T]], clock: Clock, *, what: str
) -> T:
    """Read, change and write a document until no other writer was faster; return the result.

    `attempt` gets whether it is the first one. Raises `StoreUnavailable` when other writers win
    `MAX_TRIES` times.
    """
    for tries in range(MAX_TRIES):
        if tries:
            longest = min(FIRST_WAIT * 2 ** min(tries, 9), LONGEST_WAIT)
            await clock.sleep(longest * random.uniform(0.5, 1))  # noqa: S311 (no secret)
        try:
            return await attempt(tries == 0)
        except (StaleVersion, AlreadyExists):
            continue
    raise StoreUnavailable(f"the {what} changed {MAX_TRIES} times during one change")


async def list_all(blobs: Blobs, prefix: str) -> AsyncIterator[tuple[str, Blob]]:
    """Yield every blob of a prefix, in order; one listing for each 5,000."""
    after: str | None = None
    while True:
        page = await blobs.list(prefix, limit=_MOST_LISTED, after=after)
        for name, blob in page.blobs.items():
            yield name, blob
        after = page.next
        if after is None:
            return


class Documents[T: BaseModel]:
    """Documents of one kind in a container, by the names of their blobs."""

    def __init__(self, blobs: Blobs, model: type[T]) -> None:
        self.blobs, self.model = blobs, model

    async def read(self, name: str) -> Versioned[T] | None:
        """Return the document; None when it does not exist.

        Raises `UnreadableRecord` if it is damaged, `NewerRecord` if a newer version wrote it.
        """
        blob = await self.blobs.read(name)
        if blob is None:
            return None
        try:
            return Versioned(self.model.model_validate_json(blob.body), blob.version)
        except ValidationError as error:
            faults = "; ".join(map(str, plain_faults(error)))
            kind = NewerRecord if self._is_newer(error) else UnreadableRecord
            raise kind(f"this version cannot read {name!r}: {faults}") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # An upgrade expects every field of the earlier shape.
            why = f"this version cannot read {name!r}: it is damaged ({type(error).__name__})"
            raise UnreadableRecord(why) from error

    def _is_newer(self, error: ValidationError) -> bool:
        faults = error.errors(include_url=False)
        if {fault["type"] for fault in faults} <= _UNKNOWN_HERE:
            return True
        known = self.model.model_fields.get("version")
        written = next((each["input"] for each in faults if each["loc"] == ("version",)), None)
        return known is not None and isinstance(written, int) and written > known.default

    async def write(self, name: str, document: T, version: str | None = None) -> str:
        """Write a new document, or replace this version of it, and return the new version.

        Raises `AlreadyExists` or `StaleVersion` when another writer was faster.
        """
        write_id, body = uuid.uuid4().hex, document.model_dump_json().encode()
        try:
            return await self.blobs.put(
                name,
                body,
                metadata={_WRITE_ID: write_id},
                if_absent=version is None,
                if_version=version,
            )
        except BlobLeased as error:
            if version is None:  # only a blob that exists can be leased
                raise AlreadyExists(str(error)) from error
            raise
        except (AlreadyExists, StaleVersion):
            found = await self.blobs.find(name)
            if found and found.metadata.get(_WRITE_ID) == write_id:
                return found.version
            raise
