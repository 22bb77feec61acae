"""The client that a command works with, and what it takes the app to be."""

import os
from typing import Final

from ...configuration import Configuration
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
