"""Describe the state of the whole app: its models, its pools, the budget and the queues."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import Field

from ..catalogue.deployments import Deployment
from ..config.settings import Configuration
from ..errors import ImageJobsError
from ..events.data import Data
from ..http_api.limits import BudgetStatus, PaceStatus, describe_budget, describe_pace
from ..http_api.problems import to_problem
from ..limits.adaptive_rate import Quota
from ..stores.world import World

#: The name of no blob: those of jobs start with a letter or digit.
_NOTHING: Final = "_health"


class WaitingStatus(Data):
    """The tasks that wait for their time."""

    tasks: int | None = Field(description="About how many; null: see `problem`.")
    late_seconds: float | None = Field(
        description="How late the latest is that nobody has moved; 0 is in time."
    )
    problem: str | None = Field(description="Why their queue could not be read.")


class PoolStatus(Data):
    """One quota pool."""

    pool: str
    deployments: tuple[str, ...]
    quota_rpm: float = Field(description="Requests a minute, as configured.")
    pace: PaceStatus | None = Field(description="From its ledger; null: see `problem`.")
    problem: str | None = Field(description="Why its ledger could not be read.")


class StoreStatus(Data):
    """A store that the app needs, as it answered just now."""

    store: Literal["records", "pictures", "queues"]
    milliseconds: float | None = Field(description="Of one small read; null: see `problem`.")
    problem: str | None = Field(description="Why it could not be read.")


class Overview(Data):
    """The state of the app."""

    models: tuple[str, ...]
    pools: tuple[PoolStatus, ...]
    budget: BudgetStatus | None = Field(description="Today's budget; null: see `budget_problem`.")
    budget_problem: str | None = Field(description="Why the budget could not be read.")
    oldest_task_seconds: float | None = Field(
        description="How long the oldest task has waited; null when no task waits, or see the "
        "problem of the store `queues`."
    )
    waiting: WaitingStatus
    stores: tuple[StoreStatus, ...]
    links: bool = Field(description="Whether callers get links to pictures.")
    time: datetime


@dataclass(frozen=True, slots=True)
class _Look:
    """One overview; a part that can't be read shows its error and hides no other part."""

    world: World
    configuration: Configuration
    now: datetime
    #: For the log: the caller gets only their kind.
    errors: list[ImageJobsError] = field(default_factory=list)

    async def waiting(self) -> WaitingStatus:
        found, problem = await self.attempt(self.world.tasks.look)
        return WaitingStatus(
            tasks=found.count if found else None,
            late_seconds=round(found.late.total_seconds(), 1) if found else None,
            problem=problem,
        )

    async def pool(self, deployments: list[Deployment]) -> PoolStatus:
        first = deployments[0]
        quota = Quota(rpm=first.rpm or 0.0)

        async def look() -> PaceStatus:
            return describe_pace(await self.world.pools.look(first.pool), quota, now=self.now)

        pace, problem = await self.attempt(look)
        return PoolStatus(
            pool=first.pool,
            deployments=tuple(each.name for each in deployments),
            quota_rpm=quota.rpm,
            pace=pace,
            problem=problem,
        )

    async def budget(self) -> tuple[BudgetStatus | None, str | None]:
        day, settings = self.now.astimezone(UTC).date(), self.configuration.settings

        async def look() -> BudgetStatus:
            return describe_budget(
                await self.world.budget.look(day),
                day=day,
                limit_usd=settings.daily_budget_usd,
                tenants=settings.tenants,
            )

        return await self.attempt(look)

    async def stores(self) -> tuple[tuple[StoreStatus, ...], datetime | None]:
        """Send one small request to each store; return also when the oldest task was sent."""
        world, queue = self.world, self.configuration.settings.tasks_queue
        records, _ = await self.store("records", lambda: world.records.read(_NOTHING))
        pictures, _ = await self.store(
            "pictures", lambda: world.pictures.read(_NOTHING, start=0, length=1)
        )
        queues, oldest = await self.store("queues", lambda: world.queues.oldest(queue))
        return (records, pictures, queues), oldest

    async def store[T](
        self, store: Literal["records", "pictures", "queues"], read: Callable[[], Awaitable[T]]
    ) -> tuple[StoreStatus, T | None]:
        began = self.world.clock.now()
        found, problem = await self.attempt(read)
        took = (self.world.clock.now() - began).total_seconds() * 1000
        milliseconds = None if problem else round(took, 1)
        return StoreStatus(store=store, milliseconds=milliseconds, problem=problem), found

    async def attempt[T](self, look: Callable[[], Awaitable[T]]) -> tuple[T | None, str | None]:
        try:
            return await look(), None
        except ImageJobsError as error:
            self.errors.append(error)
            return None, to_problem(error).detail


async def overview(
    world: World, configuration: Configuration
) -> tuple[Overview, tuple[ImageJobsError, ...]]:
    """Return the state of the app, and the errors of the parts that could not be read."""
    settings, look = configuration.settings, _Look(world, configuration, world.clock.now())
    pools = await world.gather(look.pool(each) for each in _pools(configuration))
    budget, budget_problem = await look.budget()
    stores, oldest = await look.stores()
    waited = None if oldest is None else max(0.0, (look.now - oldest).total_seconds())
    return Overview(
        models=tuple(dict.fromkeys(each.model or each.name for each in configuration.deployments)),
        pools=tuple(pools),
        budget=budget,
        budget_problem=budget_problem,
        oldest_task_seconds=None if waited is None else round(waited, 1),
        waiting=await look.waiting(),
        stores=stores,
        links=settings.read_link_seconds > 0,
        time=look.now,
    ), tuple(look.errors)


async def probe_pool(pool: str, world: World, configuration: Configuration) -> PoolStatus | None:
    """Let the next call of a pool be a probe; None if no deployment has such a pool."""
    members = next((each for each in _pools(configuration) if each[0].pool == pool), None)
    if members is None:
        return None
    await world.pools.probe_now(pool)
    return await _Look(world, configuration, world.clock.now()).pool(members)


def _pools(configuration: Configuration) -> list[list[Deployment]]:
    members: dict[str, list[Deployment]] = {}
    for deployment in configuration.deployments:
        members.setdefault(deployment.pool, []).append(deployment)
    return list(members.values())


async def ages(
    world: World, configuration: Configuration
) -> tuple[Mapping[str, float], tuple[ImageJobsError, ...]]:
    """Return the age of the oldest message that waits in each queue, seconds; 0 without one.

    Beside it, return the errors of the queues that can't be looked at.
    """
    settings = configuration.settings
    now = world.clock.now()
    found: dict[str, float] = {}
    errors: list[ImageJobsError] = []
    for queue in (settings.jobs_queue, settings.tasks_queue, settings.deliveries_queue):
        try:
            sent_at = await world.queues.oldest(queue)
        except ImageJobsError as error:
            errors.append(error)
        else:
            found[queue] = max((now - sent_at).total_seconds(), 0.0) if sent_at else 0.0
    return found, tuple(errors)
