"""What must hold of jobs in the end, however its processes died and whatever was done to it."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.pictures.renditions import list_renditions, sheet_name
from shared.records.index_entry import index_entry_of, newest
from shared.records.record import JobRecord, JobState
from shared.workflows.sweep import LONGEST
from tests.builders.ended_jobs import OPERATOR_EVENTS
from tests.simulation.scene import Scene


def reckoned(scene: Scene, job_id: str = "fox-1") -> JobRecord:
    """The record of a job that ended; raises where a promise was broken."""
    record = scene.record(job_id)
    assert record.state is not JobState.RUNNING
    _told_once_an_opening(scene, record)
    _paid_twice_only_if_it_says_so(scene, record)
    _its_pictures_are_there(scene, record)
    assert not scene.world.open_jobs, "a sweep would look at it for ever"
    entries = [entry for entry in scene.world.ended_jobs.values() if entry.job_id == job_id]
    assert newest(entries) == index_entry_of(record)
    return record


def _told_once_an_opening(scene: Scene, record: JobRecord) -> None:
    assert all(entry.sent_at for entry in record.outbox)
    assert len(record.outbox) == record.run, "one end an opening"
    about = f"jobs/{record.job_id}"
    told = [each for each in scene.world.events if each.get_subject() == about]
    ids = {each.get_id() for each in told}
    assert len(ids) == len(record.outbox), "one event per end, also when it is published again"
    assert told[-1].get_type() == f"image.job.{record.state}"


def _paid_twice_only_if_it_says_so(scene: Scene, record: JobRecord) -> None:
    calls = Counter(each.rsplit(".", 1)[0] for each in scene.world.endpoint.client_request_ids)
    for task in record.tasks:
        made = calls[f"{record.job_id}.{record.run}.{task.index}"]
        if made - task.unpaid_retries > 1:
            assert task.possible_duplicate_charge, "paid twice, and not said"
    assert len(record.attempts) >= sum(calls.values()) - sum(
        task.unpaid_retries for task in record.tasks
    ), "a call that may have been paid, but is reported nowhere"


def _its_pictures_are_there(scene: Scene, record: JobRecord) -> None:
    store = scene.world
    rendered = record.finishing.rendered if record.finishing else ()
    known = {picture.blob for picture in record.pictures} | {each.blob for each in rendered}
    assert len(known) == len(record.pictures) + len(rendered), "made over another picture"
    assert known <= set(store.committed)
    if not any("/run-" in task.blobs[0] for task in record.tasks):
        loose = set(store.committed) - known
        assert loose <= _being_made(record), "a picture that no record knows"
    digests = {picture.blob: picture.sha256 for picture in record.pictures}
    for blob, digest in digests.items():
        there = hashlib.sha256(store.committed[blob].data).hexdigest()
        assert there == digest, "an original is not as it came"
    _sidecars_came_last(scene)
    if record.state is JobState.SUCCEEDED:
        sidecar = json.loads(store.sidecars[f"{record.job_id}/job.json"])
        assert sidecar["job_id"] == record.job_id
        assert _told(sidecar) == known


def _sidecars_came_last(scene: Scene) -> None:
    store = scene.world
    for put in store.sidecar_puts:
        assert _told(json.loads(put.body)) <= put.beside, "a sidecar before its pictures"
        assert put.body == store.sidecars[put.name], "another sidecar than the first"


def _being_made(record: JobRecord) -> set[str]:
    """What a finish may have been making when the job was cancelled: a replay finds it there."""
    if record.state is not JobState.CANCELLED or not record.job.finish:
        return set()
    of = (
        list_renditions(record.job.finish, each.blob, record.job.format) for each in record.pictures
    )
    sheet = sheet_name(record.job_id, record.run)
    return {sheet, *(wish.blob for wishes in of for wish in wishes)}


def _told(sidecar: dict[str, Any]) -> set[str]:
    """Every picture that a sidecar names."""
    made = [each for image in sidecar["images"] for each in (image, *image["renditions"])]
    sheet = [sidecar["contact_sheet"]] if sidecar["contact_sheet"] else []
    return {each["blob"] for each in (*made, *sheet)}


def all_reckoned(scene: Scene, submitted: set[str], billed: Sequence[str]) -> None:
    """Reckon up every job of a scene; `billed` are the ids of calls that made pictures."""
    records = {record.job_id: record for record in scene.records()}
    assert set(records) == submitted, "a job is lost"
    ends = ends_of(scene)
    # Whatever the run: the ids are job, run, task and claim.
    paid = Counter((job, task) for job, _, task, _ in (each.rsplit(".", 3) for each in billed))
    for job_id, record in records.items():
        assert record.state is not JobState.RUNNING, f"{job_id} never ended"
        assert [*ends[job_id].values()][-1] == f"image.job.{record.state}"
        assert len(ends[job_id]) == record.run
        assert all(entry.sent_at for entry in record.outbox)
        for task in record.tasks:
            calls = paid[job_id, str(task.index)]
            if calls > 1:
                assert task.possible_duplicate_charge, f"{job_id} paid {calls} times, unsaid"
        calls = sum(request.startswith(f"{job_id}.") for request in billed)
        charged = [each for each in record.attempts if each.may_be_billed]
        assert len(charged) >= calls, f"{job_id} was billed for more than it tells"
    stored = set(scene.world.committed)
    known = {picture.blob for record in records.values() for picture in record.pictures}
    assert known <= stored, "a record without its picture"
    _sidecars_came_last(scene)
    assert not scene.world.pictures.pool.out
    assert not scene.world.open_jobs, "a sweep would look at it for ever"


def ends_of(scene: Scene) -> dict[str, dict[str, str]]:
    """Return each job's ends, by the id of the event that told it."""
    ends: dict[str, dict[str, str]] = {}
    for event in scene.world.events:
        if event.get_type() in OPERATOR_EVENTS:
            continue
        data = event.get_data()
        assert isinstance(data, dict)
        ends.setdefault(data["job_id"], {})[event.get_id()] = event.get_type()
    return ends


def due_later(scene: Scene) -> list[tuple[JobRecord, datetime]]:
    """Return the jobs that only a sweep can bring on, and when each will be given up on."""
    lifetime = scene.configuration.settings.job_lifetime
    soon = scene.world.clock.now() + 2 * LONGEST
    running = (record for record in scene.records() if record.state is JobState.RUNNING)
    ends = ((record, record.give_up_at(lifetime)) for record in running)
    return [(record, end) for record, end in ends if end > soon]


def brought_on(scene: Scene, due: list[tuple[JobRecord, datetime]]) -> None:
    """Hold that sweeps brought these jobs to an end before they were given up on."""
    for before, end in due:
        told = scene.record(before.job_id).outbox
        (time,) = (each.time for each in told if each.run == before.run)
        assert time < end, f"a sweep only gave up on {before.job_id}"
