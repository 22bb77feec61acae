"""What was spent, by day and model."""

from datetime import date, timedelta

from shared.client.cli.ledger import DayCost, sum_costs
from shared.records.index_entry import IndexEntry
from tests.builders.connections import BEGAN


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
