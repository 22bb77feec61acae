"""A storage account on Azurite for one test, and records to keep in it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueServiceClient

from shared.adapters.storage.account import StorageAddress
from shared.adapters.storage.blobs import RestBlobs
from shared.adapters.storage.queues import RestQueues
from shared.adapters.storage.rest import StorageClient, StorageTuning
from shared.catalogue.deployments import Deployment
from shared.catalogue.models import read_builtin
from shared.client.caller import read_configuration
from shared.client.connection import ASYNC, SYNC, Connection, Side, connect
from shared.jobs.job import Job
from shared.ports import Blobs, Queues
from shared.records.record import JobRecord, plan_tasks
from shared.routing.router import route
from tests.fakes.memory import MemoryBlobs, MemoryQueues

#: Waits between tries: none, so that no test sleeps.
AT_ONCE = StorageTuning(backoff_base=0, jitter_seconds=0)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class NoTokens:
    """Who has none: these accounts are asked with keys."""

    async def token(self, scope: str) -> str:
        raise AssertionError(scope)

    def forget(self, scope: str) -> None:
        raise AssertionError(scope)


def wire_to(address: StorageAddress, tuning: StorageTuning = AT_ONCE) -> StorageClient:
    return StorageClient(address.signature(NoTokens()), tuning)


@dataclass(frozen=True, slots=True)
class SdkClients:
    """The SDK's clients of an account, for setting up and looking into it."""

    blobs: BlobServiceClient
    queues: QueueServiceClient

    def container(self, name: str) -> ContainerClient:
        return self.blobs.get_container_client(name)

    async def close(self) -> None:
        await self.blobs.close()
        await self.queues.close()


@dataclass(slots=True)
class Account:
    """An account and the names that one test has in it; the SDK makes them and looks into them."""

    address: StorageAddress
    client: SdkClients
    wire: StorageClient
    #: Of the client, whose adapters are tested then and not those of the app.
    connection: Connection | None = None
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex}")

    @property
    def blobs(self) -> Blobs:
        return self.connection.blobs(self.name) if self.connection else self.block_blobs

    @property
    def block_blobs(self) -> RestBlobs:
        return RestBlobs(self.wire, f"{self.address.url('blob')}/{self.name}")

    @property
    def queues(self) -> Queues:
        if self.connection:
            return self.connection.queues
        return RestQueues(self.wire, self.address.url("queue"))

    async def container(self) -> ContainerClient:
        made = self.client.container(self.name)
        await made.create_container()
        return made

    async def filled(self) -> Blobs:
        """The blobs of a container that is there."""
        await self.container()
        return self.blobs

    async def queue(self) -> str:
        await self.client.queues.create_queue(self.name)
        return self.name


@asynccontextmanager
async def account_of(connection_string: str, side: Side | None = None) -> AsyncIterator[Account]:
    address = StorageAddress(connection_string)
    configuration = read_configuration({"ImageStorage": connection_string})
    connection = connect(configuration, side) if side else None
    clients = SdkClients(
        BlobServiceClient.from_connection_string(connection_string),
        QueueServiceClient.from_connection_string(connection_string),
    )
    made = Account(address, clients, wire_to(address), connection)
    yield made
    if connection:
        await connection.close()
    await made.client.close()
    await made.wire.close()


@pytest.fixture
async def account(azurite: str) -> AsyncIterator[Account]:
    async with account_of(azurite) as made:
        yield made


@asynccontextmanager
async def real_by(way: str, request: pytest.FixtureRequest) -> AsyncIterator[Account | None]:
    """As `real`, by the adapters of the app ("rest") or of the client ("sync", "async")."""
    if way == "memory":
        yield None
        return
    side = {"sync": SYNC, "async": ASYNC}.get(way)
    async with account_of(request.getfixturevalue("azurite"), side) as made:
        yield made


@pytest.fixture(params=["memory", "rest"])
async def real(request: pytest.FixtureRequest) -> AsyncIterator[Account | None]:
    """An account to be real on, or None: every test that asks runs in memory and on Azurite."""
    async with real_by(request.param, request) as made:
        yield made


@pytest.fixture
async def blobs(real: Account | None) -> Blobs:
    """The blobs of an empty container, in memory and on Azurite."""
    return await real.filled() if real else MemoryBlobs()


@pytest.fixture
async def queues(real: Account | None) -> Queues:
    """Queues in memory and on Azurite; `no-such-queue` does not exist."""
    return real.queues if real else MemoryQueues(missing={"no-such-queue"})


@pytest.fixture
async def queue(real: Account | None) -> str:
    """The name of an empty queue."""
    return await real.queue() if real else "image-jobs"


def a_record(job_id: str = "job-1", *, prompt: str = "a lighthouse") -> JobRecord:
    job = Job(job_id=job_id, prompt=prompt, tags={"customer": "Zoë"})
    (plan,) = route(
        job,
        catalogue=read_builtin(),
        deployments=[Deployment(name="gpt-image-2", model="gpt-image-2")],
        today=NOW.date(),
        prompt_characters=len(prompt),
    )
    return JobRecord(
        job_id=job_id,
        fingerprint=job.fingerprint,
        job=job,
        plans=(plan,),
        tasks=plan_tasks(job, (plan,)),
        accepted_at=NOW,
        updated_at=NOW,
    )
