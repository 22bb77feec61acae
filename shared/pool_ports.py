"""What the work needs of the quota pools: their ledgers, in the words of `shared.turns`."""

from collections.abc import Sequence
from typing import Protocol

from .findings import Finding
from .turns import Alarm, Answer, Ask, Ledger, Permit


class Pools(Protocol):
    """The ledgers of the quota pools, `pace/{pool}.json`, shared by all hosts.

    Steps of `shared.turns`, each taken for everybody at once or not at all.
    """

    async def ask(self, question: Ask) -> Answer:
        """Ask for a turn."""
        ...

    async def wait_for(self, permit: Permit) -> bool:
        """Let others work until the turn has come; tell whether it may still be used then."""
        ...

    async def tell(self, permit: Permit, finding: Finding) -> tuple[Alarm, ...]:
        """Say what came of a turn; returns every alarm of the pool that is not raised yet.

        That a call was accepted is kept, and said with the next ask.
        """
        ...

    async def told(self, pool: str, alarms: Sequence[Alarm]) -> None:
        """Note that these alarms were raised."""
        ...

    async def look(self, pool: str) -> Ledger | None:
        """Return the ledger as it was about a second ago at most, None if there is none.

        At most one read, and no write: a look changes nothing for who asks.
        """
        ...
