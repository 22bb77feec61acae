"""Dead letters: what the app refused, gave up on or could not deliver, kept for people."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from typing import Final

from ..config.settings import Settings
from ..errors import ImageJobsError
from ..events.delivery import Delivery
from ..jobs.commands import Action, Command
from ..records.dead_letter import DeadLetter, DeadLetterKind, read_dead_letter
from .results import NoSuchBlob
from .storage import Storage

#: The most that one day's listing shows.
MOST_A_DAY: Final = 5_000
#: Letters read before it is asked whether there are enough.
MOST_AT_ONCE: Final = 100
_SUFFIX: Final = ".json"


class NotAMessage(ImageJobsError):
    """The dead letter holds nothing that could be sent again."""


async def newest_letters(
    storage: Storage,
    settings: Settings,
    *,
    days: int,
    limit: int,
    reason: str | None = None,
    last: date | None = None,
) -> list[DeadLetter]:
    """Return the letters of the last days, the newest day first: a listing a day, a read each.

    `last` is the newest of those days, today where it is None. With a `reason`, those that have
    it; what was read and has another is not counted.
    """
    container, newest = settings.dead_letters_container, last or storage.now().date()
    found: list[DeadLetter] = []
    for back in range(days):
        listed = await storage.listed(container, prefix=_day(newest, back), most=MOST_A_DAY)
        names = [each.name.removesuffix(_SUFFIX) for each in listed]
        while names and len(found) < limit:
            some = names[: limit if reason is None else MOST_AT_ONCE]
            names = names[len(some) :]
            letters = await _read(some, storage, settings)
            found += [each for each in letters if reason in {None, each.reason}]
        if len(found) >= limit:
            break
    return found[:limit]


async def _read(names: Sequence[str], storage: Storage, settings: Settings) -> list[DeadLetter]:
    reads = [partial(letter_of, name, storage, settings) for name in names]
    found: list[DeadLetter] = []
    for each in await storage.all_of(reads):
        if isinstance(each, DeadLetter):
            found.append(each)
        elif not isinstance(each, NoSuchBlob):  # purged since it was listed
            raise each
    return found


async def letter_of(name: str, storage: Storage, settings: Settings) -> DeadLetter:
    """Read one letter; `NoSuchBlob` when there is none."""
    stored = await storage.read(settings.dead_letters_container, f"{name}{_SUFFIX}")
    if stored is None:
        raise NoSuchBlob(f"there is no dead letter {name!r}; `dead list` names them")
    return read_dead_letter(stored.body, name=name)


async def send_again(name: str, storage: Storage, settings: Settings) -> str:
    """Try a letter again, and say how; the letter stays.

    A message of the jobs queue goes back there as it was; a job that failed, or whose task did, is
    replayed for the pictures that are missing; an event is delivered for another day. Raises
    `NotAMessage` when the letter holds none of them.
    """
    letter = await letter_of(name, storage, settings)
    match letter:
        case DeadLetter(kind=DeadLetterKind.MESSAGE, message=bytes() as message):
            await storage.send(settings.jobs_queue, message)
            return f"{name} is on the queue again"
        case DeadLetter(kind=DeadLetterKind.JOB | DeadLetterKind.TASK, job_id=str() as job_id):
            # A replay that names its run is executed once, however often it is sent.
            command = Command(command=Action.REPLAY, job_id=job_id, run=letter.run)
            await storage.send(settings.jobs_queue, command.to_bytes())
            return f"{name}: the replay of {job_id} is on the queue"
        case DeadLetter(kind=DeadLetterKind.DELIVERY, sink=str() as sink, event=dict() as event):
            delivery = Delivery(sink=sink, since=storage.now(), event=event)
            await storage.send(settings.deliveries_queue, delivery.to_bytes())
            return f"{name}: the event is on its way to {sink} again"
        case _:
            raise NotAMessage(f"{name!r} holds no message, job or event that can be sent again")


async def purge(name: str, storage: Storage, settings: Settings) -> None:
    """Delete a letter; `NoSuchBlob` when there is none."""
    if not await storage.remove(settings.dead_letters_container, f"{name}{_SUFFIX}"):
        raise NoSuchBlob(f"there is no dead letter {name!r}; `dead list` names them")


def _day(today: date, back: int) -> str:
    return f"{today - timedelta(days=back):%Y/%m/%d}/"
