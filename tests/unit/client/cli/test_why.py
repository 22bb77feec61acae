"""What `image-jobs why` says of each job that somebody may ask about."""

import json
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest

from shared.client import ImageJobs
from shared.client.cli import why
from shared.client.cli.main import main
from shared.client.cli.why import ACTIONS, CORRECTIONS, Facts, explain
from shared.client.results import NoSuchJob, Status
from shared.errors import Fault, ImageJobsError, InvalidJob, Rejected
from shared.http_api.limits import BudgetStatus, CircuitStatus, PaceStatus
from shared.http_api.waits import WaitStatus
from shared.records.record import Failure, JobRecord, JobState, TaskState
from shared.vocabulary import FailureCode, RejectionCode
from tests.builders.ended_jobs import AT, DONE_AT, attempt, failed, plan, record, task

#: More would not fit on a small screen beside the command itself.
MOST_LINES = 10
PACE = PaceStatus(rate_rpm=6, waiting=0, next_call_at=AT, stopped_until=None, circuits=())
BUDGET = BudgetStatus(day=AT.date())
WAITING = record(plan=plan(n=1), tasks=(task(),), state=JobState.RUNNING)


def facts(pace: PaceStatus = PACE, **changes: Any) -> Facts:  # noqa: ANN401 - any fact
    known = {"budget": BUDGET, "storage_problem": None, "now": DONE_AT}
    return Facts(paces={"first": pace}, **(known | changes))


def said(job: JobRecord, known: Facts) -> dict[str, str]:
    lines = {name: text.plain for name, text in explain(Status(job), known)}
    assert len(lines) <= MOST_LINES
    assert not any("{id}" in line for line in lines.values())
    return lines


def test_each_code_has_its_action() -> None:
    assert set(ACTIONS) == set(FailureCode)
    assert set(CORRECTIONS) == set(RejectionCode)


@pytest.mark.parametrize("code", FailureCode)
def test_a_failure_of_each_code_is_explained(code: FailureCode) -> None:
    failure = Failure(code=code, message="as the service says")
    lines = said(failed(attempt(), failure=failure), facts())
    assert lines["reason"] == f"{code}: as the service says"
    assert lines["dead letter"] == f"{DONE_AT:%Y/%m/%d}/fox.json"
    assert lines["do"] == ACTIONS[code].replace("{id}", "fox")
    assert "request req-1" in lines["last call"]


def test_a_failed_job_is_never_told_to_be_released() -> None:
    lost = Failure(code=FailureCode.OUTCOME_UNKNOWN, message="reset")
    assert "image-jobs replay fox" in said(failed(attempt(), failure=lost), facts())["do"]


def test_a_job_that_failed_at_midnight_has_its_letter_on_one_of_two_days() -> None:
    job = failed(attempt(ended_at=AT.replace(hour=23, minute=59))).model_copy(
        update={"updated_at": AT.replace(hour=0) + timedelta(days=1)}
    )
    days = (f"{day:%Y/%m/%d}/fox.json" for day in (AT, AT + timedelta(days=1)))
    assert said(job, facts())["dead letter"] == " or ".join(days)


CIRCUIT = CircuitStatus(
    deployment=None, reason="blocked", message="403", since=AT, until=DONE_AT + timedelta(minutes=5)
)


@pytest.mark.parametrize(
    ("known", "waits_for"),
    [
        (facts(), "its first call"),
        (facts(PACE.model_copy(update={"next_call_at": DONE_AT + timedelta(seconds=9)})), "quota"),
        (
            facts(
                PACE.model_copy(
                    update={
                        "next_call_at": DONE_AT + timedelta(seconds=9),
                        "stopped_until": DONE_AT + timedelta(seconds=9),
                    }
                )
            ),
            "a 429 of first: 0 calls wait, the next call is in 9 s",
        ),
        (facts(PACE.model_copy(update={"circuits": (CIRCUIT,)})), "the circuit of first"),
        (facts(budget=BudgetStatus(day=AT.date(), limit_usd=1, left_usd=0.01)), "the daily budget"),
        (facts(storage_problem="404 ContainerNotFound"), "storage: 404 ContainerNotFound"),
    ],
)
def test_a_job_that_waits_says_what_for(known: Facts, waits_for: str) -> None:
    assert waits_for in said(WAITING, known)["waits for"]


