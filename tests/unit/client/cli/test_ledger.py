"""What was spent, by day and model."""

import json
from contextlib import nullcontext
from datetime import date, datetime, timedelta

import pytest

from shared.client.cli import ledger
from shared.client.cli.ledger import DayCost, sum_costs
from shared.client.cli.main import main
from shared.records.cost_report import CallCost, find_calls
from shared.records.index_entry import IndexEntry
from tests.builders.connections import BEGAN
from tests.builders.ended_jobs import AT, record


def entry(days_ago: int, model: str = "gpt-image-2", *, usd: float | None = 0.25) -> IndexEntry:
    at = BEGAN - timedelta(days=days_ago)
    return IndexEntry(
        job_id="fox",
        accepted_at=at,
        updated_at=at,
        models=(model,),
        pictures=2,
        cost_usd=usd,
        cost_usd_at_most=usd and 2 * usd,
    )


def test_spending_is_summed_by_day_and_model() -> None:
    entries = [entry(0), entry(0), entry(0, "MAI-Image-2.5"), entry(1)]
    assert sum_costs(entries, today=BEGAN.date(), days=7) == (
        DayCost(date(2026, 11, 30), "MAI-Image-2.5", 1, 2, 0.25, 0.5),
        DayCost(date(2026, 11, 30), "gpt-image-2", 2, 4, 0.5, 1.0),
        DayCost(date(2026, 11, 29), "gpt-image-2", 1, 2, 0.25, 0.5),
    )


def test_an_unknown_cost_is_not_taken_for_nothing() -> None:
    (spent,) = sum_costs([entry(0), entry(0, usd=None)], today=BEGAN.date(), days=1)
    assert (spent.cost_usd, spent.jobs, spent.unpriced) == (0.25, 2, 1)


def test_older_days_are_left_out() -> None:
    assert sum_costs([entry(7)], today=BEGAN.date(), days=7) == ()
    assert len(sum_costs([entry(6)], today=BEGAN.date(), days=7)) == 1


class Operator:
    """The operator's side of a client, whose app has made these calls."""

    operator = property(lambda self: self)

    def calls(self, *, since: datetime, until: datetime) -> list[CallCost]:
        tags = ({"campaign": "winter"}, {"campaign": "=HYPERLINK(1)"})
        made = [record({"tenant": "shop", "tags": each}) for each in tags]
        return [call for job in made for call in find_calls(job, since=since, until=until)]


def report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str
) -> str:
    monkeypatch.setattr(ledger, "client", lambda: nullcontext(Operator()))
    assert main(["ledger", "--by", "tenant,tag:campaign", "--since", f"{AT:%F}", *options]) == 0
    return capsys.readouterr().out


def test_a_report_is_a_table_csv_or_json_of_the_same_sums(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    until = ("--until", f"{AT + timedelta(days=1):%F}")
    lines = report(monkeypatch, capsys, "--csv", *until).splitlines()
    assert lines == [
        "tenant,tag:campaign,calls,cost_usd,cost_usd_at_most,unpriced",
        "shop,'=HYPERLINK(1),2,0.024692,0.024692,0",
        "shop,winter,2,0.024692,0.024692,0",
    ]
    told = json.loads(report(monkeypatch, capsys, "--json", *until))
    assert [each["tag:campaign"] for each in told["costs"]] == ["=HYPERLINK(1)", "winter"]
    assert (told["total"]["calls"], told["total"]["cost_usd"]) == (4, 0.049384)
    assert "total" in report(monkeypatch, capsys, *until)


@pytest.mark.parametrize(
    "options", [["--by", "colour"], ["--by", "day", "--since", "soon"], ["--csv"]]
)
def test_a_report_of_what_there_is_not_is_bad_usage(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ledger", *options]) == 2
    assert capsys.readouterr().err
