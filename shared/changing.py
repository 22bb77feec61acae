"""Changing a record that others change too: read, take a step, write if nobody was faster."""

from collections.abc import Callable
from typing import Final

from .errors import RecordGone, StaleVersion, StoreUnavailable
from .ports import Records, Versioned
from .records import JobRecord

#: A job has at most a hundred writers, one a call; losing this often means something else is wrong.
MAX_TRIES: Final = 200


async def change(
    records: Records,
    stored: Versioned[JobRecord],
    step: Callable[[JobRecord], JobRecord],
) -> Versioned[JobRecord]:
    """Write the next record, taking the step anew from whatever another writer left.

    The step may raise to stop (`transitions.Superseded`, say). Raises `RecordGone` when the record
    was deleted meanwhile, `StoreUnavailable` when other writers win without end.
    """
    for _ in range(MAX_TRIES):
        record = step(stored.value)
        if record == stored.value:
            return stored
        try:
            return Versioned(record, await records.replace(record, stored.version))
        except StaleVersion:
            fresh = await records.read(stored.value.job_id)
            if fresh is None:
                raise RecordGone(f"the record of {stored.value.job_id!r} is gone") from None
            stored = fresh
    raise StoreUnavailable(
        f"the record of {stored.value.job_id!r} changed {MAX_TRIES} times under our hands"
    )
