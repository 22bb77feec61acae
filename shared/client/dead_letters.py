"""Dead letters: what the app rejected, gave up on or could not deliver, kept for people."""

from datetime import date, timedelta
from typing import Final

from ..errors import ImageJobsError
from ..events.delivery import Delivery
from ..jobs.commands import Action, Command
from ..records.dead_letter import DeadLetter, DeadLetterKind
from .connection import Connection
from .results import NoSuchBlob

#: Read at a time where only those with a certain reason are wanted.
_AT_A_TIME: Final = 100


class NotAMessage(ImageJobsError):
    """The dead letter holds nothing that could be sent again."""


async def list_dead_letters(
    app: Connection,
    *,
    days: int,
    limit: int,
    reason: str | None = None,
    last: date | None = None,
) -> list[DeadLetter]:
    """Return the dead letters of the last days, newest day first: a listing a day, a read each.

    `last` is the newest of those days, today where it is None. With a `reason`, only those that
    have it.
    """
    newest = last or app.clock.now().date()
    found: list[DeadLetter] = []
    for back in range(days):
        names = await app.dead_letters.names(newest - timedelta(days=back))
        while names and len(found) < limit:
            some = names[: limit if reason is None else _AT_A_TIME]
            names = names[len(some) :]
            letters = await app.gather(map(app.dead_letters.read, some))
            # None: deleted since it was listed.
            found += [each for each in letters if each and reason in {None, each.reason}]
        if len(found) >= limit:
            break
    return found[:limit]


async def read_dead_letter(name: str, app: Connection) -> DeadLetter:
    """Read one dead letter; `NoSuchBlob` when it does not exist."""
    found = await app.dead_letters.read(name)
    if found is None:
        raise _missing(name)
    return found


async def send_again(name: str, app: Connection) -> str:
    """Try a dead letter again, and say how; it stays in storage.

    A message of the jobs queue goes back there as it was; a job that failed, or whose task did, is
    replayed for the pictures that are missing; an event is delivered for another day. Raises
    `NotAMessage` when the letter holds none of them.
    """
    letter = await read_dead_letter(name, app)
    match letter:
        case DeadLetter(kind=DeadLetterKind.MESSAGE, message=bytes() as message):
            await app.queues.send(app.settings.jobs_queue, message)
            return f"{name} is on the queue again"
        case DeadLetter(kind=DeadLetterKind.JOB | DeadLetterKind.TASK, job_id=str() as job_id):
            # A replay that names its run is executed once, however often it is sent.
            command = Command(command=Action.REPLAY, job_id=job_id, run=letter.run)
            await app.queues.send(app.settings.jobs_queue, command.to_bytes())
            return f"{name}: the replay of {job_id} is on the queue"
        case DeadLetter(kind=DeadLetterKind.DELIVERY, sink=str() as sink, event=dict() as event):
            delivery = Delivery(sink=sink, since=app.clock.now(), event=event)
            await app.queues.send(app.settings.deliveries_queue, delivery.to_bytes())
            return f"{name}: the event is on its way to {sink} again"
        case _:
            raise NotAMessage(f"{name!r} holds no message, job or event that can be sent again")


async def purge(name: str, app: Connection) -> None:
    """Delete a dead letter; `NoSuchBlob` when it does not exist."""
    if not await app.dead_letters.delete(name):
        raise _missing(name)


def _missing(name: str) -> NoSuchBlob:
    return NoSuchBlob(f"there is no dead letter {name!r}; `dead list` names them")
