"""One job on several models, in several sizes: what is planned, made, and told of each part."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.cloud_events import build, to_json
from shared.events.data import MAX_EVENT_BYTES
from shared.ports import Versioned
from shared.records.record import (
    Failure,
    JobRecord,
    JobState,
    OutboxEntry,
    Picture,
    TaskState,
    plan_tasks,
)
from shared.routing.router import MAX_TASKS
from shared.vocabulary import EventType
from shared.workflows.outbox import publish_pending
from tests.builders.ended_jobs import DONE_AT, attempt, picture, record
from tests.builders.messages import read
from tests.builders.routed import job_of, plans, refusal
from tests.builders.strategies import deployment
from tests.fakes.world import fake_world
from tests.simulation.scene import Scene, data, error_reply, run

GPT, MAI = deployment("gpt-image-2"), deployment("MAI-Image-2.5")
BOTH = ("gpt-image-2", "MAI-Image-2.5")
JOB = {"job_id": "fox-1", "prompt": "a fox", "models": list(BOTH), "size": ["1:1", "3:2"]}


def test_each_model_makes_each_size_in_a_plan_of_its_own() -> None:
    made = plans(GPT, MAI, models=BOTH, size=("1024x1024", "3:2"), n=2)
    assert [(plan.model, plan.asked_size, plan.calls) for plan in made] == [
        ("gpt-image-2", "1024x1024", 1),
        ("gpt-image-2", "3:2", 1),
        ("MAI-Image-2.5", "1024x1024", 2),
        ("MAI-Image-2.5", "3:2", 2),
    ]
    tasks = plan_tasks(job_of(models=BOTH, size=("1024x1024", "3:2"), n=2), made)
    assert [task.index for task in tasks] == list(range(6))
    assert [task.part for task in tasks] == [0, 1, 2, 2, 3, 3]
    assert [name for task in tasks for name in task.blobs] == [
        f"job-1/default/{number}.png" for number in range(8)
    ]


@given(
    st.lists(st.sampled_from(BOTH), min_size=2, max_size=2, unique=True),
    st.lists(st.sampled_from(["1:1", "3:2", "2:3", "1024x1024"]), min_size=2, unique=True),
    st.lists(st.sampled_from(["de", "ja", "ar"]), max_size=3, unique=True),
    st.integers(1, 10),
)
def test_tasks_and_names_are_unique_over_the_whole_matrix(
    models: list[str], sizes: list[str], locales: list[str], n: int
) -> None:
    asked: dict[str, Any] = {"models": models, "size": sizes, "locales": locales, "n": n}
    calls = (1 + n) * len(sizes) * max(1, len(locales))  # MAI makes one picture a call
    if calls > MAX_TASKS:
        assert f"{calls} calls" in refusal(GPT, MAI, **asked)
        return
    made = plans(GPT, MAI, **asked)
    tasks = plan_tasks(job_of(**asked), made)
    assert [task.index for task in tasks] == list(range(len(tasks))) == list(range(calls))
    for part, plan in enumerate(made):
        own = [len(task.blobs) for task in tasks if task.part == part]
        assert (len(own), max(own), sum(own)) == (plan.calls, plan.per_call, plan.pictures)
    names = [name for task in tasks for name in task.blobs]
    assert len(set(names)) == len(names) == 2 * len(sizes) * max(1, len(locales)) * n
    by_locale = Counter(name.split("/")[1] for name in names)
    assert set(by_locale) == set(locales or ["default"])
    for locale, count in by_locale.items():
        assert {f"job-1/{locale}/{number}.png" for number in range(count)} <= set(names)


def test_auto_chooses_a_model_for_each_size() -> None:
    made = plans(deployment("gpt-image-1-mini"), GPT, size=("1024x1024", "4k"))
    assert [plan.model for plan in made] == ["gpt-image-1-mini", "gpt-image-2"]


def test_every_fault_of_every_part_is_told_once_and_by_the_field_that_was_written() -> None:
    said = refusal(GPT, MAI, models=("gpt-image-2", "gpt-image-1.5"), size=("1:1", "2:1"))
    assert said.count("'gpt-image-1.5' has no deployment") == 1
    assert said.startswith("models: ")
    said = refusal(GPT, MAI, models=BOTH, size=("4000x500", "9000x500"), fit="reject")
    assert (
        said.count("is not a size of gpt-image-2") == said.count("not a size of MAI-Image-2.5") == 2
    )


def test_a_job_of_too_many_calls_is_refused_with_its_numbers() -> None:
    locales = tuple(f"{a}{b}" for a in "abcde" for b in "abcdefghij")
    assert plans(GPT, locales=locales)[0].calls == 50
    said = refusal(GPT, locales=locales, size=("1:1", "3:2", "2:3"))
    assert "locales: the job needs 150 calls (3 models and sizes, 50 locales, n 1)" in said


async def test_a_matrix_is_one_job_with_one_completion() -> None:
    scene = await run(JOB)
    assert scene.world.event_types() == ["image.job.succeeded"]
    assert len(scene.world.endpoint.requests) == 4
    told = data(scene)
    assert [
        (image["part"], image["model"], image["size"], image["index"]) for image in told["images"]
    ] == [
        (0, "gpt-image-2", "1:1", 0),
        (1, "gpt-image-2", "3:2", 1),
        (2, "MAI-Image-2.5", "1:1", 2),
        (3, "MAI-Image-2.5", "3:2", 3),
    ]
    assert len({image["blob"] for image in told["images"]}) == 4
    assert [part["images"] for part in told["parts"]] == [1, 1, 1, 1]
    assert told["cost_usd"] == pytest.approx(sum(part["cost_usd"] for part in told["parts"]))
    assert json.loads(scene.world.sidecars["fox-1/job.json"]) == told


async def test_a_part_that_failed_is_told_without_hiding_those_that_worked() -> None:
    scene = Scene()
    scene.world.endpoint.script.append(error_reply(400, "moderation_blocked", "no"))
    scene.submit(JOB)
    await scene.run()
    assert scene.world.event_types() == ["image.job.failed"]
    told = data(scene)
    assert (told["code"], told["message"]) == (
        "content_refused",
        "1 of 4 calls failed, the first of them: no",
    )
    (failure,) = told["failures"]
    assert (failure["part"], failure["locale"], failure["indexes"]) == (0, None, [0])
    assert [image["part"] for image in told["images"]] == [1, 2, 3]
    assert [part["calls_failed"] for part in told["parts"]] == [1, 0, 0, 0]
    assert [part["cost_usd"] > 0 for part in told["parts"]] == [False, True, True, True]
    assert not scene.world.sidecars


def grown(state: JobState, *, failing: int) -> JobRecord:
    """The largest matrix: a hundred calls of ten pictures, with far-away URLs and long texts."""
    locales = tuple(f"{a}{b}-Latn-{a}{b}" for a in "ABCDE" for b in "abcdefghij")
    job = {"locales": list(locales), "size": ["1:1", "3:2"], "n": 10, "model": "gpt-image-2"}
    made = plans(GPT, locales=locales, size=("1:1", "3:2"), n=10, model="gpt-image-2")
    failure = Failure(code="content_refused", message="狐" * 500)

    def far(index: int, blob: str) -> Picture:
        url = f"https://{'a' * 24}.z99.blob.storage.azure.net/{'c' * 63}/{blob}"
        return picture(blob, index).model_copy(update={"url": url})

    tasks = tuple(
        task.model_copy(
            update={
                "state": TaskState.FAILED if task.index < failing else TaskState.DONE,
                "attempts": (attempt(),),
                "pictures": ()
                if task.index < failing
                else tuple(far(*each) for each in enumerate(task.blobs, task.first)),
                "failure": failure if task.index < failing else None,
            }
        )
        for task in plan_tasks(read({"prompt": "a fox", **job}), made)
    )
    assert len(tasks) == MAX_TASKS
    return record(job, plans=made, tasks=tasks, state=state)


@pytest.mark.parametrize("failing", [0, 3, MAX_TASKS])
def test_an_event_of_the_largest_matrix_fits_and_counts_what_it_leaves_out(failing: int) -> None:
    kind = EventType.FAILED if failing else EventType.SUCCEEDED
    one = grown(JobState.FAILED if failing else JobState.SUCCEEDED, failing=failing)
    body = to_json(build(one, kind, source="s" * 1_000, time=DONE_AT))
    assert len(body) <= MAX_EVENT_BYTES
    told = json.loads(body)["data"]
    assert len(told["images"]) + told["omitted"]["images"] == (MAX_TASKS - failing) * 10
    assert len(told["parts"]) == 2
    if failing:
        assert len(told["failures"]) + told["omitted"]["failures"] == failing
        assert told["failures"]


async def test_a_success_too_long_for_an_event_is_told_whole_beside_the_pictures() -> None:
    owed = OutboxEntry(type=EventType.SUCCEEDED, time=DONE_AT)
    one = grown(JobState.SUCCEEDED, failing=0).model_copy(update={"outbox": (owed,)})
    world = fake_world()
    version = await world.records.create(one)
    await publish_pending(Versioned(one, version), world, source="/x")
    (event,), (sidecar,) = world.events, world.sidecars.values()
    told, whole = json.loads(to_json(event))["data"], json.loads(sidecar)
    assert (len(whole["images"]), whole["omitted"]["images"]) == (1_000, 0)
    assert told["images"] == whole["images"][: len(told["images"])]
    assert told["omitted"]["images"] == 1_000 - len(told["images"]) > 0
