"""The sinks that the settings ask for, and no other."""

import json
from contextlib import AsyncExitStack

from shared.adapters.world import configured_sinks
from tests.contract.endpoints import FakeTokens
from tests.simulation.scene import configured

SECRET = "whsec_" + "YWJj" * 10
WEBHOOKS = [
    {"name": name, "url": f"https://{name}.example/in", "secrets": ["SECRET"], "events": events}
    for name, events in (("shop", ["image.job.*"]), ("ops", ["image.circuit.*"]))
]
GIVEN = {
    "EVENT_GRID_TOPIC_ENDPOINT": "https://topic.westeurope-1.eventgrid.azure.net/api/events",
    "EVENT_GRID_TOPIC_KEY": "a-key",
    "WEBHOOKS": json.dumps(WEBHOOKS),
    "WEBHOOK_HOSTS": "*.example",
    "SECRET": SECRET,
}


async def sinks_of(**given: str) -> dict[str, bool]:
    """The name of each sink, and whether it wants the end of a job."""
    async with AsyncExitStack() as stack:
        sinks = configured_sinks(configured(**given).settings, FakeTokens(), stack)
        return {sink.name: sink.wants("image.job.failed") for sink in sinks}


async def test_an_app_without_receivers_has_no_sink() -> None:
    assert await sinks_of() == {}


async def test_each_receiver_is_a_sink_under_its_name() -> None:
    found = await sinks_of(**GIVEN)
    assert found == {"event-grid": True, "webhook-shop": True, "webhook-ops": False}


async def test_a_topic_and_webhooks_are_apart() -> None:
    topic = {name: value for name, value in GIVEN.items() if name.startswith("EVENT_GRID")}
    assert [*await sinks_of(**topic)] == ["event-grid"]
    hooks = {name: value for name, value in GIVEN.items() if name not in topic}
    assert [*await sinks_of(**hooks)] == ["webhook-shop", "webhook-ops"]
