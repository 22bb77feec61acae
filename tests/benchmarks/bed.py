"""The test bed: both servers in processes of their own, and one load after the other."""

import http.client
import json
import os
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import certifi

from local.stack import azurite
from tests.benchmarks import certificates, deployed
from tests.benchmarks.endpoint import IDENTITY
from tests.benchmarks.growth import ROWS, Row
from tests.benchmarks.meters import group_peak_mb, memory_cgroup
from tests.benchmarks.ways import Addresses
from tests.benchmarks.worker import WARM, Load, Taken

ROOT = Path(__file__).resolve().parents[2]
#: Of a storage account that asks for signatures and never looks at them.
_ACCOUNT_KEY = "YmVuY2htYXJrcw=="


@dataclass(frozen=True, slots=True)
class Seen:
    """A load, what it took, and what the two servers saw of it."""

    load: Load
    taken: Taken
    #: From the last byte of a reply to its event in the queue, milliseconds, a job each.
    told_after_ms: list[float]
    #: Storage requests a job, by kind.
    requests: dict[str, float]
    #: Of the first job: each storage request and the call, with its times since the beginning.
    steps: list[tuple[str, float, float]]
    digests: list[str] = field(default_factory=list)

    @property
    def megabytes(self) -> float:
        """What was made altogether, 10^6 bytes of decoded pictures."""
        return self.load.jobs * self.load.pictures * self.load.picture_bytes / 1e6

    @property
    def cpu_ms_per_mb(self) -> float:
        """CPU of the worker for each decoded megabyte."""
        return self.taken.cpu_seconds * 1000 / self.megabytes

    @property
    def megabytes_a_second(self) -> float:
        """Throughput, decoded."""
        return self.megabytes / self.taken.wall_seconds


@dataclass(frozen=True, slots=True)
class Bed:
    """The running servers."""

    foundry: int
    storage: int
    tls: ssl.SSLContext
    environ: dict[str, str]
    #: All authorities of an ordinary machine, and the servers' own.
    authorities: Path

    @property
    def addresses(self) -> Addresses:
        """Return their addresses, for a way of calling."""
        account = f"https://127.0.0.1:{self.storage}/account"
        return Addresses(
            foundry=f"https://127.0.0.1:{self.foundry}",
            storage=(
                f"DefaultEndpointsProtocol=https;AccountName=account;AccountKey={_ACCOUNT_KEY};"
                f"BlobEndpoint={account};QueueEndpoint={account}"
            ),
        )

    def measure(
        self,
        load: Load,
        *,
        latency_ms: float = 0.0,
        verify: bool = False,
        within: tuple[str, ...] = (),
    ) -> Seen:
        """Run one load in a process of its own; `within` is a command that runs it."""
        self._ask(self.foundry, "/log")
        self._ask(self.storage, f"/control?latency={latency_ms / 1000}&verify={verify}")
        command = [*within, sys.executable, *_module("worker"), load.model_dump_json()]
        taken = Taken.model_validate_json(self._execute(command, seconds=600))
        calls = self._ask(self.foundry, "/log")
        told = self._ask(self.storage, "/control?latency=0&verify=False")
        return _seen(load, taken, calls, told)

    def confine(self, load: Load, limit_mb: int) -> tuple[Seen, float]:
        """Run a load in a memory cgroup; return what was seen and what the group took, MB.

        A worker that needs more than `limit_mb` is killed by the kernel, which raises, as does
        (`PermissionError`) a machine on which there can't be such a group.
        """
        with memory_cgroup(limit_mb) as group:
            enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
            seen = self.measure(load, within=("sh", "-c", enter, "sh"))
            return seen, group_peak_mb(group)

    def start_libraries(self, app: Path) -> dict[str, tuple[float, int]]:
        """CPU milliseconds and modules of the libraries of a deployed app, without the app.

        No authorities are read: a file of one certificate takes no time.
        """
        script = deployed.start(app, self.environ, script="libraries.py")
        libraries: dict[str, tuple[float, int]] = json.loads(script)
        return libraries

    def start(self, app: Path, *, keyless: bool = False) -> dict[str, tuple[float, int]]:
        """CPU milliseconds and modules of a cold start of a deployed app, step by step."""
        self._ask(self.storage, "/control?latency=0&verify=False")
        bed = self._keyless if keyless else self._configured
        authorities = {
            "SSL_CERT_FILE": str(self.authorities),
            "PYDANTIC_DISABLE_PLUGINS": "__all__",
        }
        found: dict[str, tuple[float, int]] = json.loads(
            deployed.start(app, bed.environ | authorities)
        )
        return found

    @property
    def _configured(self) -> "Bed":
        settings = {
            "ImageStorage": self.addresses.storage,
            "FOUNDRY_ENDPOINT": self.addresses.foundry,
            "FOUNDRY_API_KEY": "a-key",
            "FOUNDRY_DEPLOYMENTS": '[{"name": "gpt-image-2"}]',
            "CALL_GUARD_SECONDS": "0",
        }
        return replace(self, environ=self.environ | settings)

    @property
    def _keyless(self) -> "Bed":
        account = f"https://127.0.0.1:{self.storage}/account"
        settings = {
            "ImageStorage__blobServiceUri": account,
            "ImageStorage__queueServiceUri": account,
            "ImageStorage__credential": "managedidentity",
            "IDENTITY_ENDPOINT": f"{self.addresses.foundry}{IDENTITY}",
            "IDENTITY_HEADER": "a-header",
            "FOUNDRY_ENDPOINT": self.addresses.foundry,
            "FOUNDRY_DEPLOYMENTS": '[{"name": "gpt-image-2"}]',
            "CALL_GUARD_SECONDS": "0",
        }
        return replace(self, environ=self.environ | settings)

    def grown(self) -> list[Row]:
        """What a job costs after ever more jobs, on an Azurite of its own."""
        with azurite.run_azurite() as storage:
            addresses = Addresses(foundry=self.addresses.foundry, storage=storage)
            done = self._run(*_module("growth"), addresses.model_dump_json(), seconds=600)
        return ROWS.validate_json(done)

    def _run(self, *arguments: str, seconds: float) -> str:
        return self._execute([sys.executable, *arguments], seconds=seconds)

    def _execute(self, command: list[str], *, seconds: float) -> str:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            check=False,
            text=True,
            timeout=seconds,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)[:200]} failed: {done.stderr[-2000:]}")
        return done.stdout

    def _ask(self, port: int, target: str) -> Any:  # noqa: ANN401 (JSON)
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=self.tls)
        try:
            connection.request("GET", target)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def _module(name: str) -> tuple[str, str]:
    return "-m", f"tests.benchmarks.{name}"


