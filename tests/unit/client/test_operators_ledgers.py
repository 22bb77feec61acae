"""The ledgers of quota pools and of a day, read from outside."""

from datetime import timedelta

import pytest

from shared.client.caller import read_configuration
from shared.client.operators import AsyncOperator, Today
from shared.errors import UnreadableRecord
from shared.limits.adaptive_rate import Quota
from shared.limits.budget import CostReservation, DayLedger
from shared.limits.pacing import start_pace
from shared.limits.pool_ledger import Ledger
from shared.records.index_entry import index_entry_of
from tests.builders.connections import BEGAN, STORAGE, MemoryConnection
from tests.builders.ended_jobs import attempt, record, task


async def test_each_pool_is_told_by_its_name() -> None:
    ledger = Ledger(pace=start_pace(Quota(60), now=BEGAN))
    app = MemoryConnection(
        blobs={
            "pace/gpt-image-2.json": ledger.model_dump_json().encode(),
            "pace/elsewhere/x.json": b"{}",
            "pace/notes.txt": b"",
        }
    )
    assert await AsyncOperator(app).pools() == {"gpt-image-2": ledger}


async def test_a_ledger_that_this_version_cannot_read_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await AsyncOperator(MemoryConnection({"pace/a.json": "{}"})).pools() == {}
    assert "cannot read the ledger of the pool 'a'" in caplog.text


async def test_today_is_told_by_its_ledger_and_by_the_limit_the_client_was_told_of() -> None:
    hold = CostReservation(amount=7, job_id="fox", until=BEGAN + timedelta(minutes=5))
    ledger = DayLedger(spent=40, held={"3": hold}, next_ticket=4)
    name = f"jobs/budget/{BEGAN.date()}.json"
    app = MemoryConnection({name: ledger.model_dump_json().encode()})
    assert await AsyncOperator(app).today() == Today(BEGAN.date(), ledger, None)
    limited = MemoryConnection(
        configuration=read_configuration(STORAGE | {"DAILY_BUDGET_USD": "5"})
    )
    assert await AsyncOperator(limited).today() == Today(BEGAN.date(), None, 5.0)


async def test_a_budget_that_this_version_cannot_read_is_an_error() -> None:
    app = MemoryConnection({f"jobs/budget/{BEGAN.date()}.json": '{"spent": "much"}'})
    with pytest.raises(UnreadableRecord, match=rf"budget/{BEGAN.date()}\.json"):
        await AsyncOperator(app).today()


async def test_the_calls_of_a_time_are_those_of_all_jobs_that_made_one_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = MemoryConnection()
    for name, days_ago in (("new", 0), ("old", 3), ("gone", 0)):
        start = BEGAN - timedelta(days=days_ago)
        call = attempt().model_copy(update={"started_at": start})
        made = record({"job_id": name, "tenant": "shop"}, tasks=(task(attempts=(call,)),))
        made = made.model_copy(update={"updated_at": start})
        await app.index.close(index_entry_of(made))
        if name != "gone":
            await app.records.create(made)
    operator, day = AsyncOperator(app), timedelta(days=1)
    found = await operator.calls(since=BEGAN, until=BEGAN + day)
    assert [call.job.job_id for call in found] == ["new"]
    assert "the calls of job gone are not counted" in caplog.text
    everything = await operator.calls(since=BEGAN - 9 * day, until=BEGAN + day)
    assert {call.job.job_id for call in everything} == {"new", "old"}
