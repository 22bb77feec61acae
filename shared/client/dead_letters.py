"""Dead letters: what the app refused, gave up on or could not deliver, kept for people."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, Final

from ..errors import ImageJobsError
from ..settings import Settings
from .failures import NoSuchBlob
from .storage import Storage

#: The most that one day's listing shows.
MOST_A_DAY: Final = 5_000
_SUFFIX: Final = ".json"


class NotAMessage(ImageJobsError):
    """The dead letter holds no message of a job that could be sent again."""


@dataclass(frozen=True, slots=True)
class Letter:
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
        return self.content.get("job_id")

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
    def _failure(self) -> Mapping[str, Any] | None:
        """The first failure among the tasks of a record, which is what a failed job leaves."""
        tasks = self.content.get("tasks") or ()
        return next((task["failure"] for task in tasks if task.get("failure")), None)


async def newest_letters(
    storage: Storage, settings: Settings, *, days: int, limit: int
) -> list[Letter]:
    """Return the letters of the last days, the newest day first: a listing a day, a read each."""
    container, today = settings.dead_letters_container, storage.now().date()
    names: list[str] = []
    for back in range(days):
        listed = await storage.listed(container, prefix=_day(today, back), most=MOST_A_DAY)
        names += [each.name.removesuffix(_SUFFIX) for each in listed]
        if len(names) >= limit:
            break
    reads = [partial(letter_of, name, storage, settings) for name in names[:limit]]
    found: list[Letter] = []
    for each in await storage.all_of(reads):
        if isinstance(each, Letter):
            found.append(each)
        elif not isinstance(each, NoSuchBlob):  # purged since it was listed
            raise each
    return found


async def letter_of(name: str, storage: Storage, settings: Settings) -> Letter:
    """Read one letter; `NoSuchBlob` when there is none."""
    stored = await storage.read(settings.dead_letters_container, f"{name}{_SUFFIX}")
    if stored is None:
        raise NoSuchBlob(f"there is no dead letter {name!r}; `dead list` names them")
    return Letter(name, json.loads(stored.body))


async def send_again(name: str, storage: Storage, settings: Settings) -> None:
    """Put a letter's message back on the jobs queue, as it was; the letter stays.

    `NotAMessage` for what a job left that was taken in: that is replayed by its id.
    """
    letter = await letter_of(name, storage, settings)
    if letter.message is None or not letter.is_of(settings.jobs_queue):
        whose = f"`image-jobs replay {letter.job_id}`" if letter.job_id else "nothing does that"
        raise NotAMessage(f"{name!r} holds no message of the jobs queue to send again; {whose}")
    await storage.send(settings.jobs_queue, letter.message)


async def purge(name: str, storage: Storage, settings: Settings) -> None:
    """Delete a letter; `NoSuchBlob` when there is none."""
    if not await storage.remove(settings.dead_letters_container, f"{name}{_SUFFIX}"):
        raise NoSuchBlob(f"there is no dead letter {name!r}; `dead list` names them")


def _day(today: date, back: int) -> str:
    return f"{today - timedelta(days=back):%Y/%m/%d}/"
