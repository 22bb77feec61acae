"""What the command prints of text from outside, which is anything."""

import io
import sys
import unicodedata
from contextlib import ExitStack, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from shared.client import DeadLetter, IndexEntry, JobState, Quote, Receipt, Status
from shared.client.batches import ManifestCheck
from shared.client.caller import read_configuration
from shared.client.checkup import Check
from shared.client.cli import batches, dead_letters, doctor, jobs, ledger, output, submit
from shared.client.cli.main import main
from shared.client.operators import Today
from shared.errors import Fault, ImageJobsError, InvalidJob
from shared.limits.adaptive_rate import Quota
from shared.limits.budget import CostReservation, DayLedger
from shared.limits.circuit_breaker import Circuit
from shared.limits.pacing import start_pace
from shared.limits.pool_ledger import Ledger
from shared.records.dead_letter import DeadLetterKind
from shared.records.record import Failure, TaskState
from shared.redaction import printable
from tests.builders.connections import BEGAN, STORAGE
from tests.builders.ended_jobs import plan, record, task

HOSTILE = st.text(
    st.sampled_from("a[/]\\=b: \t\r\n\a\b\x1b\x7f\x85\x9b\u200b\u2028\u202e😀") | st.characters()
) | st.sampled_from(["[/b]", "[bold]x[/bold]", "\x1b[2J\x1b]0;title\a", ":smile:", "\x9b2J"])


@given(HOSTILE | st.text(st.characters(categories=["Cs"])))
def test_printable_text_stays_on_its_line_and_steers_no_terminal(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert shown.encode().decode() == printable(shown) == shown


def test_markup_from_outside_is_printed_as_it_is() -> None:
    with output.console().capture() as captured:
        output.console().print("[/b] :smile: \x1b[2J")
    assert captured.get() == "[/b] :smile: \\x1b[2J\n"


@dataclass
class HostileApp:
    """An app all of whose words are the given text."""

    text: str

    @property
    def operator(self) -> "HostileApp":
        return self

    @property
    def app(self) -> Any:  # noqa: ANN401 - as the doctor reads it
        return read_configuration(STORAGE)

    def newest(self, **_: object) -> list[IndexEntry]:
        one, tags = (self.text,), {self.text: self.text}
        entry = IndexEntry(job_id=self.text, accepted_at=BEGAN, updated_at=BEGAN, code=self.text)
        return [entry.model_copy(update={"models": one, "sizes": one, "tags": tags})]

    def status_many(self, asked: list[str]) -> list[Status | ImageJobsError]:
        failure = Failure(code="unclassified", message=self.text)
        failed = record(plan=self.plan(), state=JobState.FAILED, failure=failure)
        named = failed.model_copy(update={"job_id": self.text})
        return [Status(named), *(ImageJobsError(self.text) for _ in asked[1:])]

    def plan(self) -> Any:  # noqa: ANN401 - of the builder
        return plan(model=self.text, quality=self.text, reasons=(self.text,), warnings=(self.text,))

    def pools(self) -> dict[str, Ledger]:
        circuit = Circuit(
            reason="misconfigured", message=self.text, opened_at=BEGAN, probe_at=BEGAN
        )
        pace = start_pace(Quota(6), now=BEGAN)
        return {self.text: Ledger(pace=pace, circuits={self.text: circuit})}

    def today(self) -> Today:
        hold = CostReservation(amount=1, job_id=self.text, until=BEGAN + timedelta(days=9_999))
        return Today(BEGAN.date(), DayLedger(held={"1": hold}), 5.0)

    def dead_letters(self, **_: object) -> list[DeadLetter]:
        letter = DeadLetter(kind=DeadLetterKind.MESSAGE, at=BEGAN, reason=self.text, why=self.text)
        return [letter.model_copy(update={"name": self.text, "job_id": self.text})]

    def send_again(self, name: str) -> str:
        return f"{name}{self.text}"

    def check(self, **_: object) -> list[Check]:
        return [Check(self.text, "bad", self.text)]

    def check_manifest(self, _manifest: bytes, _name: str) -> ManifestCheck:
        raise InvalidJob([Fault(self.text, self.text)])

    def submit(self, _fields: object) -> Receipt:
        return Receipt(self.text, "", "", BEGAN, Quote((self.plan(),)))

    def batch(self, _batch_id: str) -> None:
        return None


@settings(max_examples=20)
@given(HOSTILE)
def test_no_command_lets_hostile_text_through(text: str) -> None:
    commands = {
        "list": 0,
        "status fox": 0,
        "status fox owl": 1,
        "watch fox": 1,
        "ledger --days 999999": 0,
        "dead list": 0,
        "dead replay fox": 0,
        "doctor": 1,
        "submit fox": 0,
        "follow fox": 4,
        "batch pyproject.toml": 2,
    }
    for command, code in commands.items():
        assert_harmless(HostileApp(text), command.split(), code)


def assert_harmless(app: HostileApp, command: list[str], code: int) -> None:
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for module in (batches, dead_letters, doctor, jobs, ledger, submit):
            patch.setattr(module, "client", lambda: nullcontext(app))
        streams = [io.StringIO(), io.StringIO()]
        stack.enter_context(redirect_stdout(streams[0]))
        stack.enter_context(redirect_stderr(streams[1]))
        ended = main(command)
    out, err = [stream.getvalue() for stream in streams]
    assert ended == code, out + err
    assert printable(out + err) == "".join(out + err).replace("\n", "\\n")


def test_what_was_live_ends_its_line_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = Console(file=sys.stdout, width=80)
    monkeypatch.setattr(output, "console", lambda: piped)
    with output.live(quiet=False) as show:
        show("one")
        show("two")
    with output.live(quiet=True) as show:
        show("three")
    assert capsys.readouterr().out == "two\n"


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((0.25, 0.25), "$0.2500"),
        ((0.25, 0.25001), "$0.2500"),
        ((0.0, 0.25), "$0.0000 to $0.2500"),
        ((None, None), "unknown"),
    ],
)
def test_a_cost_is_printed_as_a_range_where_its_ends_differ(
    ends: tuple[float | None, float | None], text: str
) -> None:
    assert output.dollar_range(*ends) == text


def test_a_job_that_ended_without_a_call_shows_no_price_of_one() -> None:
    parked = record(state=JobState.PARKED, tasks=(task(state=TaskState.PARKED),))
    running = record({"job_id": "owl"}, state=JobState.RUNNING, tasks=(task(),))
    found = {each.job_id: Status(each) for each in (parked, running)}
    with output.console().capture() as captured:
        output.console().print(output.status_table(found, BEGAN))
    _, of_parked, of_running = captured.get().splitlines()
    assert "$0.0000" in of_parked
    assert "$0.1000" not in of_parked
    assert "~$0.1000" in of_running


def test_the_ledger_says_what_is_certain_possible_and_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    day = DayLedger(spent=300_000, certain=200_000)
    monkeypatch.setattr(HostileApp, "today", lambda _: Today(BEGAN.date(), day, 5.0))
    monkeypatch.setattr(ledger, "client", lambda: nullcontext(HostileApp("fox")))
    with output.console().capture() as captured:
        ledger.ledger()
    words = captured.get().split()
    assert {"certain", "possible", "left", "$0.2000", "$0.3000", "$4.7000"} <= set(words)
    assert "spent" not in words
