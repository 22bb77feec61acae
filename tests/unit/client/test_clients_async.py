"""The asynchronous client: what its methods do with what they are given."""

import json

import pytest

from shared.client import AsyncImageJobs
from shared.errors import InvalidJob
from tests.builders.connections import STORAGE, MemoryConnection


@pytest.fixture
def app() -> MemoryConnection:
    return MemoryConnection()


@pytest.fixture
def client(app: MemoryConnection) -> AsyncImageJobs:
    made = AsyncImageJobs(environ=STORAGE)
    made._connection = app
    return made


async def test_a_job_is_put_on_the_queue_and_its_receipt_names_it(
    client: AsyncImageJobs, app: MemoryConnection
) -> None:
    receipt = await client.submit("a fox", job_id="fox-1", n=2)
    (body,) = app.queues.bodies("image-jobs")
    assert json.loads(body) == {"job_id": "fox-1", "prompt": "a fox", "n": 2}
    assert receipt.job_id == "fox-1"


async def test_of_several_jobs_none_is_sent_when_one_has_a_fault(
    client: AsyncImageJobs, app: MemoryConnection
) -> None:
    with pytest.raises(InvalidJob):
        await client.submit_many(["a fox", {"prompt": "an ox", "n": 99}])
    assert app.queues.sent == []
    receipts = await client.submit_many(["a fox", {"prompt": "an ox"}])
    assert len({receipt.job_id for receipt in receipts}) == len(app.queues.sent) == 2


@pytest.mark.parametrize(
    ("queue", "read_from"), [(None, "image-events"), ("replies-shop", "replies-shop")]
)
async def test_events_come_from_the_events_queue_unless_another_is_named(
    client: AsyncImageJobs, app: MemoryConnection, queue: str | None, read_from: str
) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/x", "type": "image.job.accepted"}
    for name in ("image-events", "replies-shop"):
        await app.queues.send(name, json.dumps(event | {"id": name, "data": {}}).encode())
    events = client.events(queue, idle=0)
    assert [event.id async for event in events] == [read_from]


async def test_leaving_the_block_closes_the_connection() -> None:
    class Closing(MemoryConnection):
        closed = False

        async def close(self) -> None:
            self.closed = True

    app = Closing()
    with pytest.raises(ValueError, match="mine"):  # noqa: PT012 (the block is what is tested)
        async with AsyncImageJobs(environ=STORAGE) as client:
            client._connection = app
            raise ValueError("mine")
    assert app.closed
