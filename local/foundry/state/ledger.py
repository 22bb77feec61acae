"""What was made must be paid, whether or not anybody was there to take it."""

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from pydantic import JsonValue

from local.foundry.replies.tokens import Usage


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as it was made."""

    bytes: int
    sha256: str


@dataclass(slots=True)
class Entry:
    """One paid call. `received`: the whole reply was handed to a client that was still there."""

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
        """The entry as JSON."""
        return {
            **asdict(self),
            "pictures": [asdict(each) for each in self.pictures],
            "usage": {**asdict(self.usage), "total": self.usage.total},
        }


@dataclass(frozen=True, slots=True)
class Call:
    """One call, paid or not, and how it ended."""

    at: str
    request_id: str
    client_request_id: str | None
    deployment: str | None
    outcome: str


class Ledger:
    """All paid calls, and the last 10,000 calls with their outcome."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.calls: deque[Call] = deque(maxlen=10_000)
        self.outcomes: Counter[str] = Counter()

    def bill(self, entry: Entry) -> Entry:
        """Write a call down as paid."""
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
        """Write down how a call ended."""
        now = datetime.now(UTC).isoformat()
        self.calls.append(Call(now, request_id, client_request_id, deployment, outcome))
        self.outcomes[outcome] += 1

    def clear(self) -> None:
        """Begin anew."""
        self.entries.clear()
        self.calls.clear()
        self.outcomes.clear()

    def document(self) -> JsonValue:
        """All of it as JSON."""
        return {
            "usd": round(sum(entry.usd for entry in self.entries), 6),
            "paid_calls": len(self.entries),
            "pictures": sum(len(entry.pictures) for entry in self.entries),
            "not_received": sum(not entry.received for entry in self.entries),
            "outcomes": dict(self.outcomes),
            "entries": [entry.document() for entry in self.entries],
            "calls": [asdict(call) for call in self.calls],
        }
