"""The timer: what nobody came back for is carried on or ended.

What sweeps is imported with the first run: one instance of all runs the timer.
"""

import azure.functions as func

from ..configuration import Configuration
from ..services.world import open_world
from .deliveries import tell


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the function `sweep`."""
    blueprint = func.Blueprint()

    @blueprint.function_name("sweep")
    @blueprint.timer_trigger(
        arg_name="timer",
        schedule=configuration.settings.sweep_schedule,
        # A run that was missed is made up for by the next one: no state to keep.
        use_monitor=False,
    )
    async def clear(timer: func.TimerRequest) -> None:
        from ..sweeping import sweep  # noqa: PLC0415 (see the module)

        del timer
        tell("sweep", await sweep(open_world(configuration), configuration))

    return blueprint
