"""The world as the settings describe it."""

import json
import subprocess
import sys

from shared.adapters.foundry import CallLimits, FoundryEndpoint
from shared.adapters.world import open_world, opened
from shared.config.settings import configure, read_settings
from shared.stores.publisher import Publisher

DEPLOYMENTS = json.dumps([{"name": "gpt-image-2"}])


ENVIRONMENT = {
    "ImageStorage": "UseDevelopmentStorage=true",
    "FOUNDRY_ENDPOINT": "https://res.example",
    "FOUNDRY_DEPLOYMENTS": DEPLOYMENTS,
}


def test_the_world_of_a_process_is_one_and_needs_no_event_loop() -> None:
    configuration = configure(ENVIRONMENT)
    assert open_world(configuration) is open_world(configuration)


async def test_the_world_follows_the_settings() -> None:
    more = {
        "FOUNDRY_API_KEY": "a-key",
        "CONNECT_TIMEOUT_SECONDS": "3",
        "READ_TIMEOUT_SECONDS": "77",
        "EVENTS_QUEUE": "our-events",
    }
    given = read_settings(ENVIRONMENT | more)
    async with opened(given) as world:
        assert isinstance(world.endpoint, FoundryEndpoint)
        assert world.endpoint.limits == CallLimits(3, 77)
        assert world.endpoint.api_key == "a-key"
        assert isinstance(world.publisher, Publisher)
        assert world.publisher.events_queue == "our-events"
        assert world.clock.now().tzinfo is not None


async def test_a_world_with_an_identity_opens_without_asking_for_a_token() -> None:
    given = read_settings(
        {
            "ImageStorage__blobServiceUri": "https://a.blob.core.windows.net",
            "ImageStorage__queueServiceUri": "https://a.queue.core.windows.net",
            "ImageStorage__credential": "managedidentity",
            "ImageStorage__clientId": "00000000-0000-0000-0000-000000000001",
            "FOUNDRY_ENDPOINT": "https://res.example",
            "FOUNDRY_DEPLOYMENTS": DEPLOYMENTS,
        }
    )
    async with opened(given) as world:
        assert isinstance(world.endpoint, FoundryEndpoint)
        assert world.endpoint.api_key is None


def test_the_sdks_are_not_imported_before_the_world_is_opened() -> None:
    code = (
        "import sys, shared.adapters.world;"
        "print([name for name in ('azure.storage', 'azure.identity', 'aiohttp')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 (our own interpreter)
    assert done.stdout.strip() == "[]"
