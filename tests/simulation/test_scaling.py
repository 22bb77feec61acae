"""The app on a platform that scales by what it sees: few instances, no call cut, no quota lost."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from shared.limits.pacing import Share
from shared.ports import ReceivedMessage
from shared.stores.world import World
from tests.fakes.world import fake_world
from tests.simulation.flex_consumption import (
    Function,
    Platform,
    SimulatedQueues,
    VirtualTimeLoop,
)
from tests.simulation.scaling import (
    FORMER,
    SHIPPED,
    Design,
    Run,
    backlog,
    counting_hidden,
    measure,
    of_tenants,
    waits_of,
)
from tests.simulation.scaling_table import (
    FOUR_READY,
    HEAD,
    LANES,
    PAGE,
    READY,
    SMALL,
    Case,
    figures,
)

SHIPPED_CASES = [case for case in SMALL if not case.design.former]


@pytest.mark.parametrize("case", SHIPPED_CASES, ids=lambda case: case.name)
def test_no_drain_cuts_a_paid_call(case: Case) -> None:
    assert figures(case).cut == 0


@pytest.mark.parametrize("design", [SHIPPED, counting_hidden(SHIPPED)])
def test_a_backlog_uses_the_quota_with_few_instances(design: Design) -> None:
    former, found = figures(Case("300 jobs", 60, FORMER)), figures(Case("300 jobs", 60, design))
    assert found.used_warm >= 0.97
    assert found.instances <= 1.5 * found.needed
    assert found.cold_starts <= former.cold_starts / 3
    # Most of so small a backlog is its start; of 1,000 jobs it is less than a third.
    assert found.billed <= 0.7 * former.billed
    assert found.operations <= 14


def test_a_small_quota_is_used_though_its_instance_is_taken_away_again_and_again() -> None:
    former, found = figures(Case("100 jobs", 6, FORMER)), figures(Case("100 jobs", 6, SHIPPED))
    assert found.cold_starts > 3
    assert found.used_warm >= 0.93 > former.used_warm
    assert found.billed < former.billed


def test_an_instance_that_is_always_ready_suffices_for_a_small_quota() -> None:
    found = figures(Case("100 jobs", 6, READY))
    assert found.used_warm >= 0.93
    assert found.most == 1


def test_after_a_minute_of_429s_the_quota_is_used_again() -> None:
    found = figures(next(case for case in SMALL if "429s" in case.load))
    assert found.used_warm >= 0.9
    assert found.throttled <= 20


def test_one_queue_costs_less_than_three_lanes() -> None:
    one, three = figures(Case("300 jobs", 60, SHIPPED)), figures(Case("300 jobs", 60, LANES))
    assert one.billed < three.billed
    assert one.most < three.most


def numbers(row: str) -> list[float]:
    """Return the figures of a row."""
    return [float(each) for each in re.findall(r"\d+(?:\.\d+)?", row)]


def test_the_page_has_the_table_that_the_command_prints() -> None:
    page = PAGE.read_text()
    _, _, rest = page.partition("<!-- small -->\n")
    head, _, *rows = rest.partition("<!-- /small -->")[0].splitlines()
    assert head == f"| {HEAD} |"
    assert len(rows) == len(SMALL)
    for case, row in zip(SMALL, rows, strict=True):
        assert row.startswith(f"| {case.name} |")
        printed, found = numbers(row), numbers(f"|{case.row()}|")
        # Each change of the app moves the figures a little.
        assert found == pytest.approx(printed, rel=0.3, abs=0.05), case.name


@pytest.mark.parametrize(("design", "longest"), [(READY, 60), (FOUR_READY, 12)])
def test_a_new_tenant_does_not_wait_behind_the_backlog_of_another(
    design: Design, longest: float
) -> None:
    """An instance reads again when twelve invocations run, or else when twenty do."""
    jobs = [(0.0, Share("big"))] * 450
    jobs += [(180.0 + 50 * n, Share(f"new-{n}")) for n in range(5) for _ in range(3)]
    run = Run(of_tenants(jobs, 60, until=430), design).go()
    waits, first = waits_of(run), dict[str, float]()
    for _, each in run.load.jobs:
        if each["tenant"] != "big":
            first.setdefault(each["tenant"], waits[each["job_id"]])
    assert len(first) == 5
    assert max(first.values()) <= longest


def test_jobs_of_several_calls_use_several_pools() -> None:
    load = backlog(20, 60, others={"west": 30.0}, locales=["en", "de", "fr"])
    run = Run(load).go()
    assert len(run.provider.calls) == 60
    assert all(len(service.accepted) >= 10 for service in run.provider.services.values())
    assert measure(run).cut == 0


def test_without_its_guard_the_app_has_calls_cut_on_such_a_platform() -> None:
    """The simulation shows what the guard is for."""
    restless = replace(FORMER.platform, keep=5.0, ended_young=10.0, cold_start=(1.0, 2.0))
    run = Run(backlog(40, 60), replace(FORMER, platform=restless)).go()
    assert run.provider.cut > 0


PLATFORM = Platform(cold_start=(10.0, 10.0), batch_size=16, new_batch_threshold=4)


class Trial:
    """A function with two batches of messages, each of which takes a while."""

    def __init__(self, platform: Platform, check: Callable[["Trial"], Awaitable[None]]) -> None:
        self.platform, self.check = platform, check
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        self.begun = asyncio.Event()
        chance = random.Random(1)  # noqa: S311 (a simulation)
        queues = SimulatedQueues(self.platform, chance)
        self.function = Function("tasks", self._work, self.platform, queues, fake_world, chance)
        for _ in range(2 * self.platform.batch_size):
            await queues.send("tasks", b"{}")
        scaling = asyncio.create_task(self.function.scale())
        await self.check(self)
        scaling.cancel()

    async def _work(self, _: World, __: ReceivedMessage) -> None:
        self.begun.set()
        await asyncio.sleep(100)

    @property
    def alive(self) -> int:
        return sum(each.drained_at is None for each in self.function.instances)


@pytest.mark.parametrize(
    ("platform", "instances"), [(PLATFORM, 0), (replace(PLATFORM, counts_hidden=True), 2)]
)
def test_running_messages_ask_for_instances_by_one_formula(
    platform: Platform, instances: int
) -> None:
    async def check(trial: Trial) -> None:
        await asyncio.sleep(90)
        assert trial.alive == instances
        assert trial.function.most_instances == 2

    Trial(platform, check)


@pytest.mark.parametrize(("age", "ended"), [(1.0, 16), (20.0, 0)])
def test_a_drain_ends_young_invocations_and_lets_others_end(age: float, ended: int) -> None:
    async def check(trial: Trial) -> None:
        await trial.begun.wait()
        await asyncio.sleep(age)
        (drained,) = [each for each in trial.function.instances if each.running][:1]
        drained.drain()
        await asyncio.sleep(5)
        assert trial.function.ended == ended
        assert len(drained.running) == 16 - ended
        await asyncio.sleep(100)
        assert drained not in trial.function.instances

    Trial(replace(PLATFORM, counts_hidden=True), check)
