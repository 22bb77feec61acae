"""The report of costs, the records and the ledgers of the days agree, whatever happened to jobs."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.client.connection import Connection
from shared.client.operators import AsyncOperator
from shared.config.tenants import find_tenant
from shared.errors import BrokenReply, IllegalStep
from shared.images_api.requests import ImageRequest
from shared.limits.budget import DayLedger, to_millionths
from shared.records.cost_report import CostSum, add_up
from shared.records.record import JobState
from shared.workflows.erasure import erase_job
from tests.fakes.endpoint import FakeReply
from tests.simulation.controlled_job import cut
from tests.simulation.mishaps import POLICIES, UNPAID
from tests.simulation.scene import Scene, configured, error_reply, reply_to

MODELS: Final = '[{"name": "gpt-image-2"}, {"name": "MAI-Image-2.5"}]'
KINDS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"n": 2},
    {"previews": 2},
    {"reuse": "7d"},
    {"locales": ["de", "ja"], "review": True},
    {"model": "MAI-Image-2.5", "quality": "auto", "n": 2},
    {"models": ["gpt-image-2", "MAI-Image-2.5"], "model": "auto"},
)


def unreported(request: ImageRequest) -> FakeReply:
    """A reply without usage: its estimate counts."""
    return reply_to(request, usage=None)


def dear(request: ImageRequest) -> FakeReply:
    """A reply whose usage is not credible: its estimate counts."""
    usage = {"input_tokens": 10, "output_tokens": 10**7, "total_tokens": 10**7 + 10}
    return reply_to(request, usage=cast("Any", usage))


ANSWERS: Final = (
    *(reply_to, unreported, dear, cut),
    BrokenReply("the connection broke"),
    error_reply(400, "moderation_blocked"),
    *UNPAID,
)
ASKED = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(KINDS),
        "tenant": st.sampled_from(["default", "shop", "press"]),
        "on_unknown": st.sampled_from(POLICIES),
        "tags": st.sampled_from([{}, {"campaign": "winter"}, {"campaign": "spring"}]),
    }
)


async def made(asked: list[dict[str, Any]], answers: list[Any]) -> Scene:
    """Jobs at their first end: some are parked, some wait for a person or for another day."""
    tenants = '[{"name": "shop", "daily_budget_usd": 0.04}, {"name": "default"}]'
    scene = Scene(configured(FOUNDRY_DEPLOYMENTS=MODELS, DAILY_BUDGET_USD="0.12", TENANTS=tenants))
    scene.world.endpoint.script.extend(answers)
    for number, each in enumerate(asked):
        job = {"prompt": "a fox", "model": "gpt-image-2", "quality": "low", "size": "1024x1024"}
        job |= {name: value for name, value in each.items() if name != "kind"} | each["kind"]
        # One after the other, so that an equal job finds the pictures of one before.
        scene.submit({**job, "job_id": f"fox-{number}"}, message_id=f"{number}")
        await scene.run()
    return scene


async def pass_days(scene: Scene) -> None:
    """Let sweeps run for two days: they settle, resume and give up."""
    for _ in range(16):
        scene.world.clock.advance(timedelta(hours=3))
        await scene.sweep()
        scene.take_sent()
        await scene.run()


async def decide(scene: Scene, commands: list[str]) -> None:
    """Give each job one command; one that its state forbids does nothing."""
    for record, command in zip(scene.records(), commands, strict=False):
        if command == "erase":
            try:
                await erase_job(record.job_id, scene.world, scene.configuration)
            except IllegalStep:
                continue
        else:
            body = {"command": command, "job_id": record.job_id}
            scene.submit(body, message_id=f"{command}-{record.job_id}")
    await scene.run()


def ledgers(scene: Scene) -> dict[str, DayLedger]:
    stored = scene.world.container("jobs").stored
    return {
        name.removeprefix("budget/").removesuffix(".json"): DayLedger.model_validate_json(blob.body)
        for name, blob in stored.items()
        if name.startswith("budget/")
    }


def amounts(costs: CostSum) -> tuple[int, int]:
    return costs.certain, costs.at_most


@settings(max_examples=60)
@given(
    st.lists(ASKED, min_size=1, max_size=6),
    st.lists(st.sampled_from(ANSWERS), max_size=12),
    st.lists(
        st.sampled_from(["release", "fail", "replay", "approve", "reject", "cancel", "erase"]),
        min_size=8,
        max_size=8,
    ),
)
async def test_the_report_has_each_call_once_and_agrees_with_the_ledger_of_each_day_and_tenant(
    asked: list[dict[str, Any]], answers: list[Any], commands: list[str]
) -> None:
    twice = {"kind": {"reuse": "7d"}, "tenant": "default", "on_unknown": "park", "tags": {}}
    scene = await made([twice, *asked, twice], answers)
    began = datetime(2026, 1, 1, tzinfo=UTC)
    await decide(scene, commands)
    await pass_days(scene)
    operator = AsyncOperator(cast("Connection", scene.world))
    calls = await operator.calls(since=began, until=scene.world.clock.now())
    assert not [each for each in scene.records() if each.state is JobState.RUNNING]
    paid = [each for record in scene.records() for each in record.attempts if each.may_be_billed]
    (total,) = add_up(calls, ()) or (CostSum(()),)
    assert total.calls == len(paid)
    assert amounts(total) == (
        sum(to_millionths(each.cost_usd or 0.0) for each in paid),
        sum(to_millionths(each.cost_usd_at_most or 0.0) for each in paid),
    )
    for columns in (["day", "tenant"], ["model", "tag:campaign"]):
        parts = add_up(calls, columns)
        assert (sum(each.certain for each in parts), sum(each.at_most for each in parts)) == (
            amounts(total)
        )
    found = ledgers(scene)
    assert not any(ledger.held for ledger in found.values())
    kept = Counter[tuple[str, str, str]]()
    told = Counter[tuple[str, str, str]]()
    for day, ledger in found.items():
        for tenant in ("default", "shop"):
            cost = ledger.cost_of(tenant)
            kept += Counter({(day, tenant, "certain"): cost.certain})
            kept += Counter({(day, tenant, "at most"): cost.spent})
    for each in add_up(calls, ["day", "tenant"]):
        day, tenant = each.facts
        counted = find_tenant(scene.configuration.settings.tenants, tenant).name
        told += Counter({(day, counted, "certain"): each.certain})
        told += Counter({(day, counted, "at most"): each.at_most})
    assert told == kept
    for record in scene.records():
        if record.reused:
            assert not record.attempts
