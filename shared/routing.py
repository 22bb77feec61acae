"""Routing: one model, its deployments and a whole plan for a job, or every reason why none."""

import math
from collections.abc import Sequence
from datetime import date

from .catalogue import Catalogue, Model
from .deciding import Decision, decide
from .deployments import Deployment
from .errors import Fault, UnsupportedRequest
from .jobs import Job
from .plans import Lane, Plan, Task
from .pricing import Estimate, estimate

#: Latency is given for 1024x1024 and taken to grow with the edge; nothing is measured above it.
BASE_PIXELS = 1_048_576
#: What each further picture of one call adds, as a share of the first: an assumption, since no
#: measurement is known, on the long side.
FURTHER_PICTURE = 0.5
#: Most seconds of a call on the small and on the standard lane.
LANE_SECONDS: tuple[tuple[Lane, float], ...] = (("small", 45.0), ("standard", 120.0))
#: 394 s is the slowest success reported (https://docs.openclaw.ai/providers/openai/azure).
LEAST_CALL_LIMIT = 420.0
CALL_LIMIT_FACTOR = 5.0


def route(
    job: Job,
    *,
    catalogue: Catalogue,
    deployments: Sequence[Deployment],
    today: date,
    prompt_characters: int,
) -> Plan:
    """Decide everything about a job; `UnsupportedRequest` holds every fault when nothing fits.

    A model asked for by name is taken or refused. `auto` takes a model that is not retired over
    one that is, one that does just what was asked over one that adjusts it, the size nearest to the
    one asked for, one with a known price over one without, and then the cheapest; among equals the
    one configured first.
    """
    configured = _configured(catalogue, deployments)
    if job.model != "auto":
        configured = {name: configured[name] for name in [_asked(job, catalogue, configured)]}
    if not configured:
        raise UnsupportedRequest(
            [Fault("model", f"{job.model!r} finds no model, for no deployment is configured")]
        )
    decided = [
        decide(job, model, prompt_characters=prompt_characters) for model in configured.values()
    ]
    able = [
        (decision, _estimate(job, decision, prompt_characters))
        for decision in decided
        if not decision.faults
    ]
    if not able:
        raise UnsupportedRequest([fault for decision in decided for fault in decision.faults])
    decision, price = min(able, key=lambda one: _preference(one[0], one[1], today=today))
    decision.reasons.insert(0, _why_model(job, decision.model, price, len(configured)))
    names = tuple(one.name for one in deployments if _model_of(one) == decision.model.name)
    return _plan(job, decision, price, names, today)


def _model_of(deployment: Deployment) -> str:
    return deployment.model or deployment.name


def _configured(catalogue: Catalogue, deployments: Sequence[Deployment]) -> dict[str, Model]:
    names = dict.fromkeys(map(_model_of, deployments))
    return {name: catalogue.models[name] for name in names if name in catalogue.models}


def _asked(job: Job, catalogue: Catalogue, configured: dict[str, Model]) -> str:
    if job.model in configured:
        return job.model
    try:
        catalogue.get(job.model)
    except LookupError as error:
        raise UnsupportedRequest([Fault("model", str(error.args[0]))]) from error
    served = ", ".join(configured) or "none"
    raise UnsupportedRequest(
        [Fault("model", f"{job.model!r} has no deployment here; configured models: {served}")]
    )


def _estimate(job: Job, decision: Decision, prompt_characters: int) -> Estimate:
    quality = decision.level.name if decision.level else None
    width, height = decision.shaped.width, decision.shaped.height
    return estimate(
        decision.model, quality, width, height, n=job.n, prompt_characters=prompt_characters
    )


def _preference(
    decision: Decision, price: Estimate, *, today: date
) -> tuple[bool, bool, float, bool, float]:
    retired = decision.model.retired(today)
    # A difference in size that nobody sees must not outweigh the price.
    distance = round(decision.shaped.distance, 1)
    return retired, not decision.exact, distance, price.usd is None, price.usd or 0.0


def _why_model(job: Job, model: Model, price: Estimate, choices: int) -> str:
    if job.model != "auto":
        return f"Model {model.name} as asked."
    if choices == 1:
        return f"Model {model.name} is the only one configured."
    cost = "at an unknown price" if price.usd is None else f"at about ${price.usd:.4f}"
    return f"Model {model.name} is the best of {choices} configured for this job, {cost}."


def _plan(
    job: Job, decision: Decision, price: Estimate, deployments: tuple[str, ...], today: date
) -> Plan:
    model, level, shaped = decision.model, decision.level, decision.shaped
    tasks = _tasks(job, model)
    most = max(task.n for task in tasks)
    pixels = shaped.width * shaped.height
    seconds = level.seconds if level else model.seconds
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
        asked_size=job.size if isinstance(job.size, str) else ", ".join(job.size),
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
        stream=model.streams and most == 1,
        tasks=tasks,
        tokens=price.tokens,
        estimate_usd=price.usd,
        estimate_basis=price.basis,
        expected_seconds=round(expected, 1),
        call_limit_seconds=round(max(LEAST_CALL_LIMIT, CALL_LIMIT_FACTOR * expected), 1),
        adjustments=tuple(decision.adjustments),
        reasons=tuple(decision.reasons),
        warnings=_warnings(model, pixels, today),
    )


def _factor(n: int) -> float:
    return 1.0 + FURTHER_PICTURE * (n - 1)


def _tasks(job: Job, model: Model) -> tuple[Task, ...]:
    extension = "jpg" if job.format == "jpeg" else job.format
    names = [f"{job.job_id}/default/{index}.{extension}" for index in range(job.n)]
    per = model.max_n_per_call
    groups = [names[start : start + per] for start in range(0, job.n, per)]
    return tuple(
        Task(index=index, n=len(group), locale=None, pictures=tuple(group))
        for index, group in enumerate(groups)
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
