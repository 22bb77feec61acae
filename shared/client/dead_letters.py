"""Dead letters: what the app refused, gave up on or could not deliver, kept for people."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

from ..config.settings import Settings
from ..errors import ImageJobsError
from ..events.delivery import Delivery
from ..jobs.commands import Action, Command
from .results import NoSuchBlob
from .storage import Storage

#: The most that one day's listing shows.
MOST_A_DAY: Final = 5_000
#: Letters read before it is asked whether there are enough.
MOST_AT_ONCE: Final = 100
_SUFFIX: Final = ".json"


class NotAMessage(ImageJobsError):
    """The dead letter holds nothing that could be sent again."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter."""

    #: Its blob, less the extension: day, then job or digest.
    name: str
    content: Mapping[str, Any]

    @property
    def reason(self) -> str:
        """A code: of the rejection, of the failure, or what else the letter calls its reason."""
        failure = self._failure
        return str(self.content.get("reason") or (failure and failure.get("code")) or "unknown")

    @property
    def job_id(self) -> str | None:
        """Whose it is, where that could be read."""
        told = self.content.get("job_id")
        return told if told is not None else self._task.get("job_id")

    @property
    def said(self) -> str:
        """Why, in a sentence or several."""
        faults = self.content.get("faults") or ()
        if faults:
            return "; ".join(f"{each['field']}: {each['message']}" for each in faults)
        failure = self._failure
        return str(failure["message"] if failure else self.content.get("why", ""))

    def is_of(self, queue: str) -> bool:
        """Tell whether the letter holds a message of this queue, the jobs queue.

        A refusal names its faults; of what the platform gave up on, the queue is written down.
        """
        return self.message is not None and (
            "faults" in self.content or self.content.get("queue") == queue
        )

    @property
    def message(self) -> bytes | None:
        """The message as it stood on the queue, where the letter is of one."""
        text = self.content.get("message_base64")
        try:
            return base64.b64decode(text, validate=True) if isinstance(text, str) else None
        except ValueError:
            return None

    @property
    def replay(self) -> Command | None:
        """The order that replays the letter's job, where it has a record: once, if sent twice."""
        if not ("tasks" in self.content or self._task) or self.job_id is None:
            return None
        run = self.content.get("runs", 1) if "tasks" in self.content else None
        return Command(command=Action.REPLAY, job_id=self.job_id, run=run)

    def dispatch(self, now: datetime) -> Delivery | None:
        """The event that a sink would not have, to be offered for another day."""
        sink, event = self.content.get("sink"), self.content.get("event")
        if self.reason != "undeliverable" or not (sink and event):
            return None
        return Delivery(sink=sink, since=now, event=event)

    @property
    def _task(self) -> Mapping[str, Any]:
        """What a message of a lane says, where the letter is of one."""
        try:
            found = json.loads(self.message or b"null")
        except ValueError:
            return {}
        return found if isinstance(found, dict) and {"job_id", "task"} <= set(found) else {}

    @property
    def _failure(self) -> Mapping[str, Any] | None:
        """The first failure among the tasks of a record, which is what a failed job leaves."""
        tasks = self.content.get("tasks") or ()
        return next((task["failure"] for task in tasks if task.get("failure")), None)


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
    return DeadLetter(name, json.loads(stored.body))


async def send_again(name: str, storage: Storage, settings: Settings) -> str:
    """Try a letter again, and tell how; the letter stays.

    A message that was refused goes back on the jobs queue as it was; a job that failed is replayed,
    for what is missing; an event that was not delivered is offered for another day.
    `NotAMessage` when the letter holds none of them.
    """
    letter = await letter_of(name, storage, settings)
    if letter.message is not None and letter.is_of(settings.jobs_queue):
        await storage.send(settings.jobs_queue, letter.message)
        return f"{name} is on the queue again"
    if command := letter.replay:
        await storage.send(settings.jobs_queue, command.to_bytes())
        return f"{name}: the replay of {command.job_id} is on the queue"
    if dispatch := letter.dispatch(storage.now()):
        await storage.send(settings.deliveries_queue, dispatch.to_bytes())
        return f"{name}: the event is on its way to {dispatch.sink} again"
    raise NotAMessage(f"{name!r} holds no message, job or event that could be sent again")


async def purge(name: str, storage: Storage, settings: Settings) -> None:
    """Delete a letter; `NoSuchBlob` when there is none."""
    if not await storage.remove(settings.dead_letters_container, f"{name}{_SUFFIX}"):
        raise NoSuchBlob(f"there is no dead letter {name!r}; `dead list` names them")


def _day(today: date, back: int) -> str:
    return f"{today - timedelta(days=back):%Y/%m/%d}/"
