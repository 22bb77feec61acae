"""The watch: every five minutes, how long the oldest job waits."""

from typing import Final

import azure.functions as func

from ..configuration import Configuration
from ..errors import ImageJobsError
from ..services.listeners import anybody_listens
from ..services.world import open_world
from ..watching import ages
from .deliveries import log

#: Second, minute, hour … of UTC. An alert looks at a quarter of an hour.
EVERY_FIVE_MINUTES: Final = "0 */5 * * * *"


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the function `watch`."""
    blueprint = func.Blueprint()

    @blueprint.function_name("watch")
    @blueprint.timer_trigger(arg_name="timer", schedule=EVERY_FIVE_MINUTES)
    async def watch(timer: func.TimerRequest) -> None:
        del timer
        if not anybody_listens():
            return
        from ..services.telemetry import note_ages  # noqa: PLC0415 (as in deliveries)

        try:
            note_ages(await ages(open_world(configuration), configuration))
        except ImageJobsError as error:
            # The next one is minutes away, and silence is an alert of its own.
            log.warning("watch: the queues can't be looked at: %s", error)

    return blueprint
