"""Submission over HTTP: a body becomes an accepted job, or every reason why not."""

from dataclasses import dataclass
from datetime import datetime

from .accepting import Accepted, accept
from .configuration import Configuration
from .judging import judge
from .messages import read_job
from .plans import Plan
from .ports import World


@dataclass(frozen=True, slots=True)
class Submission:
    """A body as it came."""

    body: bytes
    #: What the id of a job without one is made from: equal for the same request sent again.
    seed: str
    at: datetime


async def submit(submission: Submission, world: World, configuration: Configuration) -> Accepted:
    """Accept one job. Raises `Rejected` or `Unavailable`."""
    job = read_job(submission.body, inserted_at=submission.at, seed=submission.seed)
    return await accept(job, world, configuration)


async def foresee(
    submission: Submission, world: World, configuration: Configuration
) -> tuple[Plan, ...]:
    """Return the plans a job would get; nothing is stored. Raises `Rejected` or `Unavailable`."""
    job = read_job(submission.body, inserted_at=submission.at, seed=submission.seed)
    return (await judge(job, world, configuration)).plans
