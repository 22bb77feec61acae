from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.limits.adaptive_rate import Quota
from shared.limits.fair_queue import (
    MAX_FLOWS,
    OTHER_FLOWS,
    FairQueue,
    count_ahead,
    enter_flow,
    pack_queue,
    pass_numbers,
    settle_flows,
    unpack_queue,
)
from shared.limits.pacing import Pace, start_pace
from shared.limits.pool_ledger import Ledger

KILOBYTE = 1024


def with_waiting(
    queue: FairQueue, tenant: str, count: int, *, weight: float = 1, is_low: bool = False
) -> FairQueue:
    queue, flow = enter_flow(queue, tenant, weight, is_low=is_low, first=0)
    for _ in range(count):
        flow = flow.issue()
    return queue.store(flow)


def call(queue: FairQueue) -> tuple[FairQueue, str]:
    """Call the next number; whose it was."""
    after = pass_numbers(queue, 1)
    (caller,) = (
        flow.key
        for flow, before in zip(after.flows, queue.flows, strict=True)
        if flow.calling > before.calling
    )
    return settle_flows(after), caller


def calls(queue: FairQueue, count: int) -> list[str]:
    made = list[str]()
    for _ in range(count):
        queue, caller = call(queue)
        made.append(caller)
    return made


def test_tenants_of_one_weight_call_in_turn() -> None:
    queue = with_waiting(with_waiting(FairQueue(), "a", 9), "b", 9)
    made = calls(queue, 8)
    assert made.count("a") == made.count("b") == 4
    assert all(first != second for first, second in pairwise(made))


def test_what_a_tenant_does_not_use_goes_to_the_others() -> None:
    queue = with_waiting(with_waiting(FairQueue(), "a", 20), "b", 2, weight=5)
    assert calls(queue, 12).count("a") == 10


def test_low_priority_gets_a_tenth_and_never_nothing() -> None:
    queue = with_waiting(with_waiting(FairQueue(), "a", 200), "a", 20, is_low=True)
    assert calls(queue, 110).count("a low") == 10


def test_a_tenant_that_was_away_has_no_claim_for_the_time() -> None:
    queue = with_waiting(with_waiting(FairQueue(), "a", 500), "b", 1)
    for _ in range(200):
        queue, _ = call(queue)
    made = calls(with_waiting(queue, "b", 100), 20)
    assert 10 <= made.count("b") <= 11


@given(
    flows=st.lists(
        st.tuples(st.integers(1, 30), st.floats(0.1, 20), st.booleans()), min_size=1, max_size=6
    ),
    called=st.integers(0, 40),
)
def test_as_many_call_before_a_number_as_were_counted(
    flows: list[tuple[int, float, bool]], called: int
) -> None:
    queue = FairQueue()
    for index, (count, weight, is_low) in enumerate(flows):
        queue = with_waiting(queue, f"t{index}", count, weight=weight, is_low=is_low)
    for _ in range(min(called, queue.waiting - 1)):
        queue, _ = call(queue)
    for flow in queue.active:
        number = flow.promised - 1
        ahead = count_ahead(queue, flow, number)
        after = pass_numbers(queue, ahead).find(flow.key)
        assert after
        assert after.calling == number, "it is next"


@given(
    weights=st.lists(st.sampled_from([0.5, 1, 2, 3, 5]), min_size=2, max_size=5),
    count=st.integers(50, 400),
)
def test_shares_follow_the_weights(weights: list[float], count: int) -> None:
    queue = FairQueue()
    for index, weight in enumerate(weights):
        queue = with_waiting(queue, f"t{index}", 2000, weight=weight)
    made = calls(queue, count)
    for index, weight in enumerate(weights):
        expected = count * weight / sum(weights)
        assert abs(made.count(f"t{index}") - expected) <= len(weights)


def test_more_tenants_than_the_ledger_keeps_share_one_flow() -> None:
    queue = FairQueue()
    for index in range(3 * MAX_FLOWS):
        queue = with_waiting(queue, f"tenant {index}", 1)
    assert len(queue.flows) == MAX_FLOWS + 1
    others = queue.find(OTHER_FLOWS)
    assert others
    assert others.waiting == 2 * MAX_FLOWS


def test_a_ledger_with_two_hundred_flows_stays_below_four_kilobytes() -> None:
    queue = FairQueue(virtual_time=7_000_000_123)
    for index in range(MAX_FLOWS):
        tenant, weight = f"team-{index * 7919 % 1000:03}", 1 + index % 7
        queue = with_waiting(queue, tenant, 5 + index % 90, weight=weight)
    now = datetime(2026, 11, 27, 12, 0, 0, 123456, UTC)
    pace = start_pace(Quota(60), now=now).model_copy(
        update={"flows": queue, "calling": 123_456.789, "promised": 234_567.0}
    )
    body = Ledger(pace=pace).model_dump_json()
    assert len(body) < 4 * KILOBYTE
    assert Ledger.model_validate_json(body).pace == pace


def test_a_pool_where_nobody_waits_stores_no_flows() -> None:
    queue = settle_flows(pass_numbers(with_waiting(FairQueue(), "a", 3), 3))
    assert queue == FairQueue()
    pace = start_pace(Quota(60), now=datetime(2026, 11, 27, tzinfo=UTC))
    assert "flows" not in pace.model_dump(mode="json")


@pytest.mark.parametrize("stored", ["", "foxes", "Zm94ZXM=", pack_queue(FairQueue())[:-4]])
def test_flows_that_cannot_be_read_are_an_error(stored: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (of pydantic, or of base64)
        unpack_queue(stored)
    pace = start_pace(Quota(60), now=datetime(2026, 11, 27, tzinfo=UTC))
    document = pace.model_dump(mode="json") | {"flows": stored}
    with pytest.raises(ValueError, match="flows"):
        Pace.model_validate(document)
