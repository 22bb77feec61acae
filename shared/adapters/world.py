"""Opens the world: every port made real, from the settings.

httpx and aiohttp are imported here, at the first job, and not with the app: they are most of a cold
start. The SDKs of Azure are not imported at all until something rare needs one.

The start of a process: a misconfigured app must not take a message, nor a log a secret.

Several things at a time, on the one event loop.

The time of day.

Whether anybody listens to what the app tells of itself.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from ..config.settings import Configuration, Settings, configure
from ..errors import Misconfigured
from ..ports import World
from .redaction import quiet


@dataclass(frozen=True, slots=True)
class BoundedAbreast:
    """`Abreast` with a bound."""

    at_a_time: int = 16

    async def run[T](self, work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """Await all, some at a time, and return what they return in their order."""
        each = enumerate(work)
        results: dict[int, T] = {}

        async def work_off() -> None:
            for place, coroutine in each:
                results[place] = await coroutine

        workers = [asyncio.create_task(work_off()) for _ in range(self.at_a_time)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)
            for _, coroutine in each:
                coroutine.close()
        return [results[place] for place in range(len(results))]


class SystemClock:
    """`Clock` of this machine."""

    def now(self) -> datetime:
        """Return the time, UTC and aware."""
        return datetime.now(UTC)


def telemetry_enabled() -> bool:
    """Tell whether spans and metrics can reach anybody.

    Whoever takes them has imported OpenTelemetry before the app is loaded, as the worker does in
    Azure; if nobody has, its API would do nothing, and a start need not wait for it.
    """
    return "opentelemetry" in sys.modules


@cache
def open_world(configuration: Configuration) -> World:
    """Return the world of this process; no I/O, no event loop needed, the same one each time.

    The Functions worker has no hook for an end, so it is never closed. What fails is not kept:
    the next call tries again.
    """
    world = _built(configuration.settings, None)
    if not telemetry_enabled():
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
    from ..stores.batches import BlobBatches
    from ..stores.budget import BlobBudget
    from ..stores.dead_letters import BlobDeadLetters
    from ..stores.index import BlobRegister
    from ..stores.inputs import BlobInputs
    from ..stores.manifests import BlobManifests
    from ..stores.picture_blocks import BlockSizes
    from ..stores.pictures import BlobPictures
    from ..stores.pools import BlobPools
    from ..stores.records import BlobRecords
    from .foundry import CallLimits, FoundryEndpoint
    from .identity import EntraCredential
    from .publisher import EventPublisher, configured_sinks
    from .renderer import PillowRenderer
    from .storage.account import address_of
    from .storage.blobs import Blobs
    from .storage.queues import StorageQueues
    from .storage.rest import StorageClient
    from .storage.signed_links import LazySignedLinks

    key = settings.foundry_api_key
    credential = EntraCredential(
        client_id=settings.client_id, managed=settings.storage_credential == "managedidentity"
    )
    address = address_of(settings)
    wire = StorageClient(address.signature(credential))

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
    links = LazySignedLinks(address, credential, settings.images_container)
    if stack:
        for opened_thing in (credential, wire, links, endpoint):
            stack.push_async_callback(opened_thing.close)
    clock, queues = SystemClock(), StorageQueues(wire, address.url("queue"))
    sinks = configured_sinks(settings, credential, stack)
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
        index=BlobRegister(container(settings.jobs_container)),
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
        publisher=EventPublisher(
            queues,
            settings.events_queue,
            settings.deliveries_queue,
            clock,
            tuple(sinks.values()),
        ),
        sinks=sinks,
        endpoint=endpoint,
    )


def load(environ: Mapping[str, str]) -> Configuration:
    """Return the configuration of this process, or raise `Misconfigured` with every fault."""
    quiet()
    own_models = _text("MODEL_CATALOGUE", environ)
    template = environ.get("LOCALE_TEMPLATE", "")
    if template and "prompt" not in Template(template).get_identifiers():
        environ = {**environ, "LOCALE_TEMPLATE": _text("LOCALE_TEMPLATE", environ) or ""}
    return configure(environ, own_models=own_models)


def _text(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the text of the file that a variable names, None where it names none."""
    path = environ.get(name)
    if not path:
        return None
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{name}: {path!r} can't be read: {error}") from error
