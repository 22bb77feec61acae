"""Choose a model and deployments for each model and size of a job, and write the plans."""

import math
from collections.abc import Iterator, Sequence
from datetime import date

from ..catalogue.deployments import Deployment
from ..catalogue.models import Catalogue, Model
from ..catalogue.pricing import Estimate, estimate
from ..errors import Fault, UnsupportedRequest
from ..jobs.job import ANY_MODEL, Job
from .decision import Decision, decide
from .plan import Edit, Plan

#: Latency is known for 1024x1024 and assumed to grow with the edge; nothing larger is measured.
BASE_PIXELS = 1_048_576
#: What each further picture of a call adds, as a share of the first: a cautious assumption, not
#: measured.
FURTHER_PICTURE_SHARE = 0.5
#: An edit compared with a generation: 55, 93 and 240 s compared with 24, 60 and 160 s were measured
#: (https://github.com/david-share/Multimodal-Models).
EDIT_FACTOR = 1.6
#: 394 s is the slowest success reported (https://docs.openclaw.ai/providers/openai/azure).
MIN_CALL_LIMIT = 420.0
CALL_LIMIT_FACTOR = 5.0
#: Most calls of one job: each call rewrites the record, whose size grows with the calls.
MAX_TASKS = 100
#: Assumed size of an input picture that was not read yet, for estimates.
ASSUMED_INPUT_PIXELS = 4 << 20


def make_plan(
    job: Job,
    decision: Decision,
    price: Estimate,
    deployments: tuple[str, ...],
    *,
    today: date,
) -> Plan:
    """Return the plan of a job with one model and one size.

    `price` is for the job's pictures in one locale.
    """
    model, level, fitted = decision.model, decision.level, decision.fitted
    locales = len(job.locales) or 1
    most = min(job.n, model.most_per_call(previews=job.previews))
    calls = locales * math.ceil(job.n / most)
    expected = _expect_seconds(job, decision) * (1 + FURTHER_PICTURE_SHARE * (most - 1))
    count = "One call" if calls == 1 else f"{calls} calls"
    decision.reasons.append(
        f"{count} of up to {most} picture{'s' if most > 1 else ''}, each call expected"
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
        width=fitted.width,
        height=fitted.height,
        quality=decision.quality,
        tier=decision.tier,
        bucket=level.bucket if level and not decision.by_service else None,
        n=job.n,
        format=job.format,
        content_type=f"image/{job.format}",
        compression=job.compression if "output_compression" in decision.parameters else None,
        background=None if job.background == "auto" else job.background,
        parameters=decision.parameters,
        edit=_choose_edit(job, model),
        stream=model.streams and most == 1,
        previews=job.previews,
        calls=calls,
        per_call=most,
        pictures=job.n * locales,
        tokens=price.tokens,
        estimate_usd=None if price.usd is None else round(price.usd * locales, 6),
        estimate_input_usd=None if price.input_usd is None else price.input_usd * locales,
        estimate_basis=price.basis + (f", in {locales} locales" if locales > 1 else ""),
        expected_seconds=round(expected, 1),
        call_limit_seconds=round(max(MIN_CALL_LIMIT, CALL_LIMIT_FACTOR * expected), 1),
        adjustments=tuple(decision.adjustments),
        reasons=tuple(decision.reasons),
        warnings=_list_warnings(model, fitted.width * fitted.height, today),
    )


def _choose_edit(job: Job, model: Model) -> Edit | None:
    """Return how the pictures to edit are sent; None for a generation."""
    if not job.inputs or model.edits is None:
        return None
    return Edit(how=model.edits.how, field=model.edits.field)


def _expect_seconds(job: Job, decision: Decision) -> float:
    """Return how long a call for one picture is expected to take."""
    seconds = (decision.level or decision.model).seconds * (EDIT_FACTOR if job.inputs else 1.0)
    pixels = decision.fitted.width * decision.fitted.height
    return seconds * max(1.0, math.sqrt(pixels / BASE_PIXELS))


def _list_warnings(model: Model, pixels: int, today: date) -> tuple[str, ...]:
    limit, warning = model.experimental_above_pixels, model.warning(today)
    warnings = [warning] if warning else []
    if limit is not None and pixels > limit:
        warnings.append(
            f"{pixels:,} pixels are above {limit:,}, where {model.name} is experimental"
        )
    return tuple(warnings)


def route(
    job: Job,
    *,
    catalogue: Catalogue,
    deployments: Sequence[Deployment],
    today: date,
    prompt_characters: int,
    input_pixels: Sequence[int] = (),
) -> tuple[Plan, ...]:
    """Return the plans of a job: one for each model and size, models first.

    If one plan is not possible, the whole job is rejected: `UnsupportedRequest` has every fault of
    every plan.
    """
    plans: list[Plan] = []
    faults: list[Fault] = []
    for variation in list_variations(job):
        try:
            chosen, price, names = _choose_model(
                variation,
                catalogue=catalogue,
                deployments=deployments,
                today=today,
                prompt_characters=prompt_characters,
                input_pixels=input_pixels or (ASSUMED_INPUT_PIXELS,) * len(job.inputs),
            )
        except UnsupportedRequest as error:
            for fault in error.faults:
                # As the caller wrote it: a job with `models` has no `model`.
                listed = fault.field == "model" and job.models
                faults.append(Fault("models", fault.message) if listed else fault)
        else:
            plans.append(make_plan(variation, chosen, price, names, today=today))
    if not faults:
        faults += _check_call_count(job, plans)
    if faults:
        raise UnsupportedRequest([*dict.fromkeys(faults)], job_id=job.job_id)
    return tuple(plans)


