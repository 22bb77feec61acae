"""Whether a job may go ahead: its plan, or every reason why not; nothing is written."""

from typing import Final

from .configuration import Configuration
from .errors import Fault, InvalidJob, UnsupportedRequest
from .events import RejectionCode
from .jobs import Job
from .messages import unsupported_yet
from .plans import Plan
from .ports import World
from .routing import route

#: A prompt has at most 32,000 characters (foundry-api: the images API reference), each at most
#: four bytes of UTF-8.
MAX_PROMPT_BYTES: Final = 4 * 32_000


async def judge(job: Job, world: World, configuration: Configuration) -> tuple[Plan, ...]:
    """Return the plans of a job that may go ahead, or raise `Rejected` with every fault."""
    settings = configuration.settings
    faults = list(unsupported_yet(job))
    if job.reply_to and not settings.allows_reply_to(job.reply_to):
        allowed = ", ".join(settings.reply_queues) or "none are configured"
        faults.append(
            Fault("reply_to", f"{job.reply_to!r} is not an allowed queue; allowed: {allowed}")
        )
    characters = len(job.prompt or "")
    if job.prompt_blob:
        try:
            prompt = await world.inputs.read_text(job.prompt_blob, max_bytes=MAX_PROMPT_BYTES)
        except InvalidJob as error:
            faults += error.faults
        else:
            if prompt is None:
                where = f"{settings.inputs_container}/{job.prompt_blob}"
                faults.append(Fault("prompt_blob", f"there is no blob {where}"))
            elif not prompt.strip():
                faults.append(Fault("prompt_blob", f"{job.prompt_blob!r} holds no prompt"))
            characters = len(prompt or "")
    if faults:
        raise InvalidJob(faults, job_id=job.job_id)
    try:
        plan = route(
            job,
            catalogue=configuration.catalogue,
            deployments=configuration.deployments,
            today=world.clock.now().date(),
            prompt_characters=characters,
        )
    except UnsupportedRequest as error:
        raise UnsupportedRequest(error.faults, job_id=job.job_id) from error
    if job.max_cost_usd is not None:
        _refuse_dear(job, plan)
    return (plan,)


def _refuse_dear(job: Job, plan: Plan) -> None:
    limit = job.max_cost_usd
    estimate = plan.estimate_usd
    if estimate is None:
        problem = f"the price of {plan.model} is not known, so a limit of ${limit} can't be kept"
    elif limit is not None and estimate > float(limit):
        problem = f"the estimate is ${estimate:.4f} ({plan.estimate_basis}), above ${limit}"
    else:
        return
    rejection = UnsupportedRequest([Fault("max_cost_usd", problem)], job_id=job.job_id)
    rejection.code = RejectionCode.OVER_COST_LIMIT
    raise rejection
