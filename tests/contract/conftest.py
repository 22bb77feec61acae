"""A storage account on Azurite for one test, and records to keep in it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from azure.storage.blob.aio import ContainerClient

from shared.adapters.storage.account import StorageAddress
from shared.adapters.storage.blobs import Blobs
from shared.adapters.storage.queues import StorageQueues
from shared.adapters.storage.rest import StorageClient, StorageTuning
from shared.adapters.storage.sdk import StorageAccount
from shared.catalogue.deployments import Deployment
from shared.catalogue.models import read_builtin
from shared.jobs.job import Job
from shared.records.record import JobRecord, TaskRecord
from shared.routing.router import route

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


@dataclass(slots=True)
class Account:
    """An account and the names that one test has in it; the SDK makes them and looks into them."""

    address: StorageAddress
    client: StorageAccount
    wire: StorageClient
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex}")

    @property
    def blobs(self) -> Blobs:
        return Blobs(self.wire, f"{self.address.url('blob')}/{self.name}")

    @property
    def queues(self) -> StorageQueues:
        return StorageQueues(self.wire, self.address.url("queue"))

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
async def account_of(connection_string: str) -> AsyncIterator[Account]:
    address = StorageAddress(connection_string)
    made = Account(address, StorageAccount(address, tuning=AT_ONCE), wire_to(address))
    yield made
    await made.client.close()
    await made.wire.close()


@pytest.fixture
async def account(azurite: str) -> AsyncIterator[Account]:
    async with account_of(azurite) as made:
        yield made


@pytest.fixture(params=["fake", "azurite"])
async def real(request: pytest.FixtureRequest) -> AsyncIterator[Account | None]:
    """An account to be real on, or None: every test that asks runs on the fake and on Azurite."""
    if request.param == "fake":
        yield None
        return
    async with account_of(request.getfixturevalue("azurite")) as made:
        yield made


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
        tasks=tuple(TaskRecord(index=task.index) for task in plan.tasks),
        accepted_at=NOW,
        updated_at=NOW,
    )
