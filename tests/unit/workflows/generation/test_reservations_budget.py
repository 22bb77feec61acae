"""The day's budget and a job's own limit hold, and what waits for money goes on."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest
from pydantic import JsonValue

from shared.limits.budget import CostReservation, DayLedger, to_millionths
from shared.ports import What
from shared.records.record import JobState
from tests.simulation.controlled_job import JOB, after, command
from tests.simulation.reckoning import reckoned
from tests.simulation.scene import Scene, configured, data, error_reply, reply_to, run

#: What the fake bills a call, and what it is estimated at (gpt-image-2, 1024x1024).
COST = (10 * 5 + 1000 * 30) / 1_000_000


def ledger(scene: Scene, day: date | None = None) -> DayLedger:
    return scene.world.day_ledgers[day or scene.world.clock.now().date()]


async def estimate_usd() -> float:
    scene = await after(DAILY_BUDGET_USD="100")
    (attempt,) = scene.record("fox-1").attempts
    assert attempt.estimate_usd is not None
    return attempt.estimate_usd


async def test_what_is_spent_stands_in_the_ledger_of_the_day() -> None:
    scene = await after(DAILY_BUDGET_USD="100")
    assert ledger(scene).held == {}
    assert ledger(scene).spent == ledger(scene).certain == to_millionths(COST)


async def test_without_a_budget_no_ledger_is_kept() -> None:
    scene = await after()
    assert scene.world.day_ledgers == {}
    assert not [step for step in scene.world.steps.taken if step.startswith("budget")]


async def test_a_call_that_cost_nothing_is_given_back() -> None:
    scene = await after(error_reply(429, "429"), DAILY_BUDGET_USD="100")
    assert (ledger(scene).held, ledger(scene).spent) == ({}, to_millionths(COST))


async def test_a_refusal_counts_with_what_is_possible() -> None:
    scene = await after(error_reply(400, "moderation_blocked"), DAILY_BUDGET_USD="100")
    assert (ledger(scene).certain, ledger(scene).spent) == (
        0,
        to_millionths(await estimate_usd()),
    )


async def test_an_unknown_outcome_counts_with_its_estimate() -> None:
    scene = await after(error_reply(500, "500"), DAILY_BUDGET_USD="100", ON_UNKNOWN_OUTCOME="park")
    assert (ledger(scene).certain, ledger(scene).spent) == (
        0,
        to_millionths(await estimate_usd()),
    )


async def test_an_absurd_usage_parks_nobody() -> None:
    scene = Scene(configured(DAILY_BUDGET_USD="1"))
    usage: JsonValue = {"input_tokens": 10**30, "output_tokens": 10**18, "total_tokens": 1}
    scene.world.endpoint.script.append(partial(reply_to, usage=usage))
    for name in ("first", "second"):
        scene.submit({**JOB, "job_id": name}, message_id=name)
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded"] * 2
    (absurd,), (credible,) = (scene.record(name).attempts for name in ("first", "second"))
    assert (absurd.cost_usd, absurd.cost_known_by) == (absurd.estimate_usd, "estimate")
    assert absurd.usage_ignored
    assert (credible.usage_ignored, credible.cost_known_by) == (None, "usage")
    assert ledger(scene).spent == to_millionths(await estimate_usd()) + to_millionths(COST)
    assert any(report.facts.get("usage_ignored") for report in scene.reports)


async def over_budget(**job: object) -> Scene:
    """A second job whose call would pass the day's budget."""
    scene = Scene(configured(DAILY_BUDGET_USD=str(await estimate_usd() * 1.01)))
    scene.submit({**JOB, "job_id": "first"}, message_id="first")
    await scene.run()
    scene.submit({**JOB, **job})
    await scene.run()
    return scene


