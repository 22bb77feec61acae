"""The plan of one variation, written out: lane, calls, limits, blob names, warnings."""

import math
from collections.abc import Sequence
from datetime import date

from .catalogue import Model
from .deciding import Decision
from .jobs import Job
from .plans import Edit, Lane, Plan, Task
from .pricing import Estimate

#: Latency is given for 1024x1024 and taken to grow with the edge; nothing is measured above it.
BASE_PIXELS = 1_048_576
#: What each further picture of one call adds, as a share of the first: an assumption, since no
#: measurement is known, on the long side.
FURTHER_PICTURE = 0.5
#: An edit against a picture from nothing: 55, 93 and 240 s against 24, 60 and 160 s were measured
#: (https://github.com/david-share/Multimodal-Models).
EDIT_FACTOR = 1.6
#: Most seconds of a call on the small and on the standard lane.
LANE_SECONDS: tuple[tuple[Lane, float], ...] = (("small", 45.0), ("standard", 120.0))
#: 394 s is the slowest success reported (https://docs.openclaw.ai/providers/openai/azure).
LEAST_CALL_LIMIT = 420.0
CALL_LIMIT_FACTOR = 5.0


def planned(
    job: Job,
    decision: Decision,
    price: Estimate,
    deployments: tuple[str, ...],
    *,
    after: Sequence[Plan],
    today: date,
) -> Plan:
    """Write the plan of a job with one model and one size; `after` are the job's plans before it.

    `price` is that of the job's pictures in one locale.
    """
    model, level, shaped = decision.model, decision.level, decision.shaped
    locales = job.locales or (None,)
    tasks = _tasks(job, model, after)
    most = max(task.n for task in tasks)
    pixels = shaped.width * shaped.height
    seconds = level.seconds if level else model.seconds
    seconds *= EDIT_FACTOR if job.inputs else 1.0
    expected = seconds * max(1.0, math.sqrt(pixels / BASE_PIXELS)) * _factor(most)
    lane: Lane = next((lane for lane, limit in LANE_SECONDS if expected <= limit), "large")
    calls = "one call" if len(tasks) == 1 else f"{len(tasks)} calls"
    decision.reasons.append(
        f"Lane {lane}: {calls} of up to {most} picture{'s' if most > 1 else ''}, each call expected"
        f" to take {expected:.0f} s."
    )
    return Plan(
        model=model.name,
        deployments=deployments,
        asked_size=str(job.size),
        asked_quality=job.quality,
        asked_model=job.model,
        asked_routing=job.routing,
        routing=decision.routing,
        width=shaped.width,
        height=shaped.height,
        quality=level.name if level else None,
        tier=decision.tier,
        bucket=level.bucket if level else None,
        lane=lane,
        n=job.n,
        format=job.format,
        content_type=f"image/{job.format}",
        compression=job.compression if "output_compression" in decision.parameters else None,
        background=None if job.background == "auto" else job.background,
        parameters=decision.parameters,
        edit=Edit(how=model.edits.how, field=model.edits.field)
        if job.inputs and model.edits
        else None,
        stream=model.streams and most == 1,
        tasks=tasks,
        tokens=price.tokens,
        estimate_usd=None if price.usd is None else round(price.usd * len(locales), 6),
        estimate_basis=price.basis + (f", in {len(locales)} locales" if len(locales) > 1 else ""),
        expected_seconds=round(expected, 1),
        call_limit_seconds=round(max(LEAST_CALL_LIMIT, CALL_LIMIT_FACTOR * expected), 1),
        adjustments=tuple(decision.adjustments),
        reasons=tuple(decision.reasons),
        warnings=_warnings(model, pixels, today),
    )


def _factor(n: int) -> float:
    return 1.0 + FURTHER_PICTURE * (n - 1)


def _tasks(job: Job, model: Model, after: Sequence[Plan]) -> tuple[Task, ...]:
    """Cut the pictures into calls: locale by locale, as many to a call as the model makes.

    A picture's number counts within its locale, over all plans of the job.
    """
    extension = "jpg" if job.format == "jpeg" else job.format
    first = job.n * len(after)
    numbers, per = range(first, first + job.n), model.max_n_per_call
    groups = [
        (locale, numbers[start : start + per])
        for locale in job.locales or (None,)
        for start in range(0, job.n, per)
    ]
    return tuple(
        Task(
            index=index,
            n=len(group),
            locale=locale,
            pictures=tuple(
                f"{job.job_id}/{locale or 'default'}/{number}.{extension}" for number in group
            ),
        )
        for index, (locale, group) in enumerate(groups, sum(len(plan.tasks) for plan in after))
    )


def _warnings(model: Model, pixels: int, today: date) -> tuple[str, ...]:
    limit, warnings = model.experimental_above_pixels, []
    if warning := model.warning(today):
        warnings.append(warning)
    if limit is not None and pixels > limit:
        warnings.append(
            f"{pixels:,} pixels are above {limit:,}, where {model.name} is experimental"
        )
    return tuple(warnings)
