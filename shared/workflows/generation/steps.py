"""The next step of a task, decided from its record alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ...catalogue.deployments import Deployment
from ...config.settings import Configuration
from ...ports import What
from ...records.costs import may_exceed_cost_limit, over_cost_limit
from ...records.record import Attempt, Failure, JobRecord, TaskRecord
from ...records.task_messages import TaskMessage
from ...records.transitions import OPEN
from ...vocabulary import FailureCode, Slot


@dataclass(frozen=True, slots=True)
class AlreadyEnded:
    """Nothing to do, except to publish pending events."""

    why: Literal[What.ALREADY_ENDED, What.EARLIER_RUN]


@dataclass(frozen=True, slots=True)
class InProgress:
    """A live attempt holds the task; look again when it must be dead."""

    until: datetime


@dataclass(frozen=True, slots=True)
class TooEarly:
    """The job's `not_before` has not come."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Resolve:
    """An attempt died between its intent and its result: the outcome is unknown."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The task can't be done any more, and nothing is paid for that."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Pay:
    """Call one of these deployments for the pictures that are missing."""

    #: In the order in which their pools are asked for a reservation.
    deployments: tuple[Deployment, ...]
    slots: tuple[Slot, ...]
    #: No call is begun at or after this.
    give_up_at: datetime

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the deployments."""
        return tuple(deployment.name for deployment in self.deployments)


type NextStep = AlreadyEnded | InProgress | TooEarly | Resolve | GiveUp | Pay


def next_step(
    record: JobRecord, message: TaskMessage, *, now: datetime, configuration: Configuration
) -> NextStep:
    """Return the next step of a task."""
    task = record.tasks[message.task]
    if not message.is_of(record.run):
        return AlreadyEnded(What.EARLIER_RUN)
    if task.state not in OPEN:
        return AlreadyEnded(What.ALREADY_ENDED)
    if task.current:
        if now < task.current.deadline_at:
            return InProgress(task.current.deadline_at)
        return Resolve(task.current)
    give_up_at = record.give_up_at(configuration.settings.job_lifetime)
    if now >= give_up_at:
        return GiveUp(_too_late(give_up_at, task, message))
    if record.job.not_before and now < record.job.not_before:
        return TooEarly(record.job.not_before)
    return _choose_call(record, task, give_up_at, configuration)


def _choose_call(
    record: JobRecord, task: TaskRecord, give_up_at: datetime, configuration: Configuration
) -> GiveUp | Pay:
    """Return the call of a task that may call now, or why it can't be made."""
    plan, slots = record.plans[task.part], task.missing
    names = plan.deployments
    first = task.unpaid_retries % len(names)
    known = map(configuration.deployment, (*names[first:], *names[:first]))
    deployments = tuple(deployment for deployment in known if deployment)
    if not deployments:
        return GiveUp(
            Failure(
                code=FailureCode.MISCONFIGURED,
                message=f"no deployment of the plan is configured any more: {', '.join(names)}",
                retryable=True,
            )
        )
    estimate = plan.estimate_call(len(slots))
    if may_exceed_cost_limit(record, estimate):
        return GiveUp(over_cost_limit(record, estimate))
    return Pay(deployments, slots, give_up_at)


def _too_late(give_up_at: datetime, task: TaskRecord, message: TaskMessage) -> Failure:
    tried = f"; the last answer was {task.last_unpaid}" if task.last_unpaid else ""
    held = f"; it was held: {message.held}" if message.held else ""
    return Failure(
        code=FailureCode.DEADLINE_EXCEEDED,
        message=f"not made by {give_up_at.isoformat(timespec='seconds')}{tried}{held}",
        retryable=True,
    )