async def test_over_the_budget_a_job_is_parked_and_goes_on_the_next_day() -> None:
    scene = await over_budget()
    assert data(scene)["code"] == "over_budget"
    assert data(scene)["attempts"] == 0
    usd = await estimate_usd()
    assert data(scene)["message"] == (
        f"the call may cost ${usd:.4f}, and ${usd * 1.01 - COST:.4f} is left of the app's budget "
        f"of ${usd * 1.01:g} for 2026-11-22 (UTC); the job continues at 2026-11-23T00:00+00:00"
    )
    assert (data(scene)["cost_usd"], data(scene)["cost_usd_at_most"]) == (0.0, 0.0)
    assert scene.record("fox-1").state is JobState.PARKED
    scene.world.clock.time = datetime(2026, 11, 22, 23, 59, 30, tzinfo=UTC)
    await scene.sweep()
    await scene.run()
    assert scene.record("fox-1").state is JobState.PARKED
    scene.world.clock.advance(timedelta(minutes=1))
    await scene.sweep()
    await scene.run()
    assert scene.world.event_types()[1:] == ["image.job.parked", "image.job.succeeded"]
    assert data(scene)["possible_duplicate_charge"] is False
    assert ledger(scene).spent == to_millionths(COST)
    assert not scene.world.open_jobs


async def test_one_damaged_ledger_or_record_keeps_no_other_reservation_from_being_settled() -> None:
    scene = Scene(configured(DAILY_BUDGET_USD="100"))
    now = scene.world.clock.now()
    day_before = now.date() - timedelta(days=1)
    scene.world.seed("jobs", f"budget/{day_before}.json", b'{"spent": "much"}')
    scene.world.seed("jobs", "damaged.json", b"{}")
    for job_id in ("damaged", "gone"):
        hold = CostReservation(amount=1, job_id=job_id, until=now)
        assert isinstance(await scene.world.budget.reserve(hold, day=now.date(), limit=9), str)
    scene.world.clock.advance(timedelta(minutes=1))
    await scene.sweep()
    today = await scene.world.budget.look(now.date())
    assert today is not None
    assert not today.held
    # Without a record, nobody knows what a call has cost.
    assert (today.certain, today.spent) == (0, 2)
    assert set(scene.reports[-1].facts["failed"]) == {f"budget of {day_before}"}


async def test_what_is_only_set_aside_is_waited_for() -> None:
    scene = Scene(
        configured(
            DAILY_BUDGET_USD=str(await estimate_usd() * 1.6),
            FOUNDRY_DEPLOYMENTS='[{"name": "gpt-image-2", "rpm": 6000}]',
        )
    )
    for name in ("one", "two", "three"):
        scene.submit({**JOB, "job_id": name}, message_id=name)

    async def meanwhile() -> None:
        for delivery in [each for each in scene.waiting if each.queue != "image-jobs"]:
            scene.waiting.remove(delivery)
            await scene.deliver(delivery)

    scene.world.endpoint.meanwhile.append(meanwhile)
    await scene.run()
    assert [report.what for report in scene.reports].count(What.WAITING) == 2
    assert scene.world.event_types().count("image.job.succeeded") == 2
    assert scene.world.event_types()[-1] == "image.job.parked"


async def test_who_waits_for_money_takes_no_turns_meanwhile() -> None:
    scene = Scene(configured(DAILY_BUDGET_USD=str(await estimate_usd() * 1.6)))
    scene.submit({**JOB, "job_id": "dies"}, message_id="dies")
    trial = await run({**JOB, "job_id": "dies"}, DAILY_BUDGET_USD="100")
    await scene.run_until_death(trial.world.steps.taken.index("endpoint.post") + 1)
    assert ledger(scene).held
    scene.submit(JOB)
    while sum(report.what == "waiting" for report in scene.reports) < 20:
        scene.take_sent()
        await scene.deliver(scene.waiting.pop(0))
    assert scene.world.steps.taken.count("pools.ask") <= 3
    scene.world.clock.advance(timedelta(minutes=20))
    await scene.sweep()
    await scene.sweep_on()
    assert scene.record("fox-1").state is JobState.SUCCEEDED


async def test_a_job_that_waits_for_money_past_its_deadline_has_failed() -> None:
    scene = await over_budget(deadline="2026-11-22T18:00:00Z")
    scene.world.clock.time = datetime(2026, 11, 22, 18, 0, 1, tzinfo=UTC)
    await scene.sweep()
    await scene.run()
    assert scene.world.event_types()[1:] == ["image.job.parked", "image.job.failed"]
    assert data(scene)["code"] == "deadline_exceeded"
    assert len(scene.world.endpoint.requests) == 1


async def test_a_job_that_is_released_by_hand_may_pass_the_budget() -> None:
    scene = await over_budget()
    command(scene, "release")
    await scene.run()
    assert scene.record("fox-1").state is JobState.SUCCEEDED
    assert ledger(scene).spent == 2 * to_millionths(COST)


