"""Check a job against the settings and return its plans, or every reason for a rejection.

The app and the client both use it. Checks that need storage are in `workflows.acceptance`.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from ..catalogue.models import Catalogue
from ..config.settings import Configuration, Settings
from ..config.tenants import Tenant
from ..errors import Fault, NotAllowed, UnsupportedRequest
from ..jobs.job import ANY_MODEL, MAX_RENDITIONS_PER_JOB, Job
from ..jobs.prompts import describe_locale, longest_prompt
from ..pictures.renditions import list_renditions
from ..vocabulary import RejectionCode
from .plan import Plan, estimate_usd
from .router import route


def find_setting_faults(job: Job, settings: Settings) -> tuple[Fault, ...]:
    """Return every fault of a valid job that the settings alone show."""
    faults = (
        *_find_locale_faults(job),
        *_find_finish_faults(job),
        *_find_callback_faults(job, settings),
    )
    if job.reply_to and not settings.allows_reply_to(job.reply_to):
        own = settings.is_own_queue(job.reply_to)
        why = "a queue of the app itself" if own else "not an allowed queue"
        allowed = ", ".join(settings.reply_queues) or "none are configured"
        message = f"{job.reply_to!r} is {why}; allowed: {allowed}"
        return (*faults, Fault("reply_to", message))
    return faults


def make_plans(
    job: Job,
    configuration: Configuration,
    *,
    prompt_characters: int,
    today: date,
    input_pixels: Sequence[int] = (),
    input_types: Sequence[str] = (),
) -> tuple[Plan, ...]:
    """Return the plans of a job within its cost limit; else raise `UnsupportedRequest`.

    Raises `NotAllowed` for what its tenant may not.

    `input_pixels` and `input_types` have the size and the content type of each picture to edit,
    where they are known.
    """
    tenant = _check_tenant(job, configuration.settings)
    template = configuration.settings.locale_template
    if job.prompt is not None:
        prompt_characters = longest_prompt(job.prompt, job.locales, template)
    elif job.locales:
        prompt_characters += longest_prompt("", job.locales, template)
    plans = route(
        job,
        catalogue=configuration.catalogue,
        deployments=[
            each for each in configuration.deployments if tenant.may_use(each.model or each.name)
        ],
        today=today,
        prompt_characters=prompt_characters,
        input_pixels=input_pixels,
    )
    _check_input_types(input_types, job, plans, configuration.catalogue)
    if job.max_cost_usd is not None:
        _check_cost_limit(job.max_cost_usd, job, plans)
    for budget, whose in (
        (configuration.settings.daily_budget_usd, "the app"),
        (tenant.daily_budget_usd, f"the tenant {tenant.name!r}"),
    ):
        if budget is not None:
            _check_call_limit(budget, whose, job, plans)
    return plans


def _check_tenant(job: Job, settings: Settings) -> Tenant:
    tenant, faults = settings.find_tenant(job.tenant), list[Fault]()
    if not settings.serves_tenant(job.tenant):
        faults = [Fault("tenant", f"{job.tenant!r} is not served; use a tenant of this app")]
    else:
        names = {"model": [job.model], "models": job.models}
        faults = [
            Fault(
                field,
                f"{name!r} is not for the tenant {job.tenant!r}; use {', '.join(tenant.models)}",
            )
            for field, named in names.items()
            for name in named
            if name not in ANY_MODEL and not tenant.may_use(name)
        ]
    if faults:
        raise NotAllowed(faults, job_id=job.job_id)
    return tenant


def _find_finish_faults(job: Job) -> Iterator[Fault]:
    if job.finish is None:
        return
    each = len(list_renditions(job.finish, "", job.format))
    parts = max(1, len(job.models)) * (1 if isinstance(job.size, str) else len(job.size))
    pictures = parts * max(1, len(job.locales)) * job.n * each
    if pictures > MAX_RENDITIONS_PER_JOB:
        message = (
            f"the job would have {pictures:,} finished pictures; at most {MAX_RENDITIONS_PER_JOB} "
            "are allowed, so divide the job"
        )
        yield Fault("finish", message)


def _find_callback_faults(job: Job, settings: Settings) -> Iterator[Fault]:
    try:
        if job.callback:
            settings.check_callback(job.callback)
    except ValueError as error:
        yield Fault("callback", str(error))


def _find_locale_faults(job: Job) -> Iterator[Fault]:
    for place, locale in enumerate(job.locales):
        try:
            describe_locale(locale)
        except LookupError as error:
            yield Fault(f"locales[{place}]", str(error.args[0]))


def _check_input_types(
    types: Sequence[str], job: Job, plans: tuple[Plan, ...], catalogue: Catalogue
) -> None:
    faults = [
        Fault(
            f"inputs[{place}]",
            f"is {found}, which {plan.model} does not take; use {', '.join(edits.formats)}",
        )
        for plan in plans
        if (edits := catalogue.get(plan.model).edits)
        for place, found in enumerate(types)
        if found.removeprefix("image/") not in edits.formats
    ]
    if faults:
        raise UnsupportedRequest(faults, job_id=job.job_id)


def _check_cost_limit(limit: float, job: Job, plans: tuple[Plan, ...]) -> None:
    estimate = estimate_usd(plans)
    if estimate is None:
        unknown = ", ".join(dict.fromkeys(p.model for p in plans if p.estimate_usd is None))
        problem = (
            f"the price of {unknown} is not known, so the limit of ${limit} can't be checked; "
            "leave max_cost_usd out or choose another model"
        )
    elif estimate > limit:
        basis = "; ".join(dict.fromkeys(plan.estimate_basis for plan in plans))
        problem = f"the estimate is ${estimate:.4f} ({basis}), above ${limit}"
    else:
        return
    raise _over_limit(Fault("max_cost_usd", problem), job)


def _check_call_limit(budget: float, whose: str, job: Job, plans: tuple[Plan, ...]) -> None:
    """Reject a job with a call that costs more than the budget of a whole day."""
    for plan in plans:
        estimate = plan.estimate_call(plan.per_call)
        if estimate is None:
            problem = (
                f"the price of {plan.model} is not known, so the daily budget of {whose} can't be "
                "checked; choose another model"
            )
            raise _over_limit(Fault("model", problem), job)
        if estimate > budget:
            problem = (
                f"the estimate of one call is ${estimate:.4f} ({plan.estimate_basis}), above "
                f"the daily budget of {whose}, ${budget:g}"
            )
            raise _over_limit(Fault("", problem), job)


def _over_limit(fault: Fault, job: Job) -> UnsupportedRequest:
    return UnsupportedRequest([fault], job_id=job.job_id, code=RejectionCode.OVER_COST_LIMIT)
