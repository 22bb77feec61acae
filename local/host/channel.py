"""What host and worker process say to each other, through a socket that only they have."""

import asyncio
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from local.host.protos import TypedData

#: Bytes of the length that precedes each message.
_LENGTH: Final = 8


@dataclass(frozen=True, slots=True)
class Load:
    """Index the app; the first message, answered by `Loaded`.

    With `settings` the worker has waited as a placeholder: they replace its environment.
    """

    app: Path
    settings: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """The worker's metadata of the functions, or why the app did not load."""

    functions: tuple[Any, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Invoke:
    """Run a function; answered by `Finished`."""

    invocation_id: str
    function: str
    function_id: str
    parameter: str
    value: TypedData
    metadata: Mapping[str, TypedData]


@dataclass(frozen=True, slots=True)
class Cut:
    """Stop an invocation where it is: not another line of it runs."""

    invocation_id: str


@dataclass(frozen=True, slots=True)
class Result:
    """The result of an invocation: `error` is the traceback of a failed one."""

    error: str | None = None
    returned: Any = None
    outputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Whether the function returned."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Finished:
    """An invocation has ended."""

    invocation_id: str
    result: Result


async def read(reader: asyncio.StreamReader) -> Any:  # noqa: ANN401 - one of the messages above
    """Return the next message; raises EOFError when the other process has ended."""
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH))
        return pickle.loads(await reader.readexactly(length))  # noqa: S301 - from our own process
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise EOFError from error


def write(writer: asyncio.StreamWriter, message: object) -> None:
    """Send a message; one for a process that has ended is dropped."""
    data = pickle.dumps(message)
    writer.write(len(data).to_bytes(_LENGTH) + data)
