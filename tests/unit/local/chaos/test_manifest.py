"""The rows of the batch trial have the expected results, and every difference is found."""

import csv
import hashlib
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from local.chaos.manifest import Row, find_differences, make_rows, to_csv
from shared.batches.manifest import Format
from shared.batches.reader import ManifestReader
from shared.jobs.parsing import Message, read_job

type Results = list[dict[str, Any]]
type Event = dict[str, Any]

ROWS = make_rows(300)


def correct_batch() -> tuple[Results, Event, list[Event], dict[str, str]]:
    """Return results, event, bills and pictures without a fault."""
    results = [result(row) for row in ROWS]
    counts = {
        state: sum(row.state == state for row in ROWS) for row in ROWS for state in [row.state]
    }
    data = {
        **counts,
        **dict.fromkeys(("parked", "cancelled", "gone"), 0),
        "entries": len(ROWS),
        "repeated": sum(row.repeated for row in ROWS),
        "images": counts["succeeded"],
        **{
            end: sum(each[end] or 0 for each in results if not each["repeated"])
            for end in ("cost_usd", "cost_usd_at_most")
        },
    }
    drawn = {each["job_id"]: row for each, row in zip(results, ROWS, strict=True) if each["images"]}
    bills = [
        {
            "client_request_id": f"{job_id}.1.0.1",
            "prompt_sha256": hashlib.sha256(row.prompt.encode()).hexdigest(),
        }
        for job_id, row in drawn.items()
    ]
    pictures = {image["blob"]: image["sha256"] for each in results for image in each["images"]}
    return results, {"id": "e", "data": data}, bills, pictures


def result(row: Row) -> dict[str, Any]:
    job_id = None if row.state == "rejected" else row.job_id or f"given-{row.number}"
    drawn = row.state == "succeeded"
    return {
        "entry": row.number,
        "line": row.line,
        "state": row.state,
        "repeated": row.repeated,
        "job_id": job_id,
        "code": row.code if row.state == "rejected" else None,
        "failure": {"code": row.code} if row.state == "failed" else None,
        "images": [{"blob": f"{job_id}/0.png", "sha256": "aa"}] if drawn else [],
        "cost_usd": 0.01 if drawn else 0.0,
        "cost_usd_at_most": 0.01 if drawn else 0.02,
    }


def test_the_reader_finds_each_row_at_its_line() -> None:
    reading = ManifestReader(Format.CSV)
    reading.feed(to_csv(ROWS))
    reading.end()
    entries = list(reading.take())
    assert [(each.number, each.line) for each in entries] == [(r.number, r.line) for r in ROWS]
    for entry, row in zip(entries, ROWS, strict=True):
        if row.state == "succeeded":
            job = read_job(Message(entry.body, "any", datetime.now(UTC)))
            assert job.prompt == row.prompt


def test_every_kind_of_row_exists_and_a_repetition_is_a_page_away() -> None:
    kinds = {(row.state, row.code, row.repeated) for row in ROWS}
    assert kinds == {
        ("succeeded", None, False),
        ("succeeded", None, True),
        ("failed", "content_refused", False),
        *(("rejected", code, False) for code in ("invalid_job", "unsupported_request", "conflict")),
    }
    texts = list(csv.reader(io.StringIO(to_csv(ROWS).decode())))
    named = [cells[0] for cells in texts[1:]]
    seen = {name: number for number, name in reversed(list(enumerate(named))) if name}
    assert {number - seen[name] for number, name in enumerate(named) if name} == {0, 100, 200}


def test_a_correct_batch_has_no_difference() -> None:
    results, event, bills, pictures = correct_batch()
    assert (
        list(find_differences(ROWS, results, [event, event], billed=bills, pictures=pictures)) == []
    )


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        (lambda r, *_: r.pop(), "300 rows have 299 results"),
        (lambda r, *_: r.insert(0, r.pop(1)), "row 1: result"),
        (lambda r, *_: r[0].update(state="parked"), "row 1: result"),
        (lambda r, *_: r[0].update(repeated=True), "row 1: result"),
        (lambda r, *_: r[6].update(code="conflict"), "row 7: result"),
        (lambda r, *_: r[0].update(images=[]), "row 1 succeeded with 0 pictures"),
        (lambda _r, _e, _b, p: p.pop("given-1/0.png"), "which is missing or different"),
        (lambda _r, _e, b, _p: b.pop(), "succeeded without a bill"),
        (lambda _r, _e, b, _p: b[0].update(prompt_sha256=""), "the prompt of another row"),
        (lambda _r, e, *_: e["data"].update(failed=0), "the event counts"),
        (lambda _r, e, *_: e["data"].update(cost_usd=0.0), "the event reports cost_usd 0.000000"),
        (
            lambda _r, e, *_: e["data"].update(cost_usd_at_most=0.0),
            "the event reports cost_usd_at_most 0.000000",
        ),
    ],
)
def test_every_difference_is_found(plant: Callable[..., object], sentence: str) -> None:
    results, event, bills, pictures = correct_batch()
    plant(results, event, bills, pictures)
    found = list(find_differences(ROWS, results, [event], billed=bills, pictures=pictures))
    assert any(sentence in each for each in found), found


@pytest.mark.parametrize("ids", [[], ["e", "f"]])
def test_exactly_one_event_must_end_the_batch(ids: list[str]) -> None:
    results, event, bills, pictures = correct_batch()
    events = [event | {"id": each} for each in ids]
    found = list(find_differences(ROWS, results, events, billed=bills, pictures=pictures))
    assert found == [f"{len(ids)} different events end the batch; expected 1"]
