"""Job records: the same on a fake and on real blobs."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import ClientConnectionResetError

from shared.adapters.storage.account import Request
from shared.adapters.storage.blobs import RestBlobs
from shared.adapters.storage.rest import Response, StorageClient
from shared.errors import AlreadyExists, StaleVersion, StoreUnavailable, UnreadableRecord
from shared.ports import Blobs, Body
from shared.stores.records import JobRecords, ReuseEntries, ReuseEntry
from tests.contract.conftest import AT_ONCE, NOW, Account, NoTokens, a_record
from tests.fakes.world import FakeClock


@pytest.fixture
async def records(blobs: Blobs) -> JobRecords:
    return JobRecords(blobs, FakeClock())


async def test_a_record_comes_back_as_it_was_written(records: JobRecords) -> None:
    version = await records.create(a_record())
    found = await records.read("job-1")
    assert found is not None
    assert found.value == a_record()
    assert found.version == version


async def test_a_record_that_was_never_written_is_none(records: JobRecords) -> None:
    assert await records.read("job-1") is None


async def test_a_record_is_created_once(records: JobRecords) -> None:
    await records.create(a_record())
    with pytest.raises(AlreadyExists, match="job-1"):
        await records.create(a_record(prompt="another"))
    found = await records.read("job-1")
    assert found is not None
    assert found.value.job.prompt == "a lighthouse"


async def test_an_equal_record_is_created_once_too(records: JobRecords) -> None:
    await records.create(a_record())
    with pytest.raises(AlreadyExists):
        await records.create(a_record())


async def test_a_record_is_replaced_by_who_has_read_it_last(records: JobRecords) -> None:
    first = await records.create(a_record())
    later = a_record().model_copy(update={"updated_at": NOW + timedelta(seconds=1)})
    second = await records.replace(later, first)
    assert second != first
    found = await records.read("job-1")
    assert found is not None
    assert (found.value, found.version) == (later, second)


async def test_a_stale_version_writes_nothing_even_if_what_it_would_write_is_there(
    records: JobRecords,
) -> None:
    first = await records.create(a_record())
    later = a_record().model_copy(update={"updated_at": NOW + timedelta(seconds=1)})
    await records.replace(later, first)
    with pytest.raises(StaleVersion, match="job-1"):
        await records.replace(later, first)


async def test_a_record_that_is_gone_is_stale(records: JobRecords) -> None:
    with pytest.raises(StaleVersion):
        await records.replace(a_record(), '"0x8D"')


async def test_of_two_writers_at_once_one_wins(records: JobRecords) -> None:
    version = await records.create(a_record())
    claims = [a_record().model_copy(update={"run": 2})] * 2
    results = await asyncio.gather(
        *(records.replace(claim, version) for claim in claims), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["StaleVersion", "str"]


class LosesTheAnswer(StorageClient):
    """The first write arrives, and its answer does not."""

    lost = False

    async def _once(self, asking: Request, body: bytes | Body, doing: str) -> Response:
        answer = await super()._once(asking, body, doing)
        if asking.method == "PUT" and not self.lost:
            self.lost = True
            raise ClientConnectionResetError("the connection was reset")
        return answer


@pytest.fixture
async def lossy(account: Account) -> AsyncIterator[JobRecords]:
    await account.container()
    wire = LosesTheAnswer(account.address.signature(NoTokens()), AT_ONCE)
    url = f"{account.address.url('blob')}/{account.name}"
    yield JobRecords(RestBlobs(wire, url), FakeClock())
    await wire.close()


async def test_a_creation_whose_answer_was_lost_has_succeeded(lossy: JobRecords) -> None:
    version = await lossy.create(a_record())
    found = await lossy.read("job-1")
    assert found is not None
    assert found.version == version


async def test_a_replacement_whose_answer_was_lost_has_succeeded(
    lossy: JobRecords, account: Account
) -> None:
    there = JobRecords(account.blobs, FakeClock())
    version = await there.create(a_record())
    changed = a_record().model_copy(update={"run": 2})
    second = await lossy.replace(changed, version)
    found = await there.read("job-1")
    assert found is not None
    assert (found.value, found.version) == (changed, second)


async def test_a_record_of_another_shape_is_told(account: Account) -> None:
    container = await account.container()
    await container.upload_blob("job-1.json", b'{"version": 9}')
    with pytest.raises(UnreadableRecord, match=r"cannot read 'job-1.json'"):
        await JobRecords(account.blobs, FakeClock()).read("job-1")


async def test_a_container_that_does_not_exist_is_told(account: Account) -> None:
    records = JobRecords(account.blobs, FakeClock())
    with pytest.raises(StoreUnavailable, match="ContainerNotFound; create it first"):
        await records.read("job-1")
    with pytest.raises(StoreUnavailable, match="ContainerNotFound"):
        await records.create(a_record())


async def test_the_entry_of_a_key_is_of_the_newest_job_and_a_damaged_one_is_replaced(
    blobs: Blobs,
) -> None:
    entries = ReuseEntries(blobs, FakeClock())
    assert await entries.read("a" * 64) is None
    old = ReuseEntry(job_id="fox-1", made_at=NOW)
    new = ReuseEntry(job_id="fox-2", made_at=NOW + timedelta(hours=1))
    for entry in (old, new, old):
        await entries.put("a" * 64, entry)
    assert await entries.read("a" * 64) == new
    await blobs.put(f"reuse/{'a' * 64}.json", b"{")
    assert await entries.read("a" * 64) is None
    await entries.put("a" * 64, old)
    assert await entries.read("a" * 64) == old
