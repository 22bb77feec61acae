"""`Operator`: what is for whoever runs the app."""

from collections.abc import Iterator
from datetime import date

from ..configuration import Configuration
from ..turns import Ledger
from . import checkup, dead_letters, quotas
from .checkup import Check
from .dead_letters import Letter
from .driving import driven, iterated
from .quotas import Today
from .storage import Storage


class Operator:
    """Dead letters, ledgers, and a check of all that the app needs; of a client's account."""

    def __init__(self, storage: Storage, app: Configuration) -> None:
        self._storage = storage
        self._app = app

    def pools(self) -> dict[str, Ledger]:
        """Tell how fast each quota pool is called, and what is blocked, by the pool's name."""
        return driven(quotas.pools_of(self._storage, self._app.settings))

    def today(self) -> Today:
        """Tell what today's calls (UTC) have cost, and what is set aside for those under way."""
        return driven(quotas.today_of(self._storage, self._app.settings))

    def dead_letters(
        self,
        *,
        days: int = 7,
        limit: int = 50,
        reason: str | None = None,
        last: date | None = None,
    ) -> list[Letter]:
        """List what the app refused, gave up on or could not deliver, the newest day first.

        `last` is the newest of the days (UTC), today where it is None. With a `reason` (a code),
        those that have it.
        """
        return driven(
            dead_letters.newest_letters(
                self._storage, self._app.settings, days=days, limit=limit, reason=reason, last=last
            )
        )

    def dead_letter(self, name: str, /) -> Letter:
        """Read one dead letter; `NoSuchBlob` when there is none."""
        return driven(dead_letters.letter_of(name, self._storage, self._app.settings))

    def send_again(self, name: str, /) -> str:
        """Try a dead letter again (its message, job or event), and tell how; the letter stays."""
        return driven(dead_letters.send_again(name, self._storage, self._app.settings))

    def purge(self, name: str, /) -> None:
        """Delete a dead letter."""
        driven(dead_letters.purge(name, self._storage, self._app.settings))

    def check(self, *, send: bool = False) -> Iterator[Check]:
        """Yield a line for each queue, container and right that callers and the app need.

        With `send`, a message is put on the jobs queue, hidden, and taken back.
        """
        return iterated(checkup.storage_checks(self._app.settings, self._storage, may_send=send))
