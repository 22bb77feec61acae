"""Opens the world of a process from its settings: every interface made real.

aiohttp is imported here, at the first job, and not with the app: it is a fifth of a cold start. The
SDKs of Azure are not imported at all until something rare needs one.
"""

import asyncio
import gc
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from operator import length_hint
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final

from ..config.settings import Configuration, Settings, configure
from ..errors import Misconfigured
from ..ports import Sink, Tokens
from ..stores.world import World, build_world
from .clock import SystemClock
from .log_records import quiet

if TYPE_CHECKING:
    from .sinks import Poster

#: The directory of `function_app.py`.
PACKAGE: Final = Path(__file__).parents[2]


async def gather_bounded[T](
    work: Iterable[Coroutine[Any, Any, T]], *, at_a_time: int = 16
) -> list[T]:
    """Await all on the event loop, some at a time, and return their results in order."""
    each = enumerate(work)
    results: dict[int, T] = {}

    async def run() -> None:
        for place, coroutine in each:
            results[place] = await coroutine

    most = max(1, min(at_a_time, length_hint(work, at_a_time)))
    workers = [asyncio.create_task(run()) for _ in range(most)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)
        for _, coroutine in each:
            coroutine.close()
    return [results[place] for place in range(len(results))]


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
    gc.disable()  # as in function_app.py
    try:
        world = _built(configuration.settings, None)
    finally:
        gc.freeze()
        gc.enable()
    if not telemetry_enabled():
        return world
    from .telemetry import measured

    return measured(world, configuration.settings)


def _import_aiohttp() -> None:
    """Import aiohttp, and let it read the authorities of this machine once instead of twice.

    It makes a context for connections that it does not verify too, and fills it with all of them:
    a twentieth of a cold start. The app verifies every connection.
    """
    inherited = ssl.SSLContext.set_default_verify_paths

    def read(context: ssl.SSLContext) -> None:
        if context.verify_mode is not ssl.CERT_NONE:
            inherited(context)

    ssl.SSLContext.set_default_verify_paths = read  # type: ignore[assignment,method-assign] # one import
    try:
        import aiohttp  # noqa: F401 (for what it does as it is imported)
    finally:
        ssl.SSLContext.set_default_verify_paths = inherited  # type: ignore[method-assign] # as it was


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[World]:
    """Open a world of one's own and close it at the end: for command lines and tests."""
    async with AsyncExitStack() as stack:
        yield _built(settings, stack)


def _built(settings: Settings, stack: AsyncExitStack | None) -> World:
    # ruff: noqa: PLC0415 (see the module's docstring)
    _import_aiohttp()
    from ..stores.inputs import Inputs
    from .foundry import CallLimits, FoundryEndpoint
    from .identity import EntraCredential
    from .renderer import PillowRenderer
    from .storage.account import address_of
    from .storage.blobs import RestBlobs
    from .storage.queues import RestQueues
    from .storage.rest import StorageClient
    from .storage.signed_links import SignedBlobLinks

    stack = stack or AsyncExitStack()
    credential = EntraCredential(
        client_id=settings.client_id, managed=settings.storage_credential == "managedidentity"
    )
    address = address_of(settings)
    clock = SystemClock()
    client = StorageClient(address.signature(credential), clock=clock)
    links = SignedBlobLinks(address, client, settings.images_container)

    def endpoint(inputs: Inputs) -> FoundryEndpoint:
        key = settings.foundry_api_key
        limits = CallLimits(
            connect_seconds=settings.connect_timeout_seconds,
            read_seconds=settings.read_timeout_seconds,
        )
        opened = FoundryEndpoint(
            credential, inputs, limits, api_key=key.get_secret_value() if key else None
        )
        stack.push_async_callback(opened.close)
        return opened

    for each in (credential, client):
        stack.push_async_callback(each.close)

    return build_world(
        settings,
        blobs=lambda name: RestBlobs(client, f"{address.url('blob')}/{name}"),
        queues=RestQueues(client, address.url("queue")),
        clock=clock,
        gather=gather_bounded,
        endpoint=endpoint,
        renderer=PillowRenderer,
        links=links,
        sinks={sink.name: sink for sink in configured_sinks(settings, credential, stack)},
        callback=_callbacks(settings, stack),
    )


def _callbacks(settings: Settings, stack: AsyncExitStack) -> Callable[[str], Sink]:
    """Return what makes the sink of a job's callback; the first opens the connections of all."""

    @cache
    def open_poster() -> "Poster":
        from .sinks import guarded

        poster = guarded(settings.webhook_local_hosts)
        stack.push_async_callback(poster.close)
        return poster

    def callback(url: str) -> Sink:
        from .sinks import CallbackSink

        return CallbackSink(url, settings.callback_keys, open_poster())

    return callback


def configured_sinks(settings: Settings, tokens: Tokens, stack: AsyncExitStack) -> Iterator[Sink]:
    """Yield the sinks of the settings; what they open `stack` closes. A new one is a branch here.

    Each is imported where the settings ask for it: most apps have none.
    """
    if endpoint := settings.event_grid_topic_endpoint:
        from .sinks import EventGridTopic, Poster

        key, poster = settings.event_grid_topic_key, Poster()
        stack.push_async_callback(poster.close)
        yield EventGridTopic(
            endpoint, tokens, key=key.get_secret_value() if key else None, poster=poster
        )
    if settings.webhooks:
        from .sinks import WebhookSink, guarded

        hooks = guarded(settings.webhook_local_hosts)
        stack.push_async_callback(hooks.close)
        for webhook in settings.webhooks:
            yield WebhookSink(webhook, hooks)


def load(environ: Mapping[str, str]) -> Configuration:
    """Return the configuration of this process, or raise `Misconfigured` with every fault."""
    quiet()
    own_models = _text("MODEL_CATALOGUE", environ)
    template = environ.get("LOCALE_TEMPLATE", "")
    if template and "prompt" not in Template(template).get_identifiers():
        environ = {**environ, "LOCALE_TEMPLATE": _text("LOCALE_TEMPLATE", environ) or ""}
    return configure(environ, own_models=own_models)


def _text(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the text of the file that a variable names, None where it names none.

    A relative name is one in the package: a warm instance of the platform imports the app before
    it changes into its directory.
    """
    path = environ.get(name)
    if not path:
        return None
    try:
        return (PACKAGE / path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{name}: {path!r} can't be read: {error}") from error
