"""Jobs, their plans and their refusals, from the few fields a test is about."""

from datetime import date
from typing import Any

import pytest

from shared.catalogue.deployments import Deployment
from shared.catalogue.models import read_builtin
from shared.errors import UnsupportedRequest
from shared.jobs.job import Job
from shared.routing.plan import Plan
from shared.routing.router import route
from tests.builders.strategies import deployment

TODAY = date(2026, 11, 22)


def job_of(**asked: Any) -> Job:  # noqa: ANN401 - any field of a job
    return Job(job_id="job-1", prompt="a fox in the snow", **asked)


def plan(*served: Deployment, characters: int = 16, **asked: Any) -> Plan:  # noqa: ANN401 - fields
    """The plan of a job with one model and one size."""
    (made,) = plans(*served, characters=characters, **asked)
    return made


def plans(*served: Deployment, characters: int = 16, **asked: Any) -> tuple[Plan, ...]:  # noqa: ANN401 - fields
    return route(
        job_of(**asked),
        catalogue=read_builtin(),
        deployments=served or (deployment("gpt-image-2"),),
        today=TODAY,
        prompt_characters=characters,
    )


def refusal(*served: Deployment, characters: int = 16, **asked: Any) -> str:  # noqa: ANN401 - fields
    with pytest.raises(UnsupportedRequest) as caught:
        plans(*served, characters=characters, **asked)
    return str(caught.value)
