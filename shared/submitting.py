"""Submission over HTTP: a body becomes an accepted job or every reason why not, one or many."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from .accepting import Accepted, accept
from .configuration import Configuration
from .errors import Rejected, Unavailable
from .job_lists import messages_in
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


async def submit_each(
    submission: Submission, world: World, configuration: Configuration
) -> AsyncIterator[Accepted | Rejected | Unavailable]:
    """Accept a list of jobs, one after the other; what became of each, in their order.

    Raises `MalformedMessage` when the body is no list of jobs.
    """
    for place, message in enumerate(messages_in(submission.body)):
        one = Submission(message, f"{submission.seed}/{place}", submission.at)
        try:
            yield await submit(one, world, configuration)
        except (Rejected, Unavailable) as error:
            yield error


async def foresee(
    submission: Submission, world: World, configuration: Configuration
) -> tuple[Plan, ...]:
    """Return the plans a job would get; nothing is stored. Raises `Rejected` or `Unavailable`."""
    job = read_job(submission.body, inserted_at=submission.at, seed=submission.seed)
    return (await judge(job, world, configuration)).plans
