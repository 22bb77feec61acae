"""The ledgers of quota pools and of a day, read from outside."""

from datetime import timedelta

import pytest

from shared.client.ledger import Today, pools_of, today_of
from shared.client.sync_storage import run_coroutine
from shared.errors import UnreadableRecord
from shared.limits.adaptive_rate import Quota
from shared.limits.budget import CostReservation, DayLedger
from shared.limits.pacing import start_pace
from shared.limits.pool_ledger import Ledger
from tests.fakes.account import BEGAN, FakeStorage
from tests.unit.client.test_submission import FIELDS_ONLY

SETTINGS = FIELDS_ONLY.settings


def test_each_pool_is_told_by_its_name() -> None:
    ledger = Ledger(pace=start_pace(Quota(60), now=BEGAN))
    storage = FakeStorage(
        blobs={
            "pace/gpt-image-2.json": ledger.model_dump_json().encode(),
            "pace/elsewhere/x.json": b"{}",
            "pace/notes.txt": b"",
        }
    )
    assert run_coroutine(pools_of(storage, SETTINGS)) == {"gpt-image-2": ledger}


def test_a_ledger_of_a_later_version_is_told_as_such() -> None:
    storage = FakeStorage(blobs={"pace/a.json": b"{}"})
    with pytest.raises(UnreadableRecord, match=r"a\.json"):
        run_coroutine(pools_of(storage, SETTINGS))


def test_today_is_told_by_its_ledger_and_by_the_limit_the_client_was_told_of() -> None:
    hold = CostReservation(amount=7, job_id="fox", until=BEGAN + timedelta(minutes=5))
    ledger = DayLedger(spent=40, held={"3": hold}, next_ticket=4)
    name = f"jobs/budget/{BEGAN.date()}.json"
    storage = FakeStorage(blobs={name: ledger.model_dump_json().encode()})
    assert run_coroutine(today_of(storage, SETTINGS)) == Today(BEGAN.date(), ledger, None)
    settings = SETTINGS.model_copy(update={"daily_budget_usd": 5.0})
    assert run_coroutine(today_of(FakeStorage(), settings)) == Today(BEGAN.date(), None, 5.0)


def test_a_budget_of_a_later_version_is_told_as_such() -> None:
    storage = FakeStorage(blobs={f"jobs/budget/{BEGAN.date()}.json": b'{"spent": "much"}'})
    with pytest.raises(UnreadableRecord, match=rf"budget/{BEGAN.date()}\.json"):
        run_coroutine(today_of(storage, SETTINGS))
