"""What is loaded when the first paid call goes out, on real storage."""

from tests.architecture.test_cold_start import NEVER, found, loaded
from tests.contract.conftest import Account

#: The libraries alone load 480. A handful of these are the test's own.
MOST_AT_CALL = 605
#: With a key (an identity has a price of its own), with nobody who listens, and without a sink.
NOT_BEFORE_THE_CALL = {
    *("azure.core", "azure.identity", "azure.storage"),
    *("cloudevents", "shared.events.data", "shared.events.projection"),  # the call's end
    *("shared.images_api.decoder", "shared.workflows.generation.receive"),  # its reply
    *("opentelemetry", "shared.adapters.sinks"),
}
CALLED = """
import asyncio
from tests.benchmarks.start import first_call
seen = []
asyncio.run(first_call(seen.append))
assert seen[-1] == "call", seen
"""


async def test_a_first_call_needs_no_sdk(account: Account) -> None:
    await account.container()
    queue = await account.queue()
    modules = loaded(
        CALLED,
        ImageStorage=str(account.address.connection_string),
        FOUNDRY_API_KEY="a-key",
        JOBS_CONTAINER=account.name,
        PACE_CONTAINER=account.name,
        IMAGES_CONTAINER=account.name,
        TASKS_QUEUE=queue,
    )
    assert "aiohttp" in modules
    assert len(modules) <= MOST_AT_CALL, sorted(modules)
    assert found(modules, NOT_BEFORE_THE_CALL) == set()
    assert found(modules, NEVER) == set()
