"""Which functions the app has, and nothing else."""

import os

import azure.functions as func

from shared.services.start import load
from shared.triggers import (
    dispatch,
    finish,
    generate,
    intake,
    manifests,
    poison,
    routes,
    sweep,
    watch,
)

configuration = load(os.environ)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(intake.functions(configuration))
app.register_functions(generate.functions(configuration))
app.register_functions(finish.functions(configuration))
app.register_functions(manifests.functions(configuration))
app.register_functions(dispatch.functions(configuration))
app.register_functions(poison.functions(configuration))
app.register_functions(sweep.functions(configuration))
app.register_functions(watch.functions(configuration))
app.register_functions(routes.functions(configuration))
