"""Whether a job may go ahead: its plan, or every reason why not; nothing is written."""

from typing import Final

from .admission import faults_of, plans_of
from .configuration import Configuration
from .errors import Fault, InvalidJob
from .jobs import Job
from .plans import Plan
from .ports import World

#: A prompt has at most 32,000 characters (foundry-api: the images API reference), each at most
#: four bytes of UTF-8.
MAX_PROMPT_BYTES: Final = 4 * 32_000


async def judge(job: Job, world: World, configuration: Configuration) -> tuple[Plan, ...]:
    """Return the plans of a job that may go ahead, or raise `Rejected` with every fault."""
    settings = configuration.settings
    faults = list(faults_of(job, settings))
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
    today = world.clock.now().date()
    return plans_of(job, configuration, prompt_characters=characters, today=today)
