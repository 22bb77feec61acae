"""The router alone: from a message's bytes to a plan, and from a plan to a record's JSON."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.config.settings import configure
from shared.jobs.job import Job
from shared.jobs.parsing import Message, read_job
from shared.records.transitions import open_record
from shared.routing.plan import Plan
from shared.routing.router import route

type Benchmark = Callable[..., Any]

_CONFIGURATION = configure(
    {
        "ImageStorage": "UseDevelopmentStorage=true",
        "FOUNDRY_ENDPOINT": "https://foundry.example",
        "FOUNDRY_DEPLOYMENTS": '[{"name": "gpt-image-2"}, {"name": "MAI-Image-2.5"}]',
    }
)
_NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_WISHES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "4K, of a shape": {"size": "4k 16:9"},
    "scaled down": {"size": "8000x4500"},
    "by token bucket": {"routing": "bucket", "size": "1600x900"},
}


def routed(job: Job) -> tuple[Plan, ...]:
    return route(
        job,
        catalogue=_CONFIGURATION.catalogue,
        deployments=_CONFIGURATION.deployments,
        today=_NOW.date(),
        prompt_characters=16,
    )


def job_of(**asked: Any) -> Job:  # noqa: ANN401 (any field of a job)
    return Job(job_id="job-1", prompt="a fox in the snow", **asked)


@pytest.mark.parametrize("wish", _WISHES)
def test_routing(benchmark: Benchmark, wish: str) -> None:
    assert benchmark(routed, job_of(**_WISHES[wish]))


def test_reading_a_message(benchmark: Benchmark) -> None:
    message = json.dumps({"job_id": "job-1", "prompt": "a fox", "size": "4k 16:9"}).encode()
    assert benchmark(read_job, Message(message, "message-1", _NOW)).job_id == "job-1"


def test_writing_a_record(benchmark: Benchmark) -> None:
    asked = job_of(size="4k 16:9")
    record = open_record(asked, routed(asked), now=_NOW, publish=False)
    assert benchmark(record.model_dump_json)
