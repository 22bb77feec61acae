import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.limits.adaptive_rate import Quota
from shared.limits.pacing import (
    LONGEST_DELAY,
    SHORT_WAIT,
    SHORTEST_DELAY,
    CallTime,
    Pace,
    Place,
    Postponed,
    Share,
    Ticket,
    apply_successes,
    apply_throttle,
    burst_allowance,
    is_still_valid,
    locate,
    reserve,
    start_pace,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NORMAL = Share()
LOW = Share(priority="low")


class Counter:
    """A pool's counter and the time, as tests move them."""

    def __init__(self, rpm: float = 60) -> None:
        self.quota = Quota(rpm, growth=1)
        self.now = START
        self.pace: Pace = start_pace(self.quota, now=START)
        self.turns: list[CallTime] = []

    def acquire(
        self, ticket: Ticket | None = None, *, share: Share = NORMAL
    ) -> CallTime | Postponed:
        self.pace, answer = reserve(
            self.pace,
            now=self.now,
            quota=self.quota,
            share=share,
            ticket=ticket,
        )
        # Through JSON, as a blob keeps it.
        self.pace = Pace.model_validate_json(self.pace.model_dump_json())
        if isinstance(answer, CallTime):
            self.turns.append(answer)
        return answer

    def call_time(self, *given: Any, **named: Any) -> CallTime:  # noqa: ANN401 - as `acquire` takes them
        answer = self.acquire(*given, **named)
        assert isinstance(answer, CallTime)
        return answer

    def number(self, *given: Any, **named: Any) -> Postponed:  # noqa: ANN401 - as `acquire` takes them
        answer = self.acquire(*given, **named)
        assert isinstance(answer, Postponed)
        return answer

    def place(self, ticket: Ticket) -> Place:
        return locate(self.pace, ticket, now=self.now, quota=self.quota)

    def fill(self) -> None:
        """Give away every turn that can be waited for."""
        while isinstance(self.acquire(), CallTime):
            pass

    def refuse(self, turn: CallTime, seconds: float | None = None) -> None:
        after = None if seconds is None else timedelta(seconds=seconds)
        self.pace = apply_throttle(self.pace, now=self.now, call_time=turn, retry_after=after)


def test_the_first_call_goes_at_once_and_the_next_ones_in_its_wake() -> None:
    counter = Counter()
    assert [counter.call_time().wait for _ in range(4)] == [n * SECOND for n in range(4)]


def test_a_turn_that_is_too_far_away_to_wait_for_is_a_number() -> None:
    counter = Counter()
    counter.fill()
    assert counter.turns[-1].wait <= SHORT_WAIT
    assert counter.number().delay >= SHORTEST_DELAY


def test_whoever_comes_back_when_told_gets_their_turn() -> None:
    counter = Counter()
    counter.fill()
    places = [counter.number() for _ in range(20)]
    counter.now += places[-1].delay
    turn = counter.call_time(places[-1].ticket)
    assert turn.wait <= SHORT_WAIT


def test_whoever_has_a_number_goes_before_those_who_come_without() -> None:
    counter = Counter()
    counter.fill()
    place = counter.number()
    assert isinstance(counter.acquire(), Postponed)
    counter.now += place.delay
    counter.call_time(place.ticket)


def test_numbers_whose_holders_never_come_are_called_and_pass() -> None:
    counter = Counter()
    counter.fill()
    for _ in range(30):
        counter.number()
    counter.now += timedelta(minutes=2)
    assert not counter.call_time().wait


def test_after_a_night_without_anybody_the_numbers_are_good_in_their_order() -> None:
    counter = Counter()
    counter.fill()
    places = [counter.number().ticket for _ in range(8)]
    counter.now += timedelta(hours=8)
    answers = [counter.acquire(place) for place in places]
    waits = [answer.wait for answer in answers if isinstance(answer, CallTime)]
    assert waits == sorted(waits)
    assert all(later - earlier == SECOND for earlier, later in pairwise(waits))


def test_a_number_of_another_counter_is_taken_as_one_that_is_due() -> None:
    counter = Counter()
    stranger = Ticket(epoch=START - timedelta(days=1), number=7_000, at=START)
    assert not counter.call_time(stranger).wait


def test_a_refusal_stops_everybody_until_the_service_said() -> None:
    counter = Counter()
    refused, waiting = counter.call_time(), counter.call_time()
    assert is_still_valid(counter.pace, waiting)
    counter.refuse(refused, seconds=30)
    assert not is_still_valid(counter.pace, waiting)
    counter.now += 25 * SECOND
    assert counter.call_time(waiting.ticket).at >= START + 30 * SECOND


def test_the_refused_call_and_those_that_were_void_come_first_after_the_stop() -> None:
    counter = Counter()
    turns = [counter.call_time() for _ in range(3)]
    counter.fill()
    later = [counter.number() for _ in range(6)]
    counter.refuse(turns[0], seconds=20)
    counter.now += 20 * SECOND
    again = [counter.call_time(turn.ticket).at for turn in turns]
    assert again == sorted(again)
    assert again[0] <= START + 20 * SECOND
    assert later[-1].ticket.number > turns[-1].ticket.number


def test_a_stop_calls_each_number_once() -> None:
    counter = Counter()
    turn = counter.call_time()
    counter.refuse(turn, seconds=1)
    counter.now += SECOND
    counter.call_time(turn.ticket)
    assert counter.call_time().wait <= 2 * SECOND, "nobody is before us"


def test_a_shorter_stop_within_a_longer_one_changes_nothing() -> None:
    counter = Counter()
    first, second = counter.call_time(), counter.call_time()
    counter.refuse(first, seconds=60)
    stopped = counter.pace.stopped_until
    counter.refuse(second, seconds=1)
    assert counter.pace.stopped_until == stopped


def test_a_refusal_without_a_word_stops_for_one_turn() -> None:
    counter = Counter()
    counter.refuse(counter.call_time())
    assert counter.pace.stopped_until == START + counter.pace.rate.spacing


def test_a_stop_of_weeks_is_not_believed() -> None:
    counter = Counter()
    counter.refuse(counter.call_time(), seconds=1e7)
    assert counter.pace.stopped_until == START + timedelta(days=1)


def test_low_priority_waits_while_normal_jobs_do() -> None:
    counter = Counter()
    counter.fill()
    low = counter.number(share=LOW)
    normal = [counter.number() for _ in range(8)]
    due = [counter.place(each.ticket) for each in (low, normal[-1])]
    assert [place.ahead for place in due] == [9, 8]


def test_low_priority_goes_at_once_where_nobody_waits() -> None:
    counter = Counter()
    assert not counter.call_time(share=LOW).wait


def test_low_priority_gets_one_call_in_ten_and_does_not_starve() -> None:
    counter = Counter()
    counter.fill()
    [counter.number() for _ in range(100)]
    low = [counter.number(share=LOW).ticket for _ in range(3)]
    ahead = [counter.place(each).ahead for each in low]
    assert ahead == [10, 21, 32]


def test_a_tenant_that_comes_new_does_not_wait_behind_the_line_of_another() -> None:
    counter = Counter()
    [counter.call_time(share=Share("flood")) for _ in range(6)]
    [counter.number(share=Share("flood")) for _ in range(1000)]
    first, second = (counter.number(share=Share("newcomer")) for _ in range(2))
    assert first.ticket.at == START + 6 * SECOND
    assert counter.place(second.ticket).ahead == 2


def test_tickets_of_the_version_before_are_called_first_and_in_their_order() -> None:
    counter = Counter()
    [counter.call_time() for _ in range(6)]
    # It knew one line: it only raised `promised`.
    old = [
        Ticket.model_validate({"epoch": counter.pace.epoch, "number": n, "at": START})
        for n in range(int(counter.pace.promised), int(counter.pace.promised) + 5)
    ]
    counter.pace = counter.pace.model_copy(update={"promised": counter.pace.promised + 5})
    new = counter.number().ticket
    ahead = [counter.place(each).ahead for each in (*old, new)]
    assert ahead == [0, 1, 2, 3, 4, 5]
    counter.now += 6 * SECOND
    times = [counter.call_time(each).at for each in old]
    assert times == sorted(times)
    assert counter.place(new).ahead == 0


def test_calls_of_the_version_before_are_charged_to_whoever_is_next() -> None:
    counter = Counter()
    [counter.call_time() for _ in range(6)]
    tickets = [counter.number().ticket for _ in range(4)]
    # It moves the line without a look at the flows.
    counter.pace = counter.pace.model_copy(
        update={
            "calling": counter.pace.calling + 2,
            "free_at": counter.pace.free_at + 2 * SECOND,
        }
    )
    last = counter.place(tickets[-1])
    assert (last.ahead, last.at) == (1, counter.pace.free_at + SECOND)


def test_a_number_passes_when_one_well_behind_it_is_called_and_is_next_if_it_comes() -> None:
    counter = Counter()
    counter.fill()
    places = [counter.number().ticket for _ in range(9)]
    counter.now += 5 * SECOND
    counter.call_time(places[3])
    assert counter.place(places[4]).ahead == 2, "two that may still come"
    late = counter.call_time(places[0])
    assert late.wait <= SHORT_WAIT
    assert counter.place(places[4]).ahead <= 3


def test_where_many_do_not_come_the_others_are_told_to_come_sooner() -> None:
    counter = Counter()
    counter.fill()
    places = [counter.number().ticket for _ in range(200)]
    for place in places[:100:2]:  # every other one is lost
        counter.now = max(counter.place(place).at - SHORT_WAIT, counter.now)
        counter.acquire(place)
    last = counter.place(places[190])
    assert last.at - counter.now < 0.8 * last.ahead * SECOND


def test_the_told_time_counts_on_as_many_newcomers_as_came_lately() -> None:
    counter = Counter()
    share = Share("flood")
    counter.fill()
    places = [counter.number(share=share).ticket for _ in range(2000)]
    for index, place in enumerate(places[:400]):
        counter.now = max(counter.place(place).at - 4 * SECOND, counter.now)
        counter.call_time(place, share=share)
        if index % 3 == 2:  # one call of four
            newcomer = counter.acquire(share=Share(f"newcomer {index}"))
            while isinstance(newcomer, Postponed):
                counter.now += newcomer.delay
                newcomer = counter.acquire(newcomer.ticket)
    last = counter.place(places[-1])
    assert last.ahead == 1600
    assert 1.25 < (last.at - counter.now) / (last.ahead * SECOND) < 1.4


def test_success_under_pressure_is_told_and_lifts_a_rate_that_was_cut() -> None:
    counter = Counter()
    counter.refuse(counter.call_time(), seconds=1)
    slow = counter.pace.rate.rpm
    counter.pace = apply_successes(
        counter.pace, quota=counter.quota, called_at=(START + timedelta(minutes=1),)
    )
    assert counter.pace.rate.rpm > slow


@pytest.mark.parametrize(("rpm", "at_once"), [(6, 1), (60, 1), (120, 1), (600, 5), (6000, 50)])
def test_as_many_go_at_once_as_half_a_second_holds(rpm: float, at_once: int) -> None:
    counter = Counter(rpm)
    counter.now += 5 * SECOND
    for _ in range(at_once + 1):
        counter.acquire()
    assert [turn.wait for turn in counter.turns].count(timedelta()) == at_once


@given(
    rpm=st.sampled_from([2.0, 6.0, 60.0, 600.0]),
    moves=st.lists(
        st.tuples(st.sampled_from(["new", "back", "low", "wait"]), st.floats(0, 30)),
        max_size=80,
    ),
)
def test_turns_are_spaced_by_the_rate_whoever_asks_and_when(
    rpm: float, moves: list[tuple[str, float]]
) -> None:
    counter, places = Counter(rpm), list[tuple[Ticket, Share]]()
    for move, seconds in moves:
        if move == "wait":
            counter.now += timedelta(seconds=seconds)
            continue
        place, share = None, LOW if move == "low" else Share(f"tenant {seconds // 6}")
        if move == "back" and places:
            place, share = places.pop(int(seconds) % len(places))
        answer = counter.acquire(place, share=share)
        if isinstance(answer, Postponed):
            assert SHORTEST_DELAY <= answer.delay <= LONGEST_DELAY
            places.append((answer.ticket, share))
        else:
            # One that is overdue gets its call time a second before those that are not.
            assert timedelta() <= answer.wait <= SHORT_WAIT + SHORTEST_DELAY
    spacing, slack = counter.pace.rate.spacing, burst_allowance(counter.pace.rate)
    times = [turn.at for turn in counter.turns]
    assert times == sorted(times)
    for first in range(len(times)):
        for last in range(first + 1, len(times)):
            least = (last - first) * spacing - slack
            assert times[last] - times[first] >= least - timedelta(milliseconds=1)


@given(
    rpm=st.sampled_from([6.0, 60.0, 600.0]),
    jobs=st.integers(1, 60),
    stops=st.lists(st.tuples(st.integers(0, 59), st.floats(0.1, 120)), max_size=3),
)
@example(rpm=60.0, jobs=55, stops=[(7, 25.0)])
def test_everybody_who_comes_back_when_told_is_served_and_nobody_often(
    rpm: float, jobs: int, stops: list[tuple[int, float]]
) -> None:
    counter, left = Counter(rpm), list[tuple[datetime, Ticket | None, int]]()
    left = [(START, None, 0)] * jobs
    refusals = dict(stops)
    served = 0
    while left:
        left.sort(key=lambda each: each[0])
        when, place, dequeues = left.pop(0)
        counter.now = max(counter.now, when)
        answer = counter.acquire(place)
        if isinstance(answer, Postponed):
            assert dequeues < 5 + 3 * len(stops), "sent away again and again"
            left.append((counter.now + answer.delay, answer.ticket, dequeues + 1))
            continue
        served += 1
        if (seconds := refusals.pop(served, None)) is not None:
            counter.now = max(counter.now, answer.at)
            counter.refuse(answer, seconds)
            left.append((counter.now + timedelta(seconds=seconds), answer.ticket, 0))
    assert served >= jobs


@pytest.mark.parametrize("name", ["calling", "promised", "lapsed", "no_shows", "growth"])
@pytest.mark.parametrize("value", ["Infinity", "NaN", "1e999"])
def test_a_line_with_a_number_that_is_not_finite_is_not_read(name: str, value: str) -> None:
    line = start_pace(Quota(60), now=datetime(2026, 11, 1, tzinfo=UTC))
    pace = json.loads(line.model_dump_json())
    body = json.dumps(pace | {name: 0.5}).replace("0.5", value)
    with pytest.raises(ValidationError, match=name):
        Pace.model_validate_json(body)
