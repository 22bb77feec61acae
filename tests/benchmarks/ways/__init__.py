"""The ways from a reply into storage that are compared."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from tests.benchmarks.orders import Order


class Addresses(BaseModel):
    """Where the two servers are."""

    model_config = ConfigDict(frozen=True)

    foundry: str
    #: A connection string.
    storage: str


class Way(Protocol):
    """One way, opened."""

    async def make(self, order: Order) -> None:
        """Have the pictures of one order made, stored and told of."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


type Opener = Callable[[Addresses], Way]

MODEL = "gpt-image-2"
API_KEY = "a-key"
API_VERSION = "2025-04-01-preview"
CONTAINER = "images"
EVENTS = "image-events"


def opener(name: str, knobs: Mapping[str, str]) -> Opener:
    """Import a way, and no other: each is measured in a process that holds nothing else.

    `knobs` are settings of the app; only ours has any.
    """
    # ruff: noqa: PLC0415 (see above)
    match name:
        case "obvious":
            from tests.benchmarks.ways.obvious import Obvious

            return Obvious
        case "openai":
            from tests.benchmarks.ways.openai_sdk import OpenAiSdk

            return OpenAiSdk
        case "copy":
            from tests.benchmarks.ways.raw_copy import RawCopy

            return RawCopy
        case "least":
            from tests.benchmarks.ways.least import Least

            return Least
        case "ours":
            from tests.benchmarks.ways.ours import Ours

            return partial(Ours, knobs=knobs)
    raise ValueError(f"{name!r} is no way; there are obvious, openai, copy, least and ours")
