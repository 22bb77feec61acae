"""Check that queues and containers exist, and that this caller may use them."""

from collections.abc import AsyncGenerator, Coroutine, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from ..config.settings import Settings
from ..errors import ImageJobsError
from ..http_api.limits import describe_pace
from ..limits.adaptive_rate import Quota
from .connection import Connection, attempt
from .submission import TEXT, put_input

POISON: Final = "-poison"
#: Written once into the inputs container, to check that this caller may.
PROBE: Final = "prompts/probe.txt"
#: Pools that are listed.
MOST_POOLS: Final = 100
#: A message that waits longer is worth a look; the alert `oldest-message` comes later.
BACKLOG: Final = timedelta(minutes=5)
#: How long a probe message is hidden; it is deleted at once.
HIDDEN: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    what: str
    state: Literal["good", "doubtful", "bad"]
    message: str = ""


async def check_storage(app: Connection, *, may_send: bool) -> AsyncGenerator[Check]:
    """Yield a check of every queue and container, and of every permission that can be tried.

    `may_send` puts a hidden message on the jobs queue and deletes it.
    """
    for queue in list_queues(app.settings):
        yield await _check_queue(queue, app)
    for container in list_containers(app.settings):
        yield await _check(f"container {container}", app.blobs(container).list("", limit=1))
    inputs, queue = app.settings.inputs_container, app.settings.jobs_queue
    yield await _check(f"writing into {inputs}", put_input(PROBE, b"", TEXT, app))
    async for check in check_pools(app):
        yield check
    if may_send:
        yield await _check(f"sending to {queue}", _send_hidden(queue, app))


def list_queues(settings: Settings) -> Iterator[str]:
    """Yield the queues, each that starts a function followed by its poison queue."""
    for field in type(settings).model_fields:
        if field.endswith("_queue"):
            queue = getattr(settings, field)
            yield queue
            # Messages of events are for others, and no function reads what waits.
            if field not in {"events_queue", "waiting_queue"}:
                yield f"{queue}{POISON}"


def list_containers(settings: Settings) -> Iterator[str]:
    """Yield the containers that the settings name."""
    for name in type(settings).model_fields:
        if name.endswith("_container"):
            yield getattr(settings, name)


async def check_pools(app: Connection) -> AsyncGenerator[Check]:
    """Yield a check of each quota pool that was ever called: its circuits and its pace."""
    now = app.clock.now()
    names = await attempt(app.pools.names(limit=MOST_POOLS))
    if isinstance(names, ImageJobsError):
        yield Check("pools", "bad", str(names))
        return
    for name in names:
        ledger = await app.pools.look(name)
        if ledger is None:
            yield Check(f"pool {name}", "bad", "its ledger can't be read by this version")
            continue
        pace = describe_pace(ledger, Quota(ledger.pace.rate.configured), now=now)
        for circuit in pace.circuits:
            whose = f"circuit of {circuit.deployment or 'all deployments'}"
            yield Check(
                f"pool {name}", "bad", f"{whose} is open, {circuit.reason}: {circuit.message}"
            )
        if not pace.circuits:
            rate = f"{pace.rate_rpm:,.1f} calls a minute, {pace.waiting:,} waiting"
            yield Check(f"pool {name}", "doubtful" if pace.stopped_until else "good", rate)


async def _check_queue(queue: str, app: Connection) -> Check:
    what, waiting = f"queue {queue}", await attempt(app.queues.count(queue))
    if isinstance(waiting, ImageJobsError):
        return Check(what, "bad", str(waiting))
    messages = f"{waiting:,} {'message' if waiting == 1 else 'messages'}"
    if waiting and queue.endswith(POISON):
        return Check(what, "doubtful", f"{messages} given up by the platform")
    oldest = await attempt(app.queues.oldest(queue)) if waiting else None
    if isinstance(oldest, datetime) and queue != app.settings.events_queue:
        age = app.clock.now() - oldest
        state: Literal["good", "doubtful"] = "doubtful" if age > BACKLOG else "good"
        return Check(what, state, f"{messages}, the oldest for {age.total_seconds():,.0f} s")
    return Check(what, "good", messages if waiting else "")


async def _check(what: str, work: Coroutine[Any, Any, object]) -> Check:
    """Return whether some work succeeds."""
    done = await attempt(work)
    if isinstance(done, ImageJobsError):
        return Check(what, "bad", str(done))
    return Check(what, "good")


async def _send_hidden(queue: str, app: Connection) -> None:
    await app.queues.delete(queue, await app.queues.send(queue, b"{}", delay=HIDDEN))
