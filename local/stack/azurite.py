"""Azurite, the storage emulator: on free ports, in memory unless told where to keep data."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local.stack.processes import Child, to_stderr

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "node_modules/azurite/dist/src/azurite.js"

#: Azurite's published development account: no secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

#: Seconds it may take to serve; 1.3-2.7 s were measured on two cores.
START_SECONDS = 60.0

_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (\S+)")


class AzuriteMissing(RuntimeError):
    """Azurite or Node.js is not installed."""


def available() -> str | None:
    """None when Azurite can be started, else the sentence that says what is missing."""
    if not SCRIPT.exists():
        return f"Azurite is not installed: {SCRIPT.relative_to(ROOT)} is missing; run `make setup`"
    if shutil.which("node") is None:
        return "Azurite needs Node.js: there is no `node` on PATH"
    return None


def start(data: Path | None = None, *, say: Callable[[str], None] = to_stderr) -> Child[str]:
    """Azurite as a child, whose ready value is its connection string.

    With `data` it keeps everything in that directory (it writes some seconds late: a kill -9
    of Azurite itself loses the last of it), else in memory.
    """
    missing = available()
    if missing:
        raise AzuriteMissing(missing)
    where = ["--inMemoryPersistence"] if data is None else ["--location", str(data)]
    # The newest SDKs speak a newer API version than Azurite knows: it is told not to mind.
    quiet = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    ports = [word for kind in ("blob", "queue", "table") for word in (f"--{kind}Port", "0")]
    return Child(
        "azurite",
        [shutil.which("node") or "node", str(SCRIPT), *where, *quiet, *ports],
        ready=_Ports().read,
        environment=os.environ,
        say=say,
    )


@contextmanager
def running(data: Path | None = None) -> Iterator[str]:
    """The connection string of an Azurite that lives as long as the block."""
    child = start(data, say=lambda _: None)
    try:
        yield child.wait_ready(START_SECONDS)
    finally:
        child.stop()


class _Ports:
    """Collects the three addresses Azurite prints into one connection string."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}

    def read(self, line: str) -> str | None:
        found = _LISTENING.search(line)
        if found:
            self._urls[found[1]] = found[2]
        if len(self._urls) < len(("Blob", "Queue", "Table")):
            return None
        endpoints = "".join(
            f"{kind}Endpoint={url}/{ACCOUNT};" for kind, url in sorted(self._urls.items())
        )
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoints}"
