"""The app on a simulated platform: what it uses of the quota, and what that costs.

What runs is the code that ships: intake, generation, ledger, waiting queue and sweep, each process
with its own view of storage. Simulated are the platform, the latency of storage, and the service.

`python -m tests.simulation.scaling_table` prints the table of `docs/scaling.md`.
"""

import asyncio
import json
import math
import random
import statistics
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Any, Final

from shared.adapters.world import gather_bounded
from shared.config.settings import Configuration
from shared.errors import StoreUnavailable
from shared.images_api.requests import ImageRequest
from shared.jobs.parsing import Message
from shared.limits.pacing import LONGEST_DELAY, Postponed, Share, Ticket
from shared.ports import ReceivedMessage, Reply, Sink
from shared.records.task_messages import TaskMessage, read_task
from shared.stores.ledgers import PoolLedgers
from shared.stores.waiting_tasks import WaitingTasks
from shared.stores.world import World, build_world
from shared.workflows.generation.generate import generate
from shared.workflows.intake import handle_job_message
from shared.workflows.sweep import sweep
from tests.fakes.endpoint import FakeReply
from tests.fakes.memory import MemoryBlobs
from tests.fakes.renderer import FakeRenderer
from tests.fakes.world import FakeLinks
from tests.simulation.flex_consumption import (
    Function,
    Platform,
    SimulatedQueues,
    VirtualClock,
    VirtualTimeLoop,
    seconds_now,
)
from tests.simulation.pools import Service
from tests.simulation.scene import configured, error_reply, reply_to
from tests.simulation.steps import Steps

#: Share of the jobs, and the seconds of a call, by quality.
KINDS: Final[Mapping[str, tuple[float, tuple[float, float]]]] = {
    "low": (0.50, (20.0, 45.0)),
    "medium": (0.35, (45.0, 120.0)),
    "high": (0.15, (120.0, 160.0)),
}
MEAN_SECONDS: Final = sum(share * sum(seconds) / 2 for share, seconds in KINDS.values())
#: The queues that the app sends tasks to, and those of the simulation: one, or three lanes by the
#: quality of the job.
SENT_TO: Final = ("image-tasks", "image-jobs-small", "image-jobs-standard", "image-jobs-large")
TASKS: Final = "tasks"
LANES: Final = {quality: f"tasks-{quality}" for quality in KINDS}
SWEEP_EVERY: Final = 60.0
#: Instances run and calls are answered from then on.
WARM: Final = 150.0
#: The service counts by slices of a minute of so many seconds.
SLICE_SECONDS: Final = 10.0
#: How long before its time a task came back in the former way.
FORMER_LEAD: Final = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Load:
    """Jobs with the seconds of their arrival, and the quota of each deployment."""

    jobs: Sequence[tuple[float, Mapping[str, Any]]]
    rpm: float
    #: Further deployments, each a pool of its own, with their requests a minute.
    others: Mapping[str, float] = field(default_factory=dict)
    #: Tenants with their weights.
    weights: Mapping[str, float] = field(default_factory=dict)
    #: From when until when the service refuses every call.
    storm: tuple[float, float] = (0.0, 0.0)
    #: Seconds until the run ends, if not with its jobs.
    until: float = 1e6


def job(number: int, chance: random.Random, **fields: object) -> dict[str, Any]:
    """Return a job of one call."""
    (quality,) = chance.choices([*KINDS], [share for share, _ in KINDS.values()])
    document = {"job_id": f"j{number}", "prompt": f"j{number}", "model": "gpt-image-2"}
    return document | {"quality": quality} | fields


def backlog(
    count: int,
    rpm: float,
    *,
    seed: int = 1,
    others: Mapping[str, float] | None = None,
    **fields: object,
) -> Load:
    """Return jobs that all come at once, 200 a second."""
    chance = random.Random(seed)  # noqa: S311 (a simulation)
    jobs = [(number / 200, job(number, chance, **fields)) for number in range(count)]
    return Load(jobs, rpm, others or {})


def storm(count: int, rpm: float, *, seed: int = 1) -> Load:
    """Return such jobs, all of whose calls are refused in the fifth minute."""
    return replace(backlog(count, rpm, seed=seed), storm=(240.0, 300.0))


