"""Which functions the app has, and nothing else."""

import gc
import os

gc.disable()  # Imports make no garbage. To look for it is a tenth of a cold start.

import azure.functions as func

from shared.adapters.world import load
from shared.triggers import queues, timers
from shared.triggers.http import routes

configuration = load(os.environ)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(queues.functions(configuration))
app.register_functions(timers.functions(configuration))
app.register_functions(routes.functions(configuration))

gc.freeze()  # or the first collection would go through all of it
gc.enable()
