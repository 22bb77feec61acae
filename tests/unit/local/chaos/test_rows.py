"""The lines of the long batch are what they say, and whatever is not as it must be is found."""

import csv
import hashlib
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from local.chaos.rows import Row, differences, rows, to_csv
from shared.batches.manifest import Format
from shared.batches.reader import ManifestReader
from shared.jobs.parsing import read_job

type Results = list[dict[str, Any]]
type Told = dict[str, Any]

LINES = rows(300)


def told() -> tuple[Results, Told, list[Told], dict[str, str]]:
    """Results, event, bills and pictures as they must be."""
    results = [result(row) for row in LINES]
    counts = {
        state: sum(row.state == state for row in LINES) for row in LINES for state in [row.state]
    }
    data = {
        **counts,
        **dict.fromkeys(("parked", "cancelled", "gone"), 0),
        "entries": len(LINES),
        "repeated": sum(row.repeated for row in LINES),
        "images": counts["succeeded"],
        "cost_usd": sum(each["cost_usd"] or 0 for each in results if not each["repeated"]),
    }
    made = {each["job_id"]: row for each, row in zip(results, LINES, strict=True) if each["images"]}
    bills = [
        {
            "client_request_id": f"{job_id}.1.0.1",
            "prompt_sha256": hashlib.sha256(row.prompt.encode()).hexdigest(),
        }
        for job_id, row in made.items()
    ]
    pictures = {image["blob"]: image["sha256"] for each in results for image in each["images"]}
    return results, {"id": "e", "data": data}, bills, pictures


def result(row: Row) -> dict[str, Any]:
    job_id = None if row.state == "rejected" else row.job_id or f"given-{row.number}"
    made = row.state == "succeeded"
    return {
        "entry": row.number,
        "line": row.line,
        "state": row.state,
        "repeated": row.repeated,
        "job_id": job_id,
        "code": row.code if row.state == "rejected" else None,
        "failure": {"code": row.code} if row.state == "failed" else None,
        "images": [{"blob": f"{job_id}/0.png", "sha256": "aa"}] if made else [],
        "cost_usd": 0.01 if made else None,
    }


def test_the_lines_are_read_where_they_say_they_begin() -> None:
    reading = ManifestReader(Format.CSV)
    reading.feed(to_csv(LINES))
    reading.end()
    entries = list(reading.take())
    assert [(each.number, each.line) for each in entries] == [(r.number, r.line) for r in LINES]
    for entry, row in zip(entries, LINES, strict=True):
        if row.state == "succeeded":
            job = read_job(entry.body, inserted_at=datetime.now(UTC), seed="any")
            assert job.prompt == row.prompt


def test_every_kind_of_line_is_there_and_what_comes_second_is_a_page_away() -> None:
    kinds = {(row.state, row.code, row.repeated) for row in LINES}
    assert kinds == {
        ("succeeded", None, False),
        ("succeeded", None, True),
        ("failed", "content_refused", False),
        *(("rejected", code, False) for code in ("invalid_job", "unsupported_request", "conflict")),
    }
    texts = list(csv.reader(io.StringIO(to_csv(LINES).decode())))
    named = [cells[0] for cells in texts[1:]]
    seen = {name: number for number, name in reversed(list(enumerate(named))) if name}
    assert {number - seen[name] for number, name in enumerate(named) if name} == {0, 100, 200}


def test_a_batch_as_it_must_be_is_not_found_wrong() -> None:
    results, event, bills, pictures = told()
    assert list(differences(LINES, results, [event, event], billed=bills, pictures=pictures)) == []


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        (lambda r, *_: r.pop(), "300 lines have 299 results"),
        (lambda r, *_: r.insert(0, r.pop(1)), "line 1 is told as"),
        (lambda r, *_: r[0].update(state="parked"), "line 1 is told as"),
        (lambda r, *_: r[0].update(repeated=True), "line 1 is told as"),
        (lambda r, *_: r[6].update(code="conflict"), "line 7 is told as"),
        (lambda r, *_: r[0].update(images=[]), "line 1 succeeded with 0 pictures"),
        (lambda _r, _e, _b, p: p.pop("given-1/0.png"), "which is not that"),
        (lambda _r, _e, b, _p: b.pop(), "succeeded unbilled"),
        (lambda _r, _e, b, _p: b[0].update(prompt_sha256=""), "a prompt that is not its line's"),
        (lambda _r, e, *_: e["data"].update(failed=0), "the event counts"),
        (lambda _r, e, *_: e["data"].update(cost_usd=0.0), "the event tells $0.000000"),
    ],
)
def test_what_is_not_as_it_must_be_is_found(plant: Callable[..., object], sentence: str) -> None:
    results, event, bills, pictures = told()
    plant(results, event, bills, pictures)
    found = list(differences(LINES, results, [event], billed=bills, pictures=pictures))
    assert any(sentence in each for each in found), found


@pytest.mark.parametrize("ids", [[], ["e", "f"]])
def test_one_event_must_tell_the_end(ids: list[str]) -> None:
    results, event, bills, pictures = told()
    events = [event | {"id": each} for each in ids]
    found = list(differences(LINES, results, events, billed=bills, pictures=pictures))
    assert found == [f"{len(ids)} different events tell the batch's end; one must"]
