"""The client that a command works with, and what it takes the app to be."""

import os
from dataclasses import replace
from typing import Final

from ...configuration import Configuration
from ...deployments import Deployment
from ...settings import CONNECTION
from ..connecting import configured
from ..synchronous import ImageJobs

#: For commands that only reckon.
_NO_STORAGE: Final = {CONNECTION: "UseDevelopmentStorage=true"}


def client() -> ImageJobs:
    """Return the client of this process's environment."""
    return ImageJobs()


def app_alone() -> Configuration:
    """Return what the environment tells of the app, for commands that need no storage."""
    told = any(name.startswith(CONNECTION) for name in os.environ)
    return configured({**os.environ, **({} if told else _NO_STORAGE)})


def supposed(app: Configuration) -> tuple[Configuration, bool]:
    """Return the app, with every model deployed where it is not known which are; whether so."""
    if app.deployments:
        return app, False
    every = tuple(Deployment(name=name, model=name) for name in app.catalogue.models)
    return replace(app, deployments=every), True
