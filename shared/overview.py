"""How the whole app stands, at a glance: what it serves, what waits, what the pools allow."""

from datetime import datetime

from pydantic import Field

from .configuration import Configuration
from .event_data import Data
from .ports import World


class LaneStatus(Data):
    """One lane of calls."""

    lane: str
    oldest_seconds: float | None = Field(
        description="How long the message next in line has waited; null when none waits."
    )


class PoolStatus(Data):
    """One quota pool."""

    pool: str
    deployments: tuple[str, ...]
    quota_rpm: float | None = Field(description="Requests a minute, as configured.")


class Overview(Data):
    """How the app stands."""

    models: tuple[str, ...]
    pools: tuple[PoolStatus, ...]
    lanes: tuple[LaneStatus, ...]
    links: bool = Field(description="Whether links to pictures are given to who asks.")
    time: datetime


async def overview(world: World, configuration: Configuration) -> Overview:
    """Tell how the app stands; one look at each lane's queue."""
    settings, now = configuration.settings, world.clock.now()
    lanes = []
    for lane, queue in settings.lanes.items():
        oldest = await world.queues.oldest(queue)
        waited = None if oldest is None else round(max(0.0, (now - oldest).total_seconds()), 1)
        lanes.append(LaneStatus(lane=lane, oldest_seconds=waited))
    return Overview(
        models=tuple(dict.fromkeys(each.model or each.name for each in configuration.deployments)),
        pools=_pools(configuration),
        lanes=tuple(lanes),
        links=settings.read_link_seconds > 0,
        time=now,
    )


def _pools(configuration: Configuration) -> tuple[PoolStatus, ...]:
    members: dict[str, list[str]] = {}
    quotas: dict[str, float | None] = {}
    for deployment in configuration.deployments:
        pool = deployment.pool or deployment.name
        members.setdefault(pool, []).append(deployment.name)
        quotas.setdefault(pool, deployment.rpm)
    return tuple(
        PoolStatus(pool=pool, deployments=tuple(names), quota_rpm=quotas[pool])
        for pool, names in members.items()
    )
