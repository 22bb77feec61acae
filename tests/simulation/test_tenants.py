"""Tenants share a quota by their weights. Simulated with the ledger's own code, on a fake clock.

`python -m tests.simulation.tenants 4` prints the figures of more quotas and hosts.
"""

import pytest

from tests.simulation.tenants import (
    backlogged,
    errors,
    flood,
    hours,
    own_batch,
    simulate,
    vanished,
)

KILOBYTE = 1024
EQUAL = {f"team-{index:02}": 1.0 for index in range(20)}


def longest_wait(rpm: float) -> float:
    """The longest that a new tenant waits beside one other, seconds: four calls, or twelve."""
    return max(4 * 60 / rpm, 12.0)


@pytest.mark.parametrize("hosts", [1, 4, 40])
@pytest.mark.parametrize("rpm", [6, 60])
def test_the_first_picture_of_a_new_tenant_comes_soon(rpm: float, hosts: int) -> None:
    for seed in (1, 2):
        found = simulate(flood(rpm, seed=seed), rpm, hosts=hosts, seed=seed)
        assert len(found.newcomers) >= 10
        assert max(wait for wait, _ in found.newcomers) <= longest_wait(rpm)
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
    one_call = sum(weights.values()) / min(weights.values()) / 600 + 1e-9
    assert found.deviation <= max(0.03, one_call)
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


@pytest.mark.parametrize("rpm", [6, 60, 600])
def test_lost_messages_cost_hardly_any_of_the_quota(rpm: float) -> None:
    found = simulate(flood(rpm, seed=1, lost=0.05), rpm, hosts=4, seed=1)
    assert found.used >= 0.97
    assert max(wait for wait, _ in found.newcomers) <= longest_wait(rpm)


@pytest.mark.parametrize("rpm", [6, 60])
def test_a_tenant_whose_messages_vanish_takes_nothing_from_those_that_come_later(
    rpm: float,
) -> None:
    found = simulate(vanished(rpm, seed=1), rpm, hosts=4, seed=1)
    assert found.deviation <= 0.03
    assert found.used >= 0.97


def test_single_jobs_do_not_wait_behind_a_large_batch_of_their_own_tenant() -> None:
    found = simulate(own_batch(60, seed=1), 60, hosts=4, seed=1)
    assert len(found.newcomers) >= 8
    # Two of them can come together.
    assert max(wait for wait, _ in found.newcomers) <= 15
    assert found.used >= 0.97


def test_a_task_is_delivered_once_or_twice() -> None:
    for case in (flood(60, seed=1), backlogged(60, EQUAL, seed=1, late=100, name="late")):
        assert simulate(case, 60, hosts=4, seed=1).dequeues <= 1.2


@pytest.mark.parametrize("rpm", [6, 60])
def test_nobody_is_overtaken_for_long(rpm: float) -> None:
    case = backlogged(rpm, {"only": 1.0}, seed=1, name="one line")
    run = simulate(case, rpm, hosts=4, seed=1).run
    called = sorted((each.called, each.number) for each in run.everyone if each.called)
    assert len(called) > 300
    overtaken = max(place - number for place, (_, number) in enumerate(called, start=1))
    assert overtaken <= 10


def test_the_ledger_stays_small() -> None:
    found = simulate(backlogged(60, EQUAL, seed=1, name="shares"), 60, hosts=4, seed=1)
    assert found.flows == len(EQUAL)
    assert found.bytes < KILOBYTE


@pytest.mark.parametrize("lost", [0.0, 0.05])
@pytest.mark.parametrize("rpm", [6, 60])
def test_the_time_told_to_jobs_an_hour_away_holds_while_nobody_comes(
    rpm: float, lost: float
) -> None:
    found = simulate(hours(rpm, seed=1, lost=lost), rpm, hosts=4, seed=1)
    wrong = errors(found.run, "big", since=3000, until=4200)
    assert len(wrong) > 2 * rpm
    assert max(wrong[-1], -wrong[0]) <= 0.1


@pytest.mark.parametrize(("arriving", "jobs_each"), [(0.15, 20), (0.33, 5)])
def test_the_time_told_to_jobs_an_hour_away_holds_while_tenants_come_as_they_did(
    arriving: float, jobs_each: int
) -> None:
    case = hours(60, seed=1, arriving=arriving, jobs_each=jobs_each)
    wrong = errors(simulate(case, 60, hosts=4, seed=1).run, "big", since=3000, until=4200)
    assert len(wrong) > 120
    assert max(wrong[-1], -wrong[0]) <= 0.2


def test_the_time_told_at_a_small_quota_holds_for_most_jobs_while_tenants_come() -> None:
    case = hours(6, seed=1, arriving=0.33)
    wrong = errors(simulate(case, 6, hosts=4, seed=1).run, "big", since=3000, until=4200)
    assert sum(abs(each) <= 0.2 for each in wrong) >= 0.9 * len(wrong) > 12
