"""What goes wrong, and how often: faults of the endpoint, jobs of every policy, messages twice."""

import random
from collections.abc import Iterator
from typing import Any, Final

#: Faults of the emulator and the share of calls each hits.
FAULTS: Final = {
    "429": 0.04,
    "429-bare": 0.02,
    "429-capacity": 0.02,
    "500": 0.02,
    "503": 0.02,
    "disconnect": 0.02,
    "401": 0.01,
    "500-after": 0.02,
    "408": 0.02,
    "html-502": 0.02,
    "disconnect-after": 0.02,
    "empty-data": 0.01,
    "cut": 0.02,
    "cut-after-picture": 0.02,
    "stall": 0.01,
    "truncated-json": 0.01,
    "bad-base64": 0.01,
    "error-event": 0.01,
    "no-final": 0.01,
    "escapes": 0.05,
    "chunk": 0.01,
    "moderation_blocked": 0.01,
}
#: Of the jobs, how many messages come twice.
TWICE: Final = 0.25
_POLICIES: Final = ("retry_once", "retry_once", "park", "fail")


def jobs(count: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield jobs of several kinds: each policy, one to four pictures, several sizes."""
    for number in range(count):
        yield {
            "job_id": f"chaos-{number:04d}",
            "prompt": f"picture {number} of many",
            "model": "gpt-image-2" if chance.random() < 0.8 else "gpt-image-1-mini",  # noqa: PLR2004 - a share
            "size": chance.choice(["1024x1024", "1536x1024"]),
            "quality": chance.choice(["low", "medium"]),
            "n": chance.choice([1, 1, 1, 2, 4]),
            "on_unknown": chance.choice(_POLICIES),
        }
