"""What the command prints of text from outside, which is anything."""

import io
import unicodedata
from contextlib import ExitStack, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from shared.client import DeadLetter, IndexEntry, JobState, Quote, Receipt, Status
from shared.client.batches import ManifestCheck
from shared.client.caller import read_configuration
from shared.client.cli import batches, dead_letters, doctor, jobs, ledger, output, submit, why
from shared.client.cli.main import main
from shared.client.operators import Check, Today
from shared.errors import Fault, ImageJobsError, InvalidJob, StoreUnavailable
from shared.limits.adaptive_rate import Quota
from shared.limits.budget import CostReservation, DayLedger
from shared.limits.circuit_breaker import Circuit
from shared.limits.pacing import start_pace
from shared.limits.pool_ledger import Ledger
from shared.records.dead_letter import DeadLetterKind
from shared.records.record import Failure, TaskState
from shared.redaction import printable
from tests.builders.connections import BEGAN, STORAGE
from tests.builders.ended_jobs import attempt, plan, record, task
from tests.builders.terminals import COLUMNS, on_a_screen, through_a_pipe

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

    @property
    def addresses(self) -> tuple[str, ...]:
        return ()

    def newest(self, **_: object) -> list[IndexEntry]:
        one, tags = (self.text,), {self.text: self.text}
        entry = IndexEntry(job_id=self.text, accepted_at=BEGAN, updated_at=BEGAN, code=self.text)
        return [entry.model_copy(update={"models": one, "sizes": one, "tags": tags})]

    def status(self, _: str) -> Status:
        found = self.status_many([""])[0]
        assert isinstance(found, Status)
        return found

    def check_pictures(self) -> None:
        raise StoreUnavailable(self.text)

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

    def check_manifest(self, _manifest: bytes, _name: str, **_: object) -> ManifestCheck:
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
        "why fox": 0,
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
        for module in (batches, dead_letters, doctor, jobs, ledger, submit, why):
            patch.setattr(module, "client", lambda: nullcontext(app))
        streams = [io.StringIO(), io.StringIO()]
        stack.enter_context(redirect_stdout(streams[0]))
        stack.enter_context(redirect_stderr(streams[1]))
        ended = main(command)
    out, err = [stream.getvalue() for stream in streams]
    assert ended == code, out + err
    # Tabs separate cells; `test_a_table_cuts_nothing…` checks that no cell has one.
    assert printable(out + err) == (out + err).replace("\n", "\\n").replace("\t", "\\t")


def test_of_what_was_live_a_pipe_gets_only_the_last(capsys: pytest.CaptureFixture[str]) -> None:
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


WORDS = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=90)


@given(st.lists(st.tuples(st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True), WORDS, HOSTILE)))
def test_a_table_cuts_nothing_whatever_its_cells_hold(rows: list[tuple[str, str, str]]) -> None:
    table = output.table("job", "state", "")
    for row in rows:
        table.add_row(*row)
    screen = on_a_screen(table)
    assert all(cell_len(line) <= COLUMNS for line in screen)
    shown = "".join("".join(screen).split())
    for job_id, *others in rows:
        assert sum(line.split(" ")[0] == job_id for line in screen) >= 1
        assert all("".join(printable(each).split()) in shown for each in others)
    piped = [line.split("\t") for line in through_a_pipe(table)]
    assert piped == [["job", "state", ""], *([printable(each) for each in row] for row in rows)]


LONG = "a" * 64
#: Ids, money and states of it are whole on one line of 80 columns.
ENTRY = IndexEntry(
    job_id=LONG,
    accepted_at=BEGAN,
    updated_at=BEGAN,
    state=JobState.SUCCEEDED,
    models=("gpt-image-2", "MAI-Image-2.5-Flash"),
    sizes=("1536x1024", "3840x2160"),
    pictures=12,
    cost_usd=12.25,
    cost_usd_at_most=1234.5,
    code="content_refused",
    tags={"campaign": "autumn", "team": "shop"},
)
TOLD_OF_IT = (LONG, "✔ succeeded", "$12.2500 to $1,234.5000", "12", "content_refused", "team=shop")


def test_a_list_shows_long_ids_money_and_states_whole() -> None:
    short = ENTRY.model_copy(update={"job_id": "fox"})
    table = output.list_table([ENTRY, short])
    screen = on_a_screen(table)
    assert screen[1] == f"{LONG}  ✔ succeeded"
    for told in TOLD_OF_IT:
        assert any(told in line for line in screen)
        assert told in through_a_pipe(table)[1]
    (alone,) = [line for line in on_a_screen(output.list_table([short])) if "fox" in line]
    assert alone.split("  ")[:2] == ["fox", "✔ succeeded"]


def test_many_parts_are_listed_whole_and_their_known_costs_are_told() -> None:
    parts = tuple(plan(model=f"model-{number}", n=1) for number in range(12))
    unknown = plan(model="secret-model", estimate_usd=None)
    tasks = tuple(task(number) for number in range(13))
    running = record(
        {"job_id": LONG}, plan=unknown, state=JobState.RUNNING, tasks=tasks
    ).model_copy(update={"plans": (*parts, unknown)})
    screen = on_a_screen(output.status_table({LONG: Status(running)}, BEGAN))
    assert any("~$1.2000 + 1 part unknown" in line for line in screen)
    assert all(any(f"model-{number}" in line for line in screen) for number in range(12))


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        ([0.25, None], "$0.2500 + 1 call unknown"),
        ([0.25, None, None], "$0.2500 + 2 calls unknown"),
        ([None], "unknown"),
    ],
)
def test_an_unknown_cost_hides_no_known_one(usd: list[float | None], text: str) -> None:
    calls = tuple(attempt(number, cost_usd=each) for number, each in enumerate(usd))
    done = record(tasks=(task(state=TaskState.DONE, attempts=calls),))
    assert output.cost(Status(done)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (1, "1 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 d")],
)
def test_a_time_span_has_its_unit(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


def test_one_job_is_no_jobs() -> None:
    assert output.count(1, "job") == "1 job"
    assert output.count(0, "entry", "entries") == "0 entries"
    assert output.count(1_200, "job") == "1,200 jobs"
