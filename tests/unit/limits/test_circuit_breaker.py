from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.limits.circuit_breaker import (
    CALLS_AHEAD,
    FIRST_INTERVAL,
    LONGEST_INTERVAL,
    PROVEN_FOR,
    CallWindow,
    Circuit,
    apply_failure,
    end_unclear_probe,
    is_closed_by,
    open_until,
    start_probe,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
LEASE = timedelta(minutes=5)
#: The tokens of two calls.
A, B = "a", "b"


def opened(now: datetime = START) -> Circuit:
    circuit, first = apply_failure(None, reason="blocked", message="blocked", token=None, now=now)
    assert first
    return circuit


def refused(circuit: Circuit, token: str | None, now: datetime) -> Circuit:
    again, first = apply_failure(circuit, reason="blocked", message="still", token=token, now=now)
    assert not first
    return again


def test_an_open_circuit_holds_until_it_may_be_probed() -> None:
    circuit = opened()
    assert open_until(circuit, now=START) == START + FIRST_INTERVAL
    assert open_until(circuit, now=START + FIRST_INTERVAL) is None


def test_one_probe_is_let_through_and_the_others_look_again_soon() -> None:
    now = START + FIRST_INTERVAL
    circuit = start_probe(opened(), token=A, now=now, lease=LEASE)
    assert open_until(circuit, now=now) == now + FIRST_INTERVAL
    with pytest.raises(ValueError, match="no probe may start before"):
        start_probe(circuit, token=B, now=now, lease=LEASE)


def test_a_probe_whose_host_died_gives_way_to_another() -> None:
    now = START + FIRST_INTERVAL
    circuit = start_probe(opened(), token=A, now=now, lease=LEASE)
    assert open_until(circuit, now=now + LEASE) is None


def test_calls_that_were_under_way_when_it_opened_change_nothing() -> None:
    circuit = opened()
    assert refused(circuit, None, START + timedelta(seconds=5)) == circuit
    assert refused(circuit, "a", START + timedelta(seconds=5)) == circuit
    assert not is_closed_by(circuit, token=None, called_at=START - timedelta(seconds=5))


def test_a_probe_that_is_accepted_closes_it() -> None:
    circuit = start_probe(opened(), token=A, now=START + FIRST_INTERVAL, lease=LEASE)
    assert is_closed_by(circuit, token=A, called_at=START)


def test_a_probe_that_told_nothing_makes_way_after_the_same_interval() -> None:
    now = START + FIRST_INTERVAL
    circuit = start_probe(opened(), token=A, now=now, lease=LEASE)
    left = end_unclear_probe(circuit, token=A, now=now)
    assert open_until(left, now=now) == now + FIRST_INTERVAL
    assert end_unclear_probe(circuit, token=B, now=now) == circuit


@given(st.integers(1, 40))
def test_intervals_grow_with_each_probe_that_fails_up_to_the_longest(probes: int) -> None:
    circuit, now, intervals = opened(), START, [FIRST_INTERVAL]
    for number in range(probes):
        now += intervals[-1]
        assert open_until(circuit, now=now) is None
        circuit = start_probe(circuit, token=str(number), now=now, lease=LEASE)
        circuit = refused(circuit, str(number), now)
        until = open_until(circuit, now=now)
        assert until
        intervals.append(until - now)
    assert intervals == sorted(intervals)
    assert intervals[-1] <= LONGEST_INTERVAL
    assert circuit.opened_at == START


def fill(window: CallWindow) -> int:
    """Begin calls until there is no room; return how many are under way."""
    while window.has_room:
        window.under_way += 1
    return window.under_way


def test_a_process_begins_few_calls_before_one_is_accepted() -> None:
    assert fill(CallWindow()) == CALLS_AHEAD


def test_accepted_calls_let_more_calls_begin_up_to_any_number() -> None:
    window = CallWindow()
    for _ in range(20):
        fill(window)
        window.note("accepted", now=START)
        window.under_way -= 1
    assert fill(window) == CALLS_AHEAD + 20


def test_in_silence_few_calls_are_added_to_those_under_way() -> None:
    window = CallWindow(under_way=7)
    window.note("accepted", now=START)
    window.under_way -= 1
    assert fill(window) == 6 + CALLS_AHEAD


def test_a_failure_of_the_service_takes_back_what_was_proven_and_nothing_else_does() -> None:
    window = CallWindow(under_way=7)
    window.note("accepted", now=START)
    window.note("nothing", now=START)
    assert window.has_room
    window.note("unavailable", now=START)
    window.under_way = 1
    assert not window.has_room, "one at a time"
    window.under_way = 0
    assert window.has_room
    window.under_way = 7
    window.note("throttled", now=START)
    assert window.has_room


def test_what_was_proven_long_ago_counts_no_more() -> None:
    window = CallWindow(under_way=7)
    window.note("accepted", now=START)
    window.under_way = 1
    window.note("accepted", now=START + PROVEN_FOR)
    assert window.proven == 6
    window.note("accepted", now=START + 2 * PROVEN_FOR)
    assert window.proven == 0
