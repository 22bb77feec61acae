"""Orders to the app: cancel, release, fail, replay; checked on the record before they are sent."""

from datetime import timedelta
from typing import Final, Literal

from ..config.settings import Settings
from ..jobs.commands import Action, Command
from ..records.commands import apply_command
from .following import status_of
from .results import Receipt, Status, StillRunning
from .storage import Storage

#: How long an order is waited for, seconds: the app takes one within its polling of a quiet queue,
#: up to a minute.
COMMAND_SECONDS: Final = 90.0
#: Between two looks whether an order was carried out, seconds.
LOOK: Final = 0.5


async def give(
    whose: str | Receipt,
    action: Action,
    storage: Storage,
    settings: Settings,
    *,
    within: float,
    result: Literal["keep", "drop"] = "keep",
    pictures: Literal["keep", "remake"] = "keep",
    reason: str = "",
) -> Status:
    """Send an order and return the job's status once it is carried out.

    Raises `IllegalStep`, and sends nothing, when the job does not stand so that it can be;
    `StillRunning` when it was not within so many seconds: the order stays on the queue.
    """
    before = await status_of(whose, storage, settings)
    command = Command(
        command=action,
        job_id=before.job_id,
        run=before.record.run,
        result=result,
        pictures=pictures,
        reason=reason,
    )
    if apply_command(before.record, command, now=storage.now()) == before.record:
        return before
    await storage.send(settings.jobs_queue, command.to_bytes())
    end = storage.now() + timedelta(seconds=within)
    while storage.now() < end:
        await storage.pause(LOOK)
        after = await status_of(before.job_id, storage, settings)
        if _is_done(action, before, after):
            return after
    raise StillRunning(
        f"the order to {action} {before.job_id!r} was sent, and not carried out within {within:g} s"
    )


def _is_done(action: Action, before: Status, after: Status) -> bool:
    opened_anew = after.record.run > before.record.run
    if action is not Action.CANCEL:
        return opened_anew
    return opened_anew or after.ended or after.record.cancel_requested is not None
