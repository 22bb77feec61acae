"""The two timers: `sweep` continues or ends open jobs, `watch` measures how long queues wait.

Their work is imported with its first run: one instance of all runs it.
"""

# ruff: noqa: PLC0415 (see above)

from typing import Final

import azure.functions as func

from ..adapters.world import open_world, telemetry_enabled
from ..config.settings import Configuration
from ..errors import ImageJobsError
from .host import log, log_report

#: Second, minute, hour … of UTC. An alert looks at a quarter of an hour.
EVERY_FIVE_MINUTES: Final = "0 */5 * * * *"


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the functions `sweep` and `watch`."""
    blueprint = func.Blueprint()

    @blueprint.function_name("sweep")
    @blueprint.timer_trigger(
        arg_name="timer",
        schedule=configuration.settings.sweep_schedule,
        # A run that was missed is made up for by the next one: no state to keep.
        use_monitor=False,
    )
    async def continue_jobs(timer: func.TimerRequest) -> None:
        from ..workflows.sweep import sweep

        del timer
        log_report("sweep", await sweep(open_world(configuration), configuration))

    @blueprint.function_name("watch")
    @blueprint.timer_trigger(arg_name="timer", schedule=EVERY_FIVE_MINUTES)
    async def measure_ages(timer: func.TimerRequest) -> None:
        del timer
        if not telemetry_enabled():
            return
        from ..adapters.telemetry import note_ages, note_lateness
        from ..workflows.overview import ages

        world = open_world(configuration)
        found, errors = await ages(world, configuration)
        note_ages(found)
        try:
            note_lateness((await world.tasks.look()).late)  # without a mover, nobody else looks
        except ImageJobsError as error:
            errors = (*errors, error)
        for each in errors:  # the next look is minutes away, and silence is an alert of its own
            log.warning("watch: a queue can't be looked at: %s", each)

    return blueprint
