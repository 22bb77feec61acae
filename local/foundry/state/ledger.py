"""The ledger: every picture that was made is billed, received or not."""

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from pydantic import JsonValue

from local.foundry.replies.tokens import Usage


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture that was made."""

    bytes: int
    sha256: str


@dataclass(slots=True)
class Entry:
    """One paid call. `received`: the client was connected until the end of the reply."""

    request_id: str
    client_request_id: str | None
    deployment: str
    model: str
    operation: str
    prompt_sha256: str
    size: str
    quality: str | None
    pictures: tuple[Picture, ...]
    usage: Usage
    usd: float
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    received: bool = False

    def document(self) -> JsonValue:
        """Return the entry as JSON."""
        return {
            **asdict(self),
            "pictures": [asdict(each) for each in self.pictures],
            "usage": {**asdict(self.usage), "total": self.usage.total},
        }


@dataclass(frozen=True, slots=True)
class Call:
    """One call, paid or not, with its outcome."""

    at: str
    request_id: str
    client_request_id: str | None
    deployment: str | None
    outcome: str


class Ledger:
    """All paid calls, and the outcomes of the last 10,000 calls."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.calls: deque[Call] = deque(maxlen=10_000)
        self.outcomes: Counter[str] = Counter()

    def bill(self, entry: Entry) -> Entry:
        """Add a paid call."""
        self.entries.append(entry)
        return entry

    def note(
        self,
        *,
        request_id: str,
        client_request_id: str | None,
        deployment: str | None,
        outcome: str,
    ) -> None:
        """Add the outcome of a call."""
        now = datetime.now(UTC).isoformat()
        self.calls.append(Call(now, request_id, client_request_id, deployment, outcome))
        self.outcomes[outcome] += 1

    def clear(self) -> None:
        """Remove every call."""
        self.entries.clear()
        self.calls.clear()
        self.outcomes.clear()

    def document(self) -> JsonValue:
        """Return the whole ledger as JSON."""
        return {
            "usd": round(sum(entry.usd for entry in self.entries), 6),
            "paid_calls": len(self.entries),
            "pictures": sum(len(entry.pictures) for entry in self.entries),
            "not_received": sum(not entry.received for entry in self.entries),
            "outcomes": dict(self.outcomes),
            "entries": [entry.document() for entry in self.entries],
            "calls": [asdict(call) for call in self.calls],
        }
