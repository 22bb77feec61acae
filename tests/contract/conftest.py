"""A storage account on Azurite for one test, and records to keep in it."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from azure.storage.blob.aio import ContainerClient

from shared.catalogue import builtin
from shared.deployments import Deployment
from shared.jobs import Job
from shared.records import JobRecord, TaskRecord
from shared.routing import route
from shared.services.storage_accounts import StorageAccount, StorageAddress, StorageTuning

#: Waits between tries: none, so that no test sleeps.
AT_ONCE = StorageTuning(backoff_base=0, jitter_seconds=0)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass(slots=True)
class Account:
    """An account and the names that one test has in it."""

    client: StorageAccount
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex}")

    async def container(self) -> ContainerClient:
        made = self.client.container(self.name)
        await made.create_container()
        return made

    async def queue(self) -> str:
        await self.client.queues.create_queue(self.name)
        return self.name


@pytest.fixture
async def account(azurite: str) -> AsyncIterator[Account]:
    client = StorageAccount(StorageAddress(azurite), tuning=AT_ONCE)
    yield Account(client)
    await client.close()


@pytest.fixture(params=["fake", "azurite"])
async def real(request: pytest.FixtureRequest) -> AsyncIterator[Account | None]:
    """An account to be real on, or None: every test that asks runs on the fake and on Azurite."""
    if request.param == "fake":
        yield None
        return
    client = StorageAccount(StorageAddress(request.getfixturevalue("azurite")), tuning=AT_ONCE)
    yield Account(client)
    await client.close()


def a_record(job_id: str = "job-1", *, prompt: str = "a lighthouse") -> JobRecord:
    job = Job(job_id=job_id, prompt=prompt, tags={"customer": "Zoë"})
    (plan,) = route(
        job,
        catalogue=builtin(),
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