def trickle(share: float, rpm: float, *, count: int, seed: int = 1) -> Load:
    """Return jobs that come one by one and use a share of the quota."""
    chance = random.Random(seed)  # noqa: S311 (a simulation)
    when, jobs = 0.0, list[tuple[float, Mapping[str, Any]]]()
    for number in range(count):
        jobs.append((when, job(number, chance)))
        when += chance.expovariate(rpm / 60 * share)
    return Load(jobs, rpm)


def of_tenants(
    jobs: Sequence[tuple[float, Share]], rpm: float, *, until: float, seed: int = 1
) -> Load:
    """Return jobs of tenants, each with its weight and a priority."""
    chance = random.Random(seed)  # noqa: S311 (a simulation)
    documents = [
        (when, job(number, chance, tenant=share.tenant, priority=share.priority))
        for number, (when, share) in enumerate(jobs)
    ]
    weights = {share.tenant: share.weight for _, share in jobs}
    return Load(sorted(documents, key=itemgetter(0)), rpm, weights=weights, until=until)


@dataclass(frozen=True, slots=True)
class Design:
    """A way to wait."""

    name: str
    platform: Platform = field(default_factory=Platform)
    lanes: bool = False
    #: As tasks waited before: delayed copies on their lanes, no ticket at acceptance, no guard.
    former: bool = False
    #: The lead of the settings, seconds.
    lead: float = 40.0


SHIPPED: Final = Design("shipped")
FORMER: Final = Design(
    "former", Platform(batch_size=16, new_batch_threshold=8), lanes=True, former=True
)


def counting_hidden(design: Design) -> Design:
    """Return the design on a platform whose scaler always counts hidden messages."""
    return replace(design, platform=replace(design.platform, counts_hidden=True))


class _FormerTasks(WaitingTasks):
    """All that waits is hidden on the queue of its function."""

    async def send(self, message: TaskMessage, *, due: datetime | None = None) -> None:
        now = self._clock.now()
        time = due or (message.ticket.at - FORMER_LEAD if message.ticket else now)
        delay = min(max(time - now, timedelta()), LONGEST_DELAY)
        await self._queues.send(SENT_TO[0], message.to_bytes(), delay=delay)

    async def move_due(self, *_: object) -> int:
        return 0

    def keeps(self, _: Postponed) -> bool:
        return False


class _FormerLedgers(PoolLedgers):
    """A task asks for its ticket when it is delivered."""

    async def take_tickets(self, pool: str, count: int, **_: object) -> tuple[Ticket, ...]:
        raise StoreUnavailable(f"{count} tasks ask the pool {pool!r} later")


class Provider:
    """The images endpoint with its deployments."""

    def __init__(self, load: Load, chance: random.Random) -> None:
        quotas = {"gpt-image-2": load.rpm, **load.others}
        self.services = {name: Service(rpm, SLICE_SECONDS) for name, rpm in quotas.items()}
        self.refused = 0
        #: Times and jobs of the calls that were accepted, and the seconds that they took.
        self.calls: list[tuple[float, str]] = []
        self.paid_seconds = 0.0
        #: Those whose process was ended meanwhile.
        self.cut = 0
        self.is_over = False
        self._storm = load.storm
        self._chance = chance

    @asynccontextmanager
    async def post(
        self, request: ImageRequest, *, limit: timedelta, client_request_id: str
    ) -> AsyncIterator[FakeReply]:
        del limit, client_request_id
        await asyncio.sleep(self._chance.uniform(0.02, 0.06))
        name = next(each for each in self.services if f"/{each}/" in request.url)
        if wait := self._refuse(name):
            self.refused += 1
            yield error_reply(429, "429", retry_after_ms=str(round(wait * 1000)))
            return
        job_id, *_ = str(request.body["prompt"]).split()
        self.calls.append((seconds_now(), job_id))
        takes = self._chance.uniform(*KINDS[str(request.body.get("quality", "low"))][1])
        self.paid_seconds += takes
        try:
            await asyncio.sleep(takes)
        except asyncio.CancelledError:
            self.cut += not self.is_over
            raise
        yield reply_to(request)

    def _refuse(self, name: str) -> float | None:
        """Return the seconds of a refusal; None where a call is accepted."""
        since, until = self._storm
        if since <= seconds_now() < until:
            return until - seconds_now()
        return self.services[name].call(seconds_now())

    def follow(
        self, link: str, *, own: bool, limit: timedelta
    ) -> AbstractAsyncContextManager[Reply]:
        del own, limit
        raise NotImplementedError(f"no reply of a simulation links a picture, as {link} does")


