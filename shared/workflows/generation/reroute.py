"""Choose another model for a job that left the choice to the app, when its own can't be called.

Only for a plan of which no picture was made or may have been made. Its pictures keep their names
and its tasks their numbers; the record notes the change among the adjustments.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from ...config.settings import Configuration
from ...errors import UnsupportedRequest
from ...jobs.job import ANY_MODEL
from ...limits.pool_ledger import CircuitOpen
from ...pictures.inputs import input_pixels, input_types
from ...records.record import JobRecord, TaskState
from ...routing.plan import Adjustment, Plan, estimate_usd
from ...routing.planner import make_plans

_FIELD: Final = "model"


def reroute(
    record: JobRecord,
    index: int,
    circuit: CircuitOpen,
    configuration: Configuration,
    *,
    prompt_characters: int,
    now: datetime,
) -> JobRecord | None:
    """Return the record with another model in the plan of a task, or None if no other model fits.

    A job never returns to a model, so two models with open circuits do not send it back and forth.
    """
    place = record.tasks[index].part
    plan = record.plans[place]
    chosen = record.job.model not in ANY_MODEL or record.job.models
    # An outage ends by itself, and other models have it too where they share the endpoint.
    if chosen or circuit.reason == "unavailable" or not _untouched(record, place):
        return None
    left = {plan.model, *(each.asked for each in plan.adjustments if each.field == _FIELD)}
    others = tuple(each for each in configuration.deployments if each.model not in left)
    try:
        plans = make_plans(
            record.job,
            replace(configuration, deployments=others),
            prompt_characters=prompt_characters,
            today=now.date(),
            input_pixels=input_pixels(record.inputs),
            input_types=input_types(record.inputs),
        )
    except UnsupportedRequest:
        return None
    if len(plans) != len(record.plans) or plans[place].per_call != plan.per_call:
        return None  # its calls would change
    fresh = _note_fallback(plans[place], plan, circuit)
    changed = (*record.plans[:place], fresh, *record.plans[place + 1 :])
    if _exceeds_cost_limit(record, changed):
        return None
    return record.model_copy(update={"plans": changed, "updated_at": now})


def _untouched(record: JobRecord, part: int) -> bool:
    return all(
        task.state is TaskState.PENDING and not task.attempts and not task.pictures
        for task in record.tasks
        if task.part == part
    )


def _note_fallback(fresh: Plan, plan: Plan, circuit: CircuitOpen) -> Plan:
    earlier = [each for each in plan.adjustments if each.field == _FIELD]
    fallback = Adjustment(
        field=_FIELD,
        asked=plan.model,
        decided=fresh.model,
        reason=f"{plan.model} can't be called: {circuit.reason}, {circuit.message}",
    )
    return fresh.model_copy(update={"adjustments": (*earlier, fallback, *fresh.adjustments)})


def _exceeds_cost_limit(record: JobRecord, plans: tuple[Plan, ...]) -> bool:
    limit = record.job.max_cost_usd
    if limit is None:
        return False
    estimate = estimate_usd(plans)
    return estimate is None or estimate > limit