async def test_a_second_paid_call_that_would_pass_the_jobs_limit_is_not_made() -> None:
    limit = await estimate_usd() * 1.5
    scene = await after(error_reply(500, "500"), job={**JOB, "max_cost_usd": limit})
    assert scene.world.event_types() == ["image.job.failed"]
    assert data(scene)["code"] == "over_cost_limit"
    assert len(scene.world.endpoint.requests) == 1
    reckoned(scene)


async def test_a_limit_of_exactly_the_estimate_pays_for_every_call() -> None:
    job = {**JOB, "locales": ["de", "en", "fr"]}
    scene = await after(job=job, DAILY_BUDGET_USD="100")
    estimate = scene.record("fox-1").estimate_usd
    again = await after(job={**job, "max_cost_usd": estimate})
    assert again.record("fox-1").state is JobState.SUCCEEDED


async def test_calls_that_cost_nothing_do_not_count_against_the_jobs_limit() -> None:
    limit = await estimate_usd() * 1.01
    storm = [error_reply(429, "429")] * 3
    scene = await after(*storm, job={**JOB, "max_cost_usd": limit})
    assert scene.record("fox-1").state is JobState.SUCCEEDED


@pytest.mark.parametrize("policy", ["retry_once", "park", "fail"])
@pytest.mark.parametrize("lost", [False, True], ids=["redelivered", "lost"])
@pytest.mark.parametrize("crash_at", range(36))
async def test_the_ledger_counts_every_bill_wherever_a_process_dies(
    crash_at: int,
    lost: bool,  # noqa: FBT001 (by parametrize)
    policy: str,
) -> None:
    scene = Scene(configured(DAILY_BUDGET_USD="100", ON_UNKNOWN_OUTCOME=policy))
    scene.world.endpoint.script.extend([error_reply(429, "429"), reply_to])
    scene.submit(JOB)
    if lost:
        await scene.run_until_death(crash_at)
    else:
        scene.world.steps.crash_at = crash_at
        await scene.run()
    await scene.sweep_on()
    if not scene.world.stored_records:
        return
    reckoned(scene)
    bills = scene.world.endpoint.pictured
    day = datetime(2026, 11, 22, tzinfo=UTC).date()
    found = scene.world.day_ledgers.get(day, DayLedger())
    assert found.committed >= bills * to_millionths(COST), "less is counted than was billed"
    scene.world.clock.advance(timedelta(hours=1))
    await scene.sweep()
    found = scene.world.day_ledgers.get(day, DayLedger())
    assert found.held == {}, "money is set aside for ever"
    assert found.spent >= bills * to_millionths(COST)


async def test_the_spent_budget_of_one_tenant_parks_its_own_jobs_alone() -> None:
    usd = await estimate_usd() * 1.01
    tenants = json.dumps([{"name": "shop", "daily_budget_usd": usd}, {"name": "press"}])
    scene = Scene(configured(TENANTS=tenants))
    for name, tenant in (("first", "shop"), ("second", "shop"), ("third", "press")):
        scene.submit({**JOB, "job_id": name, "tenant": tenant}, message_id=name)
        await scene.run()
    states = {name: scene.record(name).state for name in ("first", "second", "third")}
    assert states == {"first": "succeeded", "second": "parked", "third": "succeeded"}
    failure = scene.record("second").failure
    assert failure
    assert "left of the budget of the tenant 'shop', of $" in failure.message
    assert ledger(scene).cost_of("shop").spent == to_millionths(COST)
    assert ledger(scene).cost_of("press").spent == to_millionths(COST)
    scene.world.clock.time = datetime(2026, 11, 23, 0, 1, tzinfo=UTC)
    await scene.sweep()
    await scene.run()
    assert scene.record("second").state is JobState.SUCCEEDED
    assert not ledger(scene).held


async def test_made_up_tenants_spend_the_budget_of_default() -> None:
    usd = await estimate_usd() * 1.01
    tenants = json.dumps([{"name": "default", "daily_budget_usd": usd}])
    scene = Scene(configured(TENANTS=tenants))
    for name in ("first", "second"):
        scene.submit({**JOB, "job_id": name, "tenant": f"made-up-{name}"}, message_id=name)
        await scene.run()
    assert scene.record("second").state is JobState.PARKED
