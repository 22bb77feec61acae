"""Add up what paid calls cost: by day, tenant, model, or the value of a tag.

Amounts are counted as the daily budget counts them: each call in whole millionths of a dollar,
rounded up, so a report of a day agrees with its ledger.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from ..jobs.fields import TAG_KEY, quote_value
from .costs import settled_cost
from .record import Attempt, JobRecord

_TAG: Final = "tag:"


@dataclass(frozen=True, slots=True)
class CallCost:
    """What one call of a job cost, and whose it was."""

    job: JobRecord
    attempt: Attempt
    model: str


@dataclass(frozen=True, slots=True)
class CostSum:
    """The calls whose facts are these, in the order of the report's columns."""

    facts: tuple[str, ...]
    calls: int = 0
    #: Millionths of a dollar of the calls whose price is known: certain, and possible.
    certain: int = 0
    at_most: int = 0
    #: Calls whose price is not known.
    unpriced: int = 0


def read_columns(text: str) -> tuple[str, ...]:
    """Return the columns in a text such as `tenant,tag:campaign`; `ValueError` for another one."""
    columns = tuple(dict.fromkeys(each.strip() for each in text.split(",")))
    for column in columns:
        name = column.removeprefix(_TAG)
        is_tag = name != column and re.fullmatch(TAG_KEY, name)
        if column not in {"day", "tenant", "model"} and not is_tag:
            raise ValueError(
                f"{quote_value(column)} is not a column; use day, tenant, model or tag:NAME"
            )
    return columns


def find_calls(record: JobRecord, *, since: datetime, until: datetime) -> Iterator[CallCost]:
    """Yield the calls of a job that were or may have been paid for and began within a time."""
    models = [
        (attempt, record.plans[task.part].model)
        for task in record.tasks
        for attempt in task.every_attempt
    ]
    # Calls before a replay are kept without their part: a deployment has one model.
    models += [(attempt, _find_model(record, attempt)) for attempt in record.past]
    for attempt, model in models:
        if attempt.may_be_billed and since <= attempt.started_at < until:
            yield CallCost(record, attempt, model)


def _find_model(record: JobRecord, attempt: Attempt) -> str:
    of_plans = (plan.model for plan in record.plans if attempt.deployment in plan.deployments)
    return next(of_plans, attempt.deployment)


def add_up(calls: Iterable[CallCost], columns: Sequence[str]) -> tuple[CostSum, ...]:
    """Return a sum for each combination of the columns' facts, in the order of the facts."""
    sums: dict[tuple[str, ...], CostSum] = {}
    for call in calls:
        facts = tuple(_fact(call, column) for column in columns)
        so_far, cost = sums.get(facts, CostSum(facts)), settled_cost(call.attempt)
        sums[facts] = replace(
            so_far,
            calls=so_far.calls + 1,
            certain=so_far.certain + cost.certain,
            at_most=so_far.at_most + cost.at_most,
            unpriced=so_far.unpriced + (call.attempt.cost_usd_at_most is None),
        )
    return tuple(sums[facts] for facts in sorted(sums))


def _fact(call: CallCost, column: str) -> str:
    match column:
        case "day":
            return call.attempt.started_at.astimezone(UTC).date().isoformat()
        case "tenant":
            return call.job.job.tenant
        case "model":
            return call.model
        case tag:
            return call.job.job.tags.get(tag.removeprefix(_TAG), "")
