"""Many hosts, one quota: what is used of it, and what is wasted. Simulated, on a fake clock."""

import pytest

from shared.limits.adaptive_rate import Quota
from tests.simulation.pools import Run, Service

WARM_UP = 900.0


def saturated(  # noqa: PLR0913 (what a run may vary)
    rpm: float,
    *,
    hosts: int = 4,
    slice_seconds: float = 10,
    real: float | None = None,
    seconds: float = 3600,
    polling: float = 0.5,
    changes: tuple[tuple[float, float], ...] = (),
    skews: tuple[float, ...] = (),
    corrected: bool = True,
) -> Run:
    """A run with more jobs than the quota serves, and slots enough to serve them."""
    return Run(
        quota=Quota(rpm),
        service=Service(real or rpm, slice_seconds),
        hosts=hosts,
        slots=max(4, int(2.2 * (real or rpm) / hosts) + 2),
        seconds=seconds,
        backlog=max(40, int(3 * rpm)),
        changes=changes,
        polling=polling,
        skews=skews,
        corrected=corrected,
    ).go()


@pytest.mark.parametrize("hosts", [1, 4, 40])
@pytest.mark.parametrize(("rpm", "seconds"), [(6, 10_800), (60, 3600), (600, 2000)])
def test_the_quota_is_used_whole_and_hardly_a_call_is_refused(
    rpm: float, seconds: float, hosts: int
) -> None:
    run = saturated(rpm, hosts=hosts, seconds=seconds)
    assert run.used(WARM_UP, seconds, rpm) >= 0.97
    assert run.wasted(WARM_UP) <= 0.01
    assert run.dequeues(WARM_UP) <= 2.2


def test_where_the_service_allows_no_burst_at_all_only_the_jitter_of_calls_is_lost() -> None:
    run = saturated(60, slice_seconds=1)
    jitter = run.latency[1] - run.latency[0]
    assert run.used(WARM_UP, 3600, 60) >= 1 / (1 + jitter) - 0.01
    assert run.wasted(WARM_UP) <= 0.01


@pytest.mark.parametrize("rpm", [6, 60])
def test_hosts_that_look_at_their_queue_seldom_lose_no_turns(rpm: float) -> None:
    run = saturated(rpm, seconds=7200, polling=4)
    assert run.used(WARM_UP, 7200, rpm) >= 0.97
    assert run.dequeues(WARM_UP) <= 2.2


def test_a_task_holds_a_slot_to_wait_for_about_its_lead() -> None:
    run = saturated(60)
    assert (run.busy - run.served) / len(run.done) <= 1.25 * run.lead


@pytest.mark.parametrize("slice_seconds", [1, 10])
def test_a_quota_cut_by_nobody_knows_whom_is_found(slice_seconds: float) -> None:
    run = saturated(60, slice_seconds=slice_seconds, seconds=2 * 3600.0, changes=((3600.0, 36.0),))
    assert run.wasted(3600) <= 0.03
    assert run.used(3600, 7200, 36) >= 0.93
    assert run.dequeues(3600) <= 2.5


def test_a_quota_twice_what_is_configured_is_found() -> None:
    run = saturated(30, real=60, seconds=3 * 3600.0)
    assert run.used(2 * 3600, 3 * 3600, 60) >= 0.97
    assert run.wasted() <= 0.01


def test_a_burst_of_jobs_is_served_as_fast_as_the_quota_allows() -> None:
    run = Run(
        quota=Quota(60),
        service=Service(60, 10),
        hosts=8,
        slots=24,
        seconds=600,
        backlog=300,
        service_seconds=20,
    ).go()
    assert len(run.service.refused) <= 1
    assert len(run.service.accepted) >= 590
    assert max(each.dequeues for each in run.done) <= 4


OFF = 600.0


@pytest.mark.parametrize("skew", [OFF, -OFF, 1.9, -1.9, 0.4, -0.4])
@pytest.mark.parametrize(("rpm", "seconds"), [(6, 10_800), (60, 3600)])
def test_a_host_whose_clock_is_off_neither_stalls_nor_overruns_the_pool(
    skew: float, rpm: float, seconds: float
) -> None:
    run = saturated(rpm, seconds=seconds, skews=(skew,))
    assert run.used(WARM_UP, seconds, rpm) >= 0.92
    assert run.wasted() <= 0.01
    assert run.dequeues(WARM_UP) <= 2.2


def test_without_the_time_of_storage_a_host_ahead_of_time_would_stall_the_pool() -> None:
    run = saturated(60, skews=(OFF,), corrected=False)
    assert run.used(WARM_UP, 3600, 60) < 0.1


def test_hosts_that_are_off_in_both_directions_share_one_pool() -> None:
    run = saturated(60, skews=(OFF, -OFF, 90.0, -7.0))
    assert run.used(WARM_UP, 3600, 60) >= 0.97
    assert run.wasted() <= 0.01