@pytest.mark.parametrize(
    ("known", "section"),
    [
        (facts(PACE.model_copy(update={"circuits": (CIRCUIT,)})), "#circuit-open"),
        (facts(storage_problem="404 ContainerNotFound"), "#storage-blocked"),
    ],
)
def test_a_job_that_waits_for_an_operator_names_the_section_of_the_runbook(
    known: Facts, section: str
) -> None:
    assert f"docs/runbook.md{section}" in said(WAITING, known)["do"]


def test_a_job_that_waits_for_an_outage_to_end_needs_nobody() -> None:
    down = CIRCUIT.model_copy(update={"reason": "unavailable"})
    lines = said(WAITING, facts(PACE.model_copy(update={"circuits": (down,)})))
    assert lines["do"].startswith("nothing: it continues by itself")


def test_a_job_that_was_called_before_waits_for_its_next_call() -> None:
    job = record(plan=plan(n=1), tasks=(task(attempts=(attempt(),)),), state=JobState.RUNNING)
    assert said(job, facts())["waits for"].startswith("its next call")


def test_a_call_under_way_says_since_when() -> None:
    calling = task(state=TaskState.CALLING, current=attempt(0, ended_at=None, kind=None))
    job = record(plan=plan(n=1), tasks=(calling,), state=JobState.RUNNING)
    wait = said(job, facts())["waits for"]
    assert wait == "the reply to a call, since 40 s; one usually takes 30 s"


def test_a_parked_job_waits_for_a_decision() -> None:
    lost = Failure(code=FailureCode.OUTCOME_UNKNOWN, message="reset")
    job = record(tasks=(task(state=TaskState.PARKED, failure=lost),), state=JobState.PARKED)
    assert "`image-jobs release fox`" in said(job, facts())["do"]


class App:
    """An app that knows of one id only what its answer says."""

    def __init__(self, answer: ImageJobsError, batch: object = None) -> None:
        self.answer, self.found = answer, batch
        self.operator, self.app = (
            self,
            ImageJobs(connection_string="UseDevelopmentStorage=true", environ={}).app,
        )

    def status(self, _: str) -> Status:
        raise self.answer

    def batch(self, _: str) -> object:
        return self.found

    def backlog(self, _: str) -> int:
        return 1


def asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, app: App, *, code: int
) -> dict[str, str]:
    monkeypatch.setattr(why, "client", lambda: nullcontext(app))
    assert main(["why", "fox", "--json"]) == code
    lines: dict[str, str] = json.loads(capsys.readouterr().out)
    return lines


@pytest.mark.parametrize("code", RejectionCode)
def test_a_rejected_id_has_its_faults(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, code: RejectionCode
) -> None:
    faults = [Fault("n", f"{number} is too big") for number in range(11, 20)]
    app = App(Rejected(faults, job_id="fox", code=code))
    lines = asked(capsys, monkeypatch, app, code=0)
    assert (lines["reason"], lines["do"]) == (code, CORRECTIONS[code])
    assert len(lines) <= MOST_LINES


def test_an_unknown_id_says_what_is_known(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = asked(capsys, monkeypatch, App(NoSuchJob("no")), code=4)
    assert lines["queue"] == "1 message on image-jobs"
    batch = asked(capsys, monkeypatch, App(NoSuchJob("no"), batch="it"), code=4)
    assert batch["do"] == "`image-jobs follow fox`"


def test_what_is_no_id_is_a_wrong_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(why, "client", lambda: nullcontext(App(InvalidJob([Fault("x", "y")]))))
    assert main(["why", "../fox"]) == 2
    assert "is no id" in capsys.readouterr().err


def test_the_page_of_the_gallery_is_linked_where_the_app_is_known(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_JOBS_URL", "http://127.0.0.1:7071/")
    lines = asked(capsys, monkeypatch, App(NoSuchJob("no")), code=4)
    assert lines["see"] == "http://127.0.0.1:7071/api/gallery#job=fox"


def test_a_waiting_job_has_its_place_and_its_times() -> None:
    wait = WaitStatus(
        reason="place_in_line",
        message="11 calls come first in the quota pool gpt-image-2.",
        until=DONE_AT + timedelta(seconds=110),
        pool="gpt-image-2",
        ahead=11,
        call_at=DONE_AT + timedelta(seconds=110),
        done_at=DONE_AT + timedelta(seconds=140),
    )
    lines = {name: text.plain for name, text in explain(Status(WAITING, wait), facts())}
    assert len(lines) <= MOST_LINES
    assert lines["expected"].startswith("next call in 110 s (")
    assert ", done in 2 min (" in lines["expected"]
    assert lines["expected"].endswith("; 11 calls come first")
