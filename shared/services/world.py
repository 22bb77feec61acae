"""Opens the world: every port made real, from the settings.

httpx and aiohttp are imported here, at the first job, and not with the app: they are most of a cold
start. The SDKs of Azure are not imported at all until something rare needs one.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache

from ..configuration import Configuration
from ..ports import World
from ..settings import Settings
from .listeners import anybody_listens


@cache
def open_world(configuration: Configuration) -> World:
    """Return the world of this process; no I/O, no event loop needed, the same one each time.

    The Functions worker has no hook for an end, so it is never closed. What fails is not kept:
    the next call tries again.
    """
    world = _built(configuration.settings, None)
    if not anybody_listens():
        return world
    from .measured_world import measured

    return measured(world)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[World]:
    """Open a world of one's own and close it at the end: for command lines and tests."""
    async with AsyncExitStack() as stack:
        yield _built(settings, stack)


def _built(settings: Settings, stack: AsyncExitStack | None) -> World:
    # ruff: noqa: PLC0415 (see the module's docstring)
    from .abreast import BoundedAbreast
    from .announcer import QueueAnnouncer
    from .batch_store import BlobBatches
    from .blobs import Blobs
    from .blocks import BlockSizes
    from .budget_ledgers import BlobBudget
    from .clock import SystemClock
    from .credentials import EntraCredential
    from .dead_letters import BlobDeadLetters
    from .foundry import CallLimits, FoundryEndpoint
    from .inputs import BlobInputs
    from .job_records import BlobRecords
    from .job_register import BlobRegister
    from .late_links import LateLinks
    from .manifest_store import BlobManifests
    from .picture_store import BlobPictures
    from .pools import BlobPools
    from .queues import StorageQueues
    from .renderer import PillowRenderer
    from .sinks import sinks_of
    from .storage_address import address_of
    from .storage_wire import StorageWire

    key = settings.foundry_api_key
    credential = EntraCredential(
        client_id=settings.client_id, managed=settings.storage_credential == "managedidentity"
    )
    address = address_of(settings)
    wire = StorageWire(address.signature(credential))

    def container(name: str) -> Blobs:
        return Blobs(wire, f"{address.url('blob')}/{name}")

    inputs = BlobInputs(
        container(settings.inputs_container),
        container(settings.images_container),
        settings.images_container,
    )
    endpoint = FoundryEndpoint(
        credential,
        inputs,
        CallLimits(
            connect_seconds=settings.connect_timeout_seconds,
            read_seconds=settings.read_timeout_seconds,
        ),
        api_key=key.get_secret_value() if key else None,
    )
    links = LateLinks(address, credential, settings.images_container)
    if stack:
        for opened_thing in (credential, wire, links, endpoint):
            stack.push_async_callback(opened_thing.close)
    clock, queues = SystemClock(), StorageQueues(wire, address.url("queue"))
    sinks = sinks_of(settings, credential, stack)
    pictures = BlobPictures(
        container(settings.images_container),
        BlockSizes(
            block_bytes=settings.upload_block_bytes,
            in_flight=settings.upload_blocks_in_flight,
            pool=settings.upload_block_pool,
        ),
    )
    return World(
        clock=clock,
        records=BlobRecords(container(settings.jobs_container)),
        register=BlobRegister(container(settings.jobs_container)),
        budget=BlobBudget(container(settings.jobs_container)),
        queues=queues,
        pictures=pictures,
        renderer=PillowRenderer(pictures),
        links=links,
        inputs=inputs,
        manifests=BlobManifests(container(settings.manifests_container)),
        batches=BlobBatches(
            container(settings.jobs_container), container(settings.images_container)
        ),
        abreast=BoundedAbreast(),
        dead_letters=BlobDeadLetters(container(settings.dead_letters_container)),
        pools=BlobPools(container(settings.pace_container), clock),
        announcer=QueueAnnouncer(
            queues,
            settings.events_queue,
            settings.deliveries_queue,
            clock,
            tuple(sinks.values()),
        ),
        sinks=sinks,
        endpoint=endpoint,
    )
