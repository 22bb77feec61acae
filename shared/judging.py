"""Whether a job may go ahead: its plans, or every reason why not; nothing is written."""

from dataclasses import dataclass
from typing import Final

from .admission import faults_of, plans_of
from .configuration import Configuration
from .errors import Fault, InvalidJob
from .input_pictures import HEAD_BYTES, InputPicture, read_inputs
from .jobs import Job
from .plans import Plan
from .ports import World

#: A prompt has at most 32,000 characters (foundry-api: the images API reference), each at most
#: four bytes of UTF-8.
MAX_PROMPT_BYTES: Final = 4 * 32_000


@dataclass(frozen=True, slots=True)
class Judged:
    """What is made of a job that may go ahead: its plans, and the pictures it edits."""

    plans: tuple[Plan, ...]
    inputs: tuple[InputPicture, ...]


async def judge(job: Job, world: World, configuration: Configuration) -> Judged:
    """Return what is made of a job that may go ahead, or raise `Rejected` with every fault."""
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
    pictures, more = await _pictures(job, world)
    faults += more
    if faults:
        raise InvalidJob(faults, job_id=job.job_id)
    plans = plans_of(
        job,
        configuration,
        prompt_characters=characters,
        today=world.clock.now().date(),
        input_pixels=[each.width * each.height for each in pictures if each.role == "input"],
    )
    return Judged(plans, pictures)


async def _pictures(job: Job, world: World) -> tuple[tuple[InputPicture, ...], tuple[Fault, ...]]:
    names = dict.fromkeys([*job.inputs, *([job.mask] if job.mask else [])])
    heads = {name: await world.inputs.head(name, most=HEAD_BYTES) for name in names}
    return read_inputs(job.inputs, job.mask, heads)
