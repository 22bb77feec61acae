"""Which functions the app has, and nothing else."""

import os

import azure.functions as func

from shared.adapters.world import load
from shared.triggers import queues, timers
from shared.triggers.http import routes

configuration = load(os.environ)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(queues.intake(configuration))
app.register_functions(queues.generate(configuration))
app.register_functions(queues.finish(configuration))
app.register_functions(queues.batch(configuration))
app.register_functions(queues.deliver(configuration))
app.register_functions(queues.poison(configuration))
app.register_functions(timers.sweep(configuration))
app.register_functions(timers.watch(configuration))
app.register_functions(routes.functions(configuration))
