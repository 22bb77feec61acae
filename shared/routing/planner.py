"""Whether an app takes a job: its plans, or every reason why not, from the job and the settings.

What only storage can tell (is the prompt's blob there?) is asked in `acceptance`. The client
asks the rest here before it sends anything.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from ..config.settings import Configuration, Settings
from ..errors import Fault, UnsupportedRequest
from ..jobs.finish import MAX_RENDERED
from ..jobs.job import Job
from ..jobs.localization import describe_locale, longest_prompt
from ..pictures.renditions import list_renditions
from ..vocabulary import RejectionCode
from .plan import Plan, estimate_usd
from .router import route


def find_setting_faults(job: Job, settings: Settings) -> tuple[Fault, ...]:
    """Return every fault of a valid job that an app of these settings finds before routing it."""
    faults = (*_unspoken(job), *_too_much_finish(job))
    if job.reply_to and not settings.allows_reply_to(job.reply_to):
        allowed = ", ".join(settings.reply_queues) or "none are configured"
        said = f"{job.reply_to!r} is not an allowed queue; allowed: {allowed}"
        return (*faults, Fault("reply_to", said))
    return faults


def make_plans(
    job: Job,
    configuration: Configuration,
    *,
    prompt_characters: int,
    today: date,
    input_pixels: Sequence[int] = (),
) -> tuple[Plan, ...]:
    """Return the plans of a job, within its cost limit; else raise `UnsupportedRequest`.

    `input_pixels` are those of the pictures to edit, as far as somebody has looked at them.
    """
    template = configuration.settings.locale_template
    if job.prompt is not None:
        prompt_characters = longest_prompt(job.prompt, job.locales, template)
    elif job.locales:
        prompt_characters += longest_prompt("", job.locales, template)
    try:
        plans = route(
            job,
            catalogue=configuration.catalogue,
            deployments=configuration.deployments,
            today=today,
            prompt_characters=prompt_characters,
            input_pixels=input_pixels,
        )
    except UnsupportedRequest as error:
        raise UnsupportedRequest(error.faults, job_id=job.job_id) from error
    if job.max_cost_usd is not None:
        _check_cost_limit(job, plans)
    if configuration.settings.daily_budget_usd is not None:
        _check_call_limit(configuration.settings.daily_budget_usd, job, plans)
    return plans


def _too_much_finish(job: Job) -> Iterator[Fault]:
    if job.finish is None:
        return
    each = len(list_renditions(job.finish, "", job.format))
    parts = max(1, len(job.models)) * (1 if isinstance(job.size, str) else len(job.size))
    pictures = parts * max(1, len(job.locales)) * job.n * each
    if pictures > MAX_RENDERED:
        said = f"it comes to {pictures:,} pictures; {MAX_RENDERED} are the most, so divide the job"
        yield Fault("finish", said)


def _unspoken(job: Job) -> Iterator[Fault]:
    for place, locale in enumerate(job.locales):
        try:
            describe_locale(locale)
        except LookupError as error:
            yield Fault(f"locales[{place}]", str(error.args[0]))


def _check_cost_limit(job: Job, plans: tuple[Plan, ...]) -> None:
    limit = job.max_cost_usd
    estimate = estimate_usd(plans)
    if estimate is None:
        unknown = ", ".join(dict.fromkeys(p.model for p in plans if p.estimate_usd is None))
        problem = f"the price of {unknown} is not known, so a limit of ${limit} can't be kept"
    elif limit is not None and estimate > float(limit):
        basis = "; ".join(dict.fromkeys(plan.estimate_basis for plan in plans))
        problem = f"the estimate is ${estimate:.4f} ({basis}), above ${limit}"
    else:
        return
    raise _too_dear(Fault("max_cost_usd", problem), job)


def _check_call_limit(budget: float, job: Job, plans: tuple[Plan, ...]) -> None:
    """Refuse a job of which a call could be made on no day."""
    for plan in plans:
        estimate = plan.estimate_call(plan.per_call)
        if estimate is None:
            problem = f"the price of {plan.model} is not known, so the app's budget can't be kept"
            raise _too_dear(Fault("model", problem), job)
        if estimate > budget:
            problem = (
                f"the estimate of one call is ${estimate:.4f} ({plan.estimate_basis}), above "
                f"the app's whole budget of a day, ${budget:g}"
            )
            raise _too_dear(Fault("", problem), job)


def _too_dear(fault: Fault, job: Job) -> UnsupportedRequest:
    rejection = UnsupportedRequest([fault], job_id=job.job_id)
    rejection.code = RejectionCode.OVER_COST_LIMIT
    return rejection
