"""A file of jobs: checked as the app would, sent once, followed to its end."""

import json
from datetime import timedelta

import pytest

from shared.batches.manifest import batch_id_of
from shared.batches.record import BatchRecord, BatchState, Manifest, open_batch
from shared.client import batches
from shared.client.results import StillRunning
from shared.config.settings import Configuration
from shared.errors import AlreadyExists, UnreadableRecord
from tests.builders.connections import BEGAN, FIELDS_ONLY, ROUTING, MemoryConnection

CSV = b"prompt,size,n\na fox,1024x1024,2\nan owl,9000,1\na hare,1k,99\n"


def check(
    manifest: list[bytes], name: str, configuration: Configuration = ROUTING
) -> batches.ManifestCheck:
    return batches.check_manifest(manifest, name, configuration, now=BEGAN)


def test_every_faulty_entry_is_told_by_its_line() -> None:
    found = check([CSV[:20], CSV[20:]], "foxes.csv")
    assert found.entries == 3
    assert [(each.line, each.field) for each in found.faults] == [(3, "size"), (4, "n")]
    assert found.file_faults == []


def test_what_is_wrong_with_the_file_as_a_whole_is_told() -> None:
    found = check([b"prompt,colour\na fox,red\n"], "foxes.csv")
    assert (found.entries, len(found.file_faults)) == (0, 1)
    with pytest.raises(ValueError, match="extension"):
        check([b""], "foxes.xls")


def test_a_batch_is_estimated_by_the_deployments_or_by_the_whole_catalogue() -> None:
    lines = b'{"prompt": "a fox", "quality": "low"}\n' * 3
    one = check([lines[: len(lines) // 3]], "a.jsonl")
    all_of_them = check([lines], "a.jsonl")
    assert one.estimate_usd is not None
    assert all_of_them.estimate_usd == pytest.approx(3 * one.estimate_usd)
    assert not all_of_them.assumed
    named = lines.replace(b"}", b', "model": "gpt-image-2"}')
    assumed = check([named], "a.jsonl", FIELDS_ONLY)
    assert (assumed.entries, assumed.assumed, assumed.faults) == (3, True, [])
    assert assumed.estimate_usd == pytest.approx(all_of_them.estimate_usd)


def test_the_first_prompts_are_shown_as_the_template_makes_them() -> None:
    rows = b"prompt_template,variable_animal\na $animal,fox\n,\n,hare\n,owl\n,ox\n,elk\n"
    found = check([rows], "animals.csv")
    assert found.prompts == ["a fox", "a hare", "a owl"]
    assert found.faults == []
    wrong = check([b"prompt_template,variable_animal,n\na $animal,,1\n"], "animals.csv")
    assert [str(each.message) for each in wrong.faults] == [
        "'animal' is missing; the template uses it"
    ]


def test_a_model_that_only_the_app_may_know_is_no_fault_and_has_no_price() -> None:
    line = b'{"prompt": "a fox", "model": "of-our-own"}\n'
    found = check([line], "a.jsonl", FIELDS_ONLY)
    assert (found.assumed, found.estimate_usd, found.faults) == (True, None, [])


async def test_a_file_is_sent_once_unless_it_is_sent_anew() -> None:
    app = MemoryConnection()
    sent = await batches.submit_batch(CSV, "Foxes & Co.CSV", app)
    assert app.body(f"manifests/{sent.name}") == CSV
    assert sent.name.endswith(".csv")
    assert "Foxes" not in sent.name
    assert sent.batch_id == batch_id_of(
        sent.name, app.container("manifests").stored[sent.name].version, BEGAN
    )
    with pytest.raises(AlreadyExists, match="sent before"):
        await batches.submit_batch(CSV, "foxes.csv", app)
    assert await batches.submit_batch(CSV, "foxes.csv", app, anew="2") != sent


async def test_a_batch_is_followed_to_its_end() -> None:
    app, seen = MemoryConnection(), list[BatchRecord | None]()
    manifest = Manifest(container="m", name="a.csv", version="1", bytes=1, modified_at=BEGAN)
    record = open_batch("b1", manifest, due_at=BEGAN, now=BEGAN)

    def meanwhile() -> None:
        states = [BatchState.READING, BatchState.RUNNING, BatchState.COMPLETED]
        now = record.model_copy(update={"state": states[min(len(app.clock.waits), 3) - 1]})
        app.put("jobs/batches/b1/batch.json", now.model_dump_json().encode())

    app.clock.meanwhile = meanwhile
    done = await batches.wait_for_batch("b1", app, within=None, seen=seen.append)
    assert done.state is BatchState.COMPLETED
    assert [each and each.state for each in seen] == [None, "reading", "running", "completed"]


async def test_a_batch_that_takes_longer_goes_on() -> None:
    app = MemoryConnection()
    with pytest.raises(StillRunning, match="b1"):
        await batches.wait_for_batch("b1", app, within=3)
    assert app.clock.time - BEGAN >= timedelta(seconds=3)


async def test_a_record_of_a_later_version_is_told_as_such() -> None:
    app = MemoryConnection({"jobs/batches/b1/batch.json": json.dumps({"version": 2}).encode()})
    with pytest.raises(UnreadableRecord, match="b1"):
        await batches.read_batch("b1", app)


async def test_a_file_for_a_tenant_is_in_its_folder_and_checked_as_its_own() -> None:
    app = MemoryConnection()
    sent = await batches.submit_batch(CSV, "foxes.csv", app, tenant="shop")
    assert sent.name.startswith("tenants/shop/client/")
    assert (await batches.submit_batch(CSV, "foxes.csv", app)).name.startswith("client/")
    rows = b"prompt,tenant\na fox,\nan owl,shop\na hare,press\n"
    found = batches.check_manifest([rows], "a.csv", ROUTING, now=BEGAN, tenant="shop")
    assert [str(each) for each in found.faults] == [
        "line 4: tenant: 'press' is not yours; use 'shop', or leave it out"
    ]
    for attempt in (
        batches.submit_batch(CSV, "foxes.csv", app, tenant="No Name"),
        batches.submit_batch(CSV, "foxes.csv", app, tenant=""),
    ):
        with pytest.raises(ValueError, match="is not the name of a tenant"):
            await attempt
    with pytest.raises(ValueError, match="is not the name of a tenant"):
        batches.check_manifest([rows], "a.csv", ROUTING, now=BEGAN, tenant="No Name")
