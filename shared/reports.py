"""What a piece of work did, for the one line the shell logs; never a prompt, never a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Report:
    """One word for what happened, the job, and the facts an operator looks for."""

    what: str
    job_id: str | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    #: What operators must see, each a line of its own.
    alarms: tuple[object, ...] = ()

    def __str__(self) -> str:
        facts = " ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.what} job_id={self.job_id or '-'} {facts}".rstrip()