def _seen(load: Load, taken: Taken, calls: dict[str, Any], told: dict[str, Any]) -> Seen:
    begun_at = min(taken.begun.values())
    log = [entry for entry in told["log"] if entry["at"] >= begun_at]
    calls = {key: call for key, call in calls.items() if not key.startswith(WARM)}
    events = {}
    for entry in log:
        if entry["kind"] == "send":
            events[entry["key"]] = entry["done"]  # the last message of a job is its event
    after = [(events[key] - call["last_byte_at"]) * 1000 for key, call in calls.items()]
    if len(calls) != load.jobs or len(events) != load.jobs:
        raise RuntimeError(f"{len(calls)} calls and {len(events)} events of {load.jobs} jobs")
    counts = Counter(entry["kind"] for entry in log)
    first = "bench-0"
    begun, call = taken.begun[first], calls[first]
    # A ledger is everybody's: only of a job that ran alone can it be told who asked for it.
    whose = {first, ""} if load.in_flight == 1 else {first}
    until = taken.begun.get("bench-1", float("inf"))
    steps = [
        (e["kind"], e["at"] - begun, e["done"] - begun)
        for e in log
        if e["key"] in whose and e["at"] < until
    ]
    steps.append(("the call", call["asked_at"] - begun, call["last_byte_at"] - begun))
    return Seen(
        load,
        taken,
        told_after_ms=after,
        requests={kind: count / load.jobs for kind, count in counts.items()},
        steps=sorted(steps, key=lambda step: step[1]),
        digests=told["digests"],
    )


@contextmanager
def running() -> Iterator[Bed]:
    """Start both servers, end them afterwards."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        made = certificates.make(Path(folder))
        environ = os.environ | {
            "SSL_CERT_FILE": str(made.chain),
            # As in Azure, modules are compiled before they are imported; here by the first process.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(Path(folder) / "compiled"),
        }
        foundry, storage = (
            stack.enter_context(_serving(module, made, environ))
            for module in ("endpoint", "storage")
        )
        authorities = Path(folder) / "authorities.pem"
        authorities.write_text(Path(certifi.where()).read_text() + made.chain.read_text())
        tls = ssl.create_default_context(cafile=str(made.chain))
        yield Bed(foundry, storage, tls, environ, authorities)


@contextmanager
def _serving(module: str, made: certificates.Certificate, environ: dict[str, str]) -> Iterator[int]:
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", str(made.chain), str(made.key)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("a server without pipes")
        yield int(process.stdout.readline())
        process.stdin.close()
