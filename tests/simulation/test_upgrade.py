"""Two versions of the app over one storage: each reads what the other has stored and sent."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from shared.records.record import JobState
from shared.workflows.erasure import erase_job
from tests.simulation.scene import Scene, run
from tests.simulation.snapshots import (
    BLOBS,
    LANES,
    MODELS,
    Snapshot,
    documents,
    resumed,
    snapshots,
)

VERSIONS = sorted((Path(__file__).parent / "versions").iterdir())
#: The versions that may run beside this one: others can't read what it adds to a record.
BESIDE = [version for version in VERSIONS if (version / "schemas.json").exists()]


def kept(version: Path) -> list[Snapshot]:
    """What a version has left, at each of its moments."""
    return [
        Snapshot.from_json(each) for each in json.loads((version / "snapshots.json").read_text())
    ]


LEFT = [
    pytest.param(version, each, id=f"{version.name} {each.name}")
    for version in VERSIONS
    for each in kept(version)
]
#: Those of the version that may run beside this one, with tasks on its lanes.
ON_LANES = [
    pytest.param(each, id=each.name)
    for each in kept(BESIDE[-1])
    if {queue for queue, *_ in each.waiting} & {*LANES}
]


def test_a_version_before_is_kept() -> None:
    assert VERSIONS
    kinds = {kind for version in VERSIONS for each in kept(version) for kind, _ in documents(each)}
    assert kinds == set(MODELS)


@pytest.mark.parametrize(("version", "snapshot"), LEFT)
async def test_jobs_of_the_version_before_end_under_this_one(
    version: Path,  # noqa: ARG001 (of the name of the test)
    snapshot: Snapshot,
) -> None:
    scene = resumed(snapshot)
    before = {record.job_id: record.state for record in scene.records()}
    await scene.sweep_on()
    check_end(scene, before)


@pytest.mark.parametrize("in_sweep", range(8))
@pytest.mark.parametrize("snapshot", ON_LANES)
async def test_a_sweep_that_dies_at_any_step_of_emptying_a_lane_is_made_up_for(
    snapshot: Snapshot, in_sweep: int
) -> None:
    scene = resumed(snapshot)
    before = {record.job_id: record.state for record in scene.records()}
    scene.world.clock.time = max(due for queue, *_, due in snapshot.waiting if queue in LANES)
    scene.world.steps.crash_at = len(scene.world.steps.taken) + in_sweep
    await scene.sweep()
    await scene.sweep_on()
    check_end(scene, before)


def check_end(scene: Scene, before: dict[str, JobState]) -> None:
    """Every job has ended well, and paid once or says so."""
    records = {record.job_id: record for record in scene.records()}
    assert records
    allowed = {JobState.SUCCEEDED, JobState.PARKED}
    assert {record.state for record in records.values()} <= allowed
    for job_id, state in before.items():
        if state is not JobState.RUNNING:
            assert records[job_id].state == state
    for record in records.values():
        for task in record.tasks:
            paid = sum(each.may_be_billed for each in task.every_attempt)
            assert paid <= 1 or task.possible_duplicate_charge
        if record.state is JobState.SUCCEEDED:
            assert len(record.pictures) == sum(len(task.blobs) for task in record.tasks)


@pytest.mark.parametrize(("version", "snapshot"), LEFT)
def test_documents_of_the_version_before_are_read(
    version: Path,  # noqa: ARG001 (of the name of the test)
    snapshot: Snapshot,
) -> None:
    for kind, document in documents(snapshot):
        MODELS[kind].model_validate_json(json.dumps(document))


def faults(schemas: dict[str, Any], taken: list[Snapshot]) -> list[str]:
    """What a version with these schemas could not read of documents."""
    checks = {kind: Draft202012Validator(schema) for kind, schema in schemas.items()}
    return [
        f"{each.name}: {kind}: {error.json_path}: {error.message}"
        for each in taken
        for kind, document in documents(each)
        for error in checks[kind].iter_errors(document)
    ]


@pytest.mark.parametrize("version", BESIDE, ids=lambda path: path.name)
async def test_documents_of_this_version_are_read_by_the_version_before(version: Path) -> None:
    schemas = json.loads((version / "schemas.json").read_text())
    assert faults(schemas, await snapshots()) == []


@pytest.mark.parametrize("version", BESIDE, ids=lambda path: path.name)
async def test_an_erased_job_is_read_by_the_version_before(version: Path) -> None:
    scene = await run({"job_id": "fox-1", "prompt": "a fox"})
    await erase_job("fox-1", scene.world, scene.configuration)
    schemas = json.loads((version / "schemas.json").read_text())
    (entry,) = scene.world.ended_jobs.values()
    for kind, document in (("record", scene.record("fox-1")), ("index", entry)):
        # The entry is stored without its defaults.
        stored = json.loads(document.model_dump_json(exclude_defaults=kind == "index"))
        assert stored["erased"]
        assert not [*Draft202012Validator(schemas[kind]).iter_errors(stored)]


NEWER: Final = "of_a_newer_version"
#: What has names of its own, and what is written anew as a whole. A newer field of `job` could ask
#: for another picture: its record waits for that version.
NAMES: Final = frozenset({"circuits", "streaks", "tenants", "flows", "held"})
AS_A_WHOLE: Final = frozenset({"job", "reading"})


def marked(value: Any, name: str = "") -> Any:  # noqa: ANN401 (JSON)
    """Give each object of a document one field more."""
    if isinstance(value, dict) and name not in AS_A_WHOLE:
        more = {} if name in NAMES else {NEWER: 1}
        return {key: marked(each, key) for key, each in value.items()} | more
    return [marked(each) for each in value] if isinstance(value, list) else value


def lost(before: Any, after: Any, place: str = "$") -> Iterator[str]:  # noqa: ANN401 (JSON)
    """Yield the places of objects that are still there, without the field that they had."""
    if isinstance(before, dict) and isinstance(after, dict):
        if NEWER in before and before[NEWER] != after.get(NEWER):
            yield place
        for name in before.keys() & after.keys() - {NEWER}:
            yield from lost(before[name], after[name], f"{place}.{name}")
    elif isinstance(before, list) and isinstance(after, list):
        for number, (old, new) in enumerate(zip(before, after, strict=False)):
            yield from lost(old, new, f"{place}[{number}]")


def newer(body: bytes) -> bytes:
    """Return a document as a newer version would have written it."""
    return json.dumps(marked(json.loads(body))).encode()


def is_changed(container: str, name: str) -> bool:
    """Tell whether a blob is a document that versions change in turn."""
    whole = f"{container}/{name}"
    kind = next((BLOBS[pattern] for pattern in BLOBS if re.fullmatch(pattern, whole)), None)
    return kind in {"record", "batch", "pool", "day"}


async def test_what_a_newer_version_adds_to_documents_survives_this_one() -> None:
    for taken in await snapshots():
        blobs = [
            (where, name, newer(body) if is_changed(where, name) else body, kind, metadata)
            for where, name, body, kind, metadata in taken.blobs
        ]
        scene = resumed(replace(taken, blobs=blobs))
        await scene.sweep_on()
        assert {record.state for record in scene.records()} <= {
            JobState.SUCCEEDED,
            JobState.PARKED,
        }
        for where, name, body, _, _ in blobs:
            if is_changed(where, name):
                after = scene.world.containers[where].stored[name].body
                assert [*lost(json.loads(body), json.loads(after))] == [], taken.name


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("task", {"lane": "small"}),  # messages forbid what they do not know
        ("record", {"version": 3}),
        ("record", {"state": "resting"}),
        ("pool", {"version": 9, "circuits": 5}),
    ],
)
def test_a_document_that_the_version_before_could_not_read_is_found(
    kind: str, change: dict[str, Any]
) -> None:
    schemas = json.loads((BESIDE[-1] / "schemas.json").read_text())
    (whole, *_) = [each for each in kept(BESIDE[-1]) if each.name == "plain 100%"]
    document = next(each for of, each in documents(whole) if of == kind)
    assert not [*Draft202012Validator(schemas[kind]).iter_errors(document)]
    assert [*Draft202012Validator(schemas[kind]).iter_errors(document | change)]