@dataclass(slots=True)
class Run:
    """A run of a design under a load."""

    load: Load
    design: Design = SHIPPED
    seed: int = 1
    #: Requests to the ledger, and writes of it that came second.
    ledger_requests: int = 0
    conflicts: int = 0
    ended_at: float = 0.0
    containers: dict[str, MemoryBlobs] = field(default_factory=dict)
    provider: Provider = field(init=False)
    queues: SimulatedQueues = field(init=False)
    functions: list[Function] = field(init=False)
    chance: random.Random = field(init=False)

    def go(self) -> "Run":
        """Run until all jobs have ended."""
        random.seed(self.seed)  # the app's own chance
        self.chance = random.Random(self.seed)  # noqa: S311 (a simulation)
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(self._run())
        return self

    def _configure(self) -> Configuration:
        quotas = {"gpt-image-2": self.load.rpm, **self.load.others}
        deployments = [
            {"name": name, "model": "gpt-image-2", "pool": name, "rpm": rpm}
            for name, rpm in quotas.items()
        ]
        tenants = [{"name": name, "weight": each} for name, each in self.load.weights.items()]
        return configured(
            FOUNDRY_DEPLOYMENTS=json.dumps(deployments),
            CALL_GUARD_SECONDS="0" if self.design.former else "4",
            LEAD_SECONDS=str(self.design.lead),
            TENANTS=json.dumps(tenants),
        )

    async def _run(self) -> None:
        configuration, platform = self._configure(), self.design.platform
        jobs_queue = configuration.settings.jobs_queue
        self.queues = SimulatedQueues(platform, self.chance, self._route())
        self.provider = Provider(self.load, self.chance)
        open_world = partial(self._open_world, configuration)

        async def take_in(world: World, received: ReceivedMessage) -> None:
            now = world.clock.now()
            message = Message(received.text.encode(), received.message_id, now)
            await handle_job_message(message, world, configuration)
            await _move_due(world)

        async def work(world: World, received: ReceivedMessage) -> None:
            await generate(read_task(received.text.encode()), world, configuration)
            await _move_due(world)

        intake = Function(jobs_queue, take_in, platform, self.queues, open_world, self.chance)
        self.functions = [
            Function(queue, work, platform, self.queues, open_world, self.chance)
            for queue in (LANES.values() if self.design.lanes else [TASKS])
        ]
        tasks = [asyncio.create_task(each.scale()) for each in (intake, *self.functions)]
        tasks += [
            asyncio.create_task(self._sweep(open_world(), configuration)),
            asyncio.create_task(self._submit(jobs_queue)),
        ]
        ends = asyncio.create_task(self._wait_for_the_end())
        done, _ = await asyncio.wait([ends, *tasks[:-1]], return_when=asyncio.FIRST_COMPLETED)
        self.ended_at, self.provider.is_over = seconds_now(), True
        for task in done:
            task.result()  # of another task than `ends`: its error
        for function in (intake, *self.functions):
            if function.errors:
                raise function.errors[0]

    def _route(self) -> dict[str, dict[str, str]]:
        """Return the queue of each job's tasks, by the queue that the app sends them to."""
        lanes = {
            each["job_id"]: LANES[each["quality"]] if self.design.lanes else TASKS
            for _, each in self.load.jobs
        }
        return dict.fromkeys(SENT_TO, lanes)

    async def _submit(self, queue: str) -> None:
        for when, document in self.load.jobs:
            await asyncio.sleep(max(when - seconds_now(), 0))
            await self.queues.send(queue, json.dumps(document).encode())

    async def _wait_for_the_end(self) -> None:
        while seconds_now() < self.load.until:
            await asyncio.sleep(10)
            stored = self.containers["jobs"].stored if "jobs" in self.containers else ()
            if sum(name.startswith("ended/") for name in stored) >= len(self.load.jobs):
                return

    async def _sweep(self, world: World, configuration: Configuration) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            await sweep(world, configuration)

    def _open_world(self, configuration: Configuration) -> World:
        """Return the world of a new process."""
        clock, settings = VirtualClock(), configuration.settings
        world = build_world(
            settings,
            blobs=self._open_container,
            queues=self.queues,
            clock=clock,
            gather=gather_bounded,
            endpoint=lambda _: self.provider,
            renderer=lambda pictures: FakeRenderer(pictures, Steps()),
            links=FakeLinks(),
            sinks={},
            callback=_open_no_callback,
        )
        if not self.design.former:
            return world
        pools = _FormerLedgers(self._open_container(settings.pace_container), clock)
        tasks = _FormerTasks(self.queues, pools, clock, settings)
        return replace(world, pools=pools, tasks=tasks)

    def _open_container(self, container: str) -> MemoryBlobs:
        is_ledger, storage = container == "pace", self.design.platform.storage

        async def before(operation: str, _name: str, _body: bytes) -> None:
            self.ledger_requests += is_ledger
            self.conflicts += is_ledger and operation == "replace"
            await asyncio.sleep(self.chance.uniform(*storage))

        def after(operation: str, _name: str) -> None:
            self.conflicts -= is_ledger and operation == "replace"

        blobs = MemoryBlobs(container, now=VirtualClock().now, before=before, after=after)
        return self.containers.setdefault(container, blobs)


