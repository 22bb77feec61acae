"""The audit finds every fault: one planted fault, one sentence."""

from typing import Any

import pytest

from local.chaos.audit import Audit, Observation, audit

BLOB = "fox/default/0.png"


def event(kind: str = "succeeded", *, event_id: str = "e1", **data: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    facts = {
        "job_id": "fox",
        "possible_duplicate_charge": False,
        "cost_usd": 0.05,
        "cost_usd_at_most": data.get("cost_usd", 0.05),
        "cost_known_by": "usage",
        "images": [{"blob": BLOB, "sha256": "aa"}] if kind == "succeeded" else [],
    }
    return {"type": f"image.job.{kind}", "id": event_id, "data": facts | data}


def record(state: str = "succeeded", *blobs: str) -> dict[str, Any]:
    return {"state": state, "tasks": [{"pictures": [{"blob": blob} for blob in blobs or (BLOB,)]}]}


def paid(request: str = "fox.1.0.1", usd: float = 0.05) -> dict[str, Any]:
    return {"client_request_id": request, "usd": usd}


def seen(**changes: Any) -> Audit:  # noqa: ANN401 - any field of it
    facts: dict[str, Any] = {
        "jobs": ["fox"],
        "records": {"fox": record()},
        "events": [event()],
        "billed": [paid()],
        "pictures": {BLOB: "aa"},
    }
    return audit(Observation(**(facts | changes)))


def test_a_correct_job_has_no_fault() -> None:
    found = seen()
    assert found.wrong == []
    assert (found.ended["succeeded"], found.paid_calls, found.reported_usd) == (1, 1, 0.05)


def test_an_event_published_again_with_its_id_is_counted_and_is_no_fault() -> None:
    found = seen(events=[event(), event()])
    assert (found.wrong, found.repeated_events) == ([], 1)


def test_a_second_charge_with_a_flag_is_counted_and_is_no_fault() -> None:
    published = event(possible_duplicate_charge=True, cost_usd=0.1)
    found = seen(events=[published], billed=[paid(), paid("fox.1.0.2")])
    assert (found.wrong, found.flagged) == ([], 1)


@pytest.mark.parametrize(
    ("planted", "sentence"),
    [
        ({"records": {}, "pictures": {}}, "fox is lost: its record says None"),
        ({"records": {"fox": record("running")}}, "fox is lost: its record says running"),
        ({"events": []}, "fox is succeeded, but no event says so"),
        (
            {"events": [event("failed"), event(event_id="e2")]},
            "fox has 2 different end events: image.job.failed, image.job.succeeded",
        ),
        (
            {"billed": [paid(usd=0.02), paid("fox.1.0.2", usd=0.03)]},
            "fox was paid for 2 times (task 1.0) without a flag",
        ),
        ({"pictures": {}}, f"fox names {BLOB}, which is missing or different"),
        ({"pictures": {BLOB: "bb"}}, f"fox names {BLOB}, which is missing or different"),
        (
            {"pictures": {BLOB: "aa", "fox/default/9.png": "cc"}},
            "fox/default/9.png is stored, but no record names it",
        ),
        (
            {"billed": [paid(usd=0.06)]},
            "fox was billed $0.060000 but reports $0.050000 to $0.050000",
        ),
        (
            {"billed": [paid(usd=0.06)], "events": [event(cost_usd_at_most=0.055)]},
            "fox was billed $0.060000 but reports $0.050000 to $0.055000",
        ),
        ({"billed": []}, "fox was billed $0.000000 but reports $0.050000 to $0.050000"),
        ({"poisoned": 2}, "2 messages were poisoned"),
    ],
)
def test_each_planted_fault_is_reported(planted: dict[str, Any], sentence: str) -> None:
    assert seen(**planted).wrong == [sentence]


def test_two_tasks_of_one_job_are_not_a_second_charge() -> None:
    assert seen(billed=[paid(usd=0.02), paid("fox.1.1.1", usd=0.03)]).wrong == []


@pytest.mark.parametrize("usd", [0.05, 0.07, 0.1])
def test_a_bill_within_the_reported_cost_is_no_fault(usd: float) -> None:
    assert seen(billed=[paid(usd=usd)], events=[event(cost_usd_at_most=0.1)]).wrong == []


def test_an_estimate_may_be_above_the_bill() -> None:
    assert seen(billed=[paid(usd=0.04)], events=[event(cost_known_by="estimate")]).wrong == []
