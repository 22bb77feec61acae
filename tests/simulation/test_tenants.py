"""Tenants share a quota by their weights. Simulated with the ledger's own code, on a fake clock.

`python -m tests.simulation.tenants 4` prints the figures of more quotas and hosts.
"""

import pytest

from shared.limits.pacing import Share
from tests.simulation.tenants import Case, backlogged, flood, own_batch, simulate, vanished

KILOBYTE = 1024
EQUAL = {f"team-{index:02}": 1.0 for index in range(20)}


@pytest.mark.parametrize("hosts", [1, 4, 40])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_first_picture_of_a_new_tenant_comes_within_twelve_seconds(
    hosts: int, seed: int
) -> None:
    found = simulate(flood(60, seed=seed), 60, hosts=hosts, seed=seed)
    assert len(found.newcomers) >= 10
    assert max(wait for wait, _ in found.newcomers) <= 12
    assert found.used >= 0.97
    assert found.throttled <= 0.02


@pytest.mark.parametrize(
    ("weights", "late"), [({"a": 1.0, "b": 2.0, "c": 5.0}, 0.0), (EQUAL, 0.0), (EQUAL, 100.0)]
)
@pytest.mark.parametrize("hosts", [1, 4, 40])
def test_shares_of_backlogged_tenants_follow_their_weights(
    weights: dict[str, float], late: float, hosts: int
) -> None:
    case = backlogged(60, weights, seed=1, late=late, name="shares")
    found = simulate(case, 60, hosts=hosts, seed=1)
    assert found.deviation <= 0.03
    assert found.jain >= 0.99
    assert found.used >= 0.97
    assert found.throttled <= 0.02


@pytest.mark.parametrize("hosts", [1, 4, 40])
def test_shares_follow_the_weights_in_an_hour_of_a_small_quota(hosts: int) -> None:
    case = backlogged(6, {"a": 1.0, "b": 2.0, "c": 5.0}, seed=1, name="shares")
    found = simulate(case, 6, hosts=hosts, seed=1)
    assert found.deviation <= 0.03
    assert found.jain >= 0.99
    assert found.used >= 0.97
    assert found.throttled <= 0.02


def test_a_quota_cut_without_notice_is_found_while_tenants_come() -> None:
    found = simulate(flood(60, seed=1, cut=True), 60, hosts=4, seed=1)
    assert found.used >= 0.97
    assert found.throttled <= 0.02


def test_lost_messages_cost_hardly_any_of_the_quota() -> None:
    found = simulate(flood(60, seed=1, lost=0.05), 60, hosts=4, seed=1)
    assert found.used >= 0.97
    assert max(wait for wait, _ in found.newcomers) <= 12


def test_a_tenant_whose_messages_vanish_takes_nothing_from_those_that_come_later() -> None:
    found = simulate(vanished(60, seed=1), 60, hosts=4, seed=1)
    assert found.deviation <= 0.03
    assert found.used >= 0.97


def test_single_jobs_do_not_wait_behind_a_large_batch_of_their_own_tenant() -> None:
    found = simulate(own_batch(60, seed=1), 60, hosts=4, seed=1)
    assert len(found.newcomers) >= 8
    # Two of them can come together.
    assert max(wait for wait, _ in found.newcomers) <= 15
    assert found.used >= 0.97


@pytest.mark.parametrize("case", [flood(60, seed=1), vanished(60, seed=1)])
def test_a_long_wait_in_place_without_a_reservation_keeps_nobody_waiting(case: Case) -> None:
    found = simulate(case, 60, hosts=4, seed=1, lead=40, hold=60, mover=True)
    assert max((wait for wait, _ in found.newcomers), default=0) <= 12
    assert found.deviation <= 0.03
    assert found.used >= 0.97
    assert found.dequeues <= 2.2


def test_the_ledger_stays_small() -> None:
    found = simulate(backlogged(60, EQUAL, seed=1, name="shares"), 60, hosts=4, seed=1)
    assert found.flows == len(EQUAL)
    assert found.bytes < KILOBYTE


def test_the_expected_time_of_jobs_an_hour_away_holds_though_other_tenants_come() -> None:
    flooded = [(0.0, Share("big"))] * 3900
    later = [(600.0 * n, Share(f"later-{n}")) for n in range(1, 6) for _ in range(60)]
    case = Case("expected times", [*flooded, *later], 6600, (60, 6600))
    run = simulate(case, 60, hosts=4, seed=1).run
    hours = [
        (each.called - asked, due - asked)
        for each in run.everyone
        if each.called and each.expected
        for asked, due in each.expected[:1]
        if due - asked > 3000
    ]
    assert len(hours) > 800
    assert max(abs(waited / expected - 1) for waited, expected in hours) <= 0.2