def _open_no_callback(url: str) -> Sink:
    raise NotImplementedError(f"no job of a simulation names a callback, as {url} is")


async def _move_due(world: World) -> None:
    with suppress(StoreUnavailable):
        await world.tasks.move_due()


@dataclass(frozen=True, slots=True)
class Figures:
    """The result of a run."""

    #: Share of the quota that the first nine tenths of the calls used, and those once warm.
    used: float
    used_warm: float
    #: Instances on average once warm, those that the quota needs, the most, and how many started.
    instances: float
    needed: float
    most: float
    cold_starts: float
    #: Seconds billed for a second of a paid call.
    billed: float
    #: For a thousand jobs: paid calls that a drain cut, and 429s.
    cut: float
    throttled: float
    #: For a job: requests to queues and to the ledger, and writes of the ledger that came second.
    operations: float
    conflicts: float
    #: Seconds from arrival to call: median and longest.
    wait: float
    longest: float


def measure(run: Run) -> Figures:
    """Return the figures of a run."""
    provider, jobs, functions = run.provider, len(run.load.jobs), run.functions
    called = sorted(when for when, _ in provider.calls)
    most = max(math.ceil(0.9 * len(called)) - 1, 1)
    since, until = called[0], called[most]
    rpm = run.load.rpm + sum(run.load.others.values())
    warm = max(min(WARM, until / 2), run.load.storm[1])
    after = [when for when in called[: most + 1] if when >= warm]
    waits = sorted(waits_of(run).values())
    sent = sum(n for name, n in run.queues.requests.items() if name != "empty receive")
    return Figures(
        used=most / ((until - since) * rpm / 60),
        used_warm=(len(after) - 1) / ((until - after[0]) * rpm / 60),
        instances=sum(each.mean_instances(warm, until) for each in functions),
        needed=count_needed(rpm, run.design.platform),
        most=sum(each.most_instances for each in functions),
        cold_starts=sum(each.cold_starts for each in functions),
        billed=sum(each.bill(run.ended_at) for each in functions) / provider.paid_seconds,
        cut=1000 * provider.cut / len(called),
        throttled=1000 * provider.refused / jobs,
        operations=(sent + run.ledger_requests) / jobs,
        conflicts=run.conflicts / jobs,
        wait=statistics.median(waits),
        longest=waits[-1],
    )


def mean_of(found: Sequence[Figures]) -> Figures:
    """Return the means of several runs."""
    names = [each.name for each in fields(Figures)]
    return Figures(
        **{name: statistics.fmean(getattr(each, name) for each in found) for name in names}
    )


def count_needed(rpm: float, platform: Platform) -> int:
    """Return how many instances the calls of a quota, and those that come next, need."""
    return math.ceil(rpm / 60 * (MEAN_SECONDS + 40) / platform.calls_an_instance)


def waits_of(run: Run) -> dict[str, float]:
    """Return the seconds from the arrival of each job to its first call."""
    first = dict[str, float]()
    for when, name in run.provider.calls:
        first.setdefault(name, when)
    return {
        each["job_id"]: first[each["job_id"]] - arrived
        for arrived, each in run.load.jobs
        if each["job_id"] in first
    }