def list_variations(job: Job) -> Iterator[Job]:
    """Yield a job for each model and size."""
    sizes = (job.size,) if isinstance(job.size, str) else job.size
    for model in job.models or (job.model,):
        for size in sizes:
            yield job.model_copy(update={"model": model, "models": (), "size": size})


def _check_call_count(job: Job, plans: Sequence[Plan]) -> Iterator[Fault]:
    calls = sum(plan.calls for plan in plans)
    if calls <= MAX_TASKS:
        return
    several = "locales" if job.locales else "models" if job.models else "size"
    ways = f"{len(plans)} models and sizes, {len(job.locales) or 1} locales, n {job.n}"
    yield Fault(
        several, f"the job needs {calls} calls ({ways}); at most {MAX_TASKS} are allowed; divide it"
    )


def _choose_model(
    job: Job,
    *,
    catalogue: Catalogue,
    deployments: Sequence[Deployment],
    today: date,
    prompt_characters: int,
    input_pixels: Sequence[int],
) -> tuple[Decision, Estimate, tuple[str, ...]]:
    """Choose the model for one model and size; return its decision, price and deployments.

    A named model is used, or the job is rejected. Otherwise a model is preferred, in this order,
    that is not retired, needs no adjustments, and makes the size nearest to the requested one. Of
    these `cheapest` takes the lowest known price, and `auto` the first configured within the job's
    `max_cost_usd`.
    """
    models = _list_models(job, catalogue, deployments)
    decided = [
        decide(job, model, catalogue, prompt_characters=prompt_characters) for model in models
    ]
    if job.previews:
        deployments = [each for each in deployments if each.stream]
        _check_streams(decided, deployments)
    able = [
        (decision, _estimate_cost(job, decision, prompt_characters, input_pixels))
        for decision in decided
        if not decision.faults
    ]
    if not able:
        raise UnsupportedRequest([fault for decision in decided for fault in decision.faults])
    decision, price = min(able, key=lambda one: _rank(job, *one, today=today))
    decision.reasons.insert(0, _explain_model(job, decision, price, len(models)))
    names = tuple(one.name for one in deployments if _model_name(one) == decision.model.name)
    return decision, price, names


def _model_name(deployment: Deployment) -> str:
    return deployment.model or deployment.name


def _check_streams(decided: Sequence[Decision], streaming: Sequence[Deployment]) -> None:
    """Reject previews where every deployment of a model has `stream` off."""
    for decision in decided:
        name = decision.model.name
        if decision.model.max_previews and name not in map(_model_name, streaming):
            decision.reject("previews", f"every deployment of {name} has stream off; leave it out")


def _list_models(
    job: Job, catalogue: Catalogue, deployments: Sequence[Deployment]
) -> Sequence[Model]:
    """Return the configured models that the job allows; raise `UnsupportedRequest` for none."""
    names = dict.fromkeys(map(_model_name, deployments))
    configured = {name: catalogue.models[name] for name in names if name in catalogue.models}
    if job.model in configured:
        return (configured[job.model],)
    if job.model not in ANY_MODEL:
        try:
            catalogue.get(job.model)
        except LookupError as error:
            raise UnsupportedRequest([Fault("model", str(error.args[0]))]) from error
        served = ", ".join(configured) or "none"
        message = f"{job.model!r} has no deployment; configured models: {served}"
        raise UnsupportedRequest([Fault("model", message)])
    if not configured:
        message = f"{job.model!r} needs a deployment, but none is configured"
        raise UnsupportedRequest([Fault("model", message)])
    return tuple(configured.values())


def _estimate_cost(
    job: Job, decision: Decision, prompt_characters: int, input_pixels: Sequence[int]
) -> Estimate:
    return estimate(
        decision.model,
        decision.level.name if decision.level else None,
        decision.fitted.width,
        decision.fitted.height,
        n=job.n,
        prompt_characters=prompt_characters,
        input_pixels=input_pixels,
        previews=job.previews,
    )


def _rank(
    job: Job, decision: Decision, price: Estimate, *, today: date
) -> tuple[bool, bool, float, bool, float]:
    # An invisible difference in size must not be more important than the order or the price.
    distance = round(decision.fitted.distance, 1)
    fit = (decision.model.retired(today), not decision.exact, distance)
    unknown, usd = price.usd is None, (price.usd or 0.0) * (len(job.locales) or 1)
    if job.model == "cheapest":
        return *fit, unknown, usd
    return *fit, job.max_cost_usd is not None and (unknown or usd > job.max_cost_usd), 0.0


def _explain_model(job: Job, decision: Decision, price: Estimate, choices: int) -> str:
    name = decision.model.name
    if job.model not in ANY_MODEL:
        return f"Model {name} as requested."
    if choices == 1:
        return f"Model {name} is the only configured model."
    cost = "at an unknown price" if price.usd is None else f"at about ${price.usd:.4f}"
    rank = "first" if job.model == "auto" else "cheapest"
    how = "makes the job as asked" if decision.exact else "comes nearest to the job"
    return f"Model {name} is the {rank} of {choices} configured that {how}, {cost}."
