"""What must hold of a job in the end, however its processes died and whatever was done to it."""

import hashlib
import json
from collections import Counter
from typing import Any

from shared.entries import entry_of, newest
from shared.records import JobRecord, JobState
from shared.renditions import sheet_name, wishes_of
from tests.scene import Scene


def reckoned(scene: Scene, job_id: str = "fox-1") -> JobRecord:
    """The record of a job that ended; raises where a promise was broken."""
    record = scene.record(job_id)
    assert record.state is not JobState.RUNNING
    _told_once_an_opening(scene, record)
    _paid_twice_only_if_it_says_so(scene, record)
    _its_pictures_are_there(scene, record)
    assert not scene.world.register.open, "a sweep would look at it for ever"
    entries = [entry for entry in scene.world.register.ended.values() if entry.job_id == job_id]
    assert newest(entries) == entry_of(record)
    return record


def _told_once_an_opening(scene: Scene, record: JobRecord) -> None:
    assert all(entry.sent_at for entry in record.outbox)
    assert len(record.outbox) == record.openings, "one end an opening"
    ids = {event.get_id() for event in scene.world.announcer.events}
    assert len(ids) == len(record.outbox), "one event an end, however often it is told"
    assert scene.world.announcer.types()[-1] == f"image.job.{record.state}"


def _paid_twice_only_if_it_says_so(scene: Scene, record: JobRecord) -> None:
    calls = Counter(each.rsplit(".", 1)[0] for each in scene.world.endpoint.client_request_ids)
    for task in record.tasks:
        made = calls[f"{record.job_id}.{record.generation}.{task.index}"]
        if made - task.unpaid_retries > 1:
            assert task.possible_duplicate_charge, "paid twice, and not said"
    assert len(record.attempts) >= sum(calls.values()) - sum(
        task.unpaid_retries for task in record.tasks
    ), "a call that may have been paid, and is told nowhere"


def _its_pictures_are_there(scene: Scene, record: JobRecord) -> None:
    store = scene.world.pictures
    rendered = record.finishing.rendered if record.finishing else ()
    known = {picture.blob for picture in record.pictures} | {each.blob for each in rendered}
    assert len(known) == len(record.pictures) + len(rendered), "made over another picture"
    assert known <= set(store.committed)
    if not any("/generation-" in task.pictures[0] for task in record.planned):
        loose = set(store.committed) - known
        assert loose <= _being_made(record), "a picture that no record knows"
    digests = {picture.blob: picture.sha256 for picture in record.pictures}
    for blob, digest in digests.items():
        there = hashlib.sha256(store.committed[blob].data).hexdigest()
        assert there == digest, "an original is not as it came"
    for put in store.puts:
        assert _told(json.loads(put.body)) <= put.beside, "a sidecar before its pictures"
        assert put.body == store.sidecars[put.name], "another sidecar than the first"
    if record.state is JobState.SUCCEEDED:
        sidecar = json.loads(store.sidecars[f"{record.job_id}/job.json"])
        assert sidecar["job_id"] == record.job_id
        assert _told(sidecar) == known


def _being_made(record: JobRecord) -> set[str]:
    """What a finish may have been making when the job was cancelled: a replay finds it there."""
    if record.state is not JobState.CANCELLED or not record.job.finish:
        return set()
    of = (wishes_of(record.job.finish, each.blob, record.job.format) for each in record.pictures)
    sheet = sheet_name(record.job_id, record.generation)
    return {sheet, *(wish.blob for wishes in of for wish in wishes)}


def _told(sidecar: dict[str, Any]) -> set[str]:
    """Every picture that a sidecar names."""
    made = [each for image in sidecar["images"] for each in (image, *image["renditions"])]
    sheet = [sidecar["contact_sheet"]] if sidecar["contact_sheet"] else []
    return {each["blob"] for each in (*made, *sheet)}
