import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.images_api.outcomes import MEANINGS, Outcome, OutcomeKind
from shared.limits.adaptive_rate import Quota
from shared.limits.circuit_breaker import (
    FAILURES_TO_OPEN,
    FIRST_INTERVAL,
    GROWTH,
    LAST_CALL_WAIT,
    MOST_UNANSWERED,
    NOTHING,
    PROVEN_FOR,
    CallFeedback,
    feedback_of,
)
from shared.limits.fair_queue import pack_queue
from shared.limits.pacing import Postponed, Share
from shared.limits.pool_ledger import (
    LEASE_MARGIN,
    AcquireRequest,
    CircuitOpen,
    Ledger,
    Reservation,
    acquire,
    is_answering,
    is_usable,
    mark_sent,
    probe_now,
    report,
    take_tickets,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
LIMIT = timedelta(minutes=5)
BLOCKED = CallFeedback("blocked", "temporarily blocked")
WRONG = CallFeedback("misconfigured", "DeploymentNotFound")
DOWN = CallFeedback("unavailable", "503")


class Pool:
    """A ledger, the time, and who asks."""

    def __init__(self) -> None:
        self.now = START
        self.ledger: Ledger | None = None
        self.asked = 0

    def acquire(
        self, deployment: str = "one", *, only_now: bool = False, is_last_call: bool = False
    ) -> Reservation | Postponed | CircuitOpen:
        self.asked += 1
        question = AcquireRequest(
            *("pool", deployment, Quota(600), LIMIT), only_now=only_now, is_last_call=is_last_call
        )
        ledger, answer = acquire(self.ledger, question, now=self.now, token=f"call-{self.asked}")
        self.ledger = Ledger.model_validate_json(ledger.model_dump_json())
        return answer

    def reservation(self, deployment: str = "one") -> Reservation:
        answer = self.acquire(deployment)
        assert isinstance(answer, Reservation)
        return answer

    def held(self, deployment: str = "one") -> CircuitOpen:
        answer = self.acquire(deployment)
        assert isinstance(answer, CircuitOpen)
        return answer

    def report(self, reservation: Reservation, finding: CallFeedback) -> list[str]:
        """Tell; what is owed then, in words."""
        assert self.ledger
        self.ledger = report(self.ledger, reservation, finding, now=self.now)
        return [f"{alarm.kind} {alarm.deployment or 'all'}" for alarm in self.ledger.owed]

    def mark_sent(self) -> None:
        assert self.ledger
        self.ledger = mark_sent(self.ledger, self.ledger.owed)


def test_a_block_holds_every_deployment_of_the_pool() -> None:
    pool = Pool()
    assert pool.report(pool.reservation(), BLOCKED) == ["opened all"]
    assert pool.held("one").reason == pool.held("two").reason == "blocked"


def test_a_wrong_deployment_holds_itself_alone() -> None:
    pool = Pool()
    assert pool.report(pool.reservation(), WRONG) == ["opened one"]
    assert pool.held("one").message == "DeploymentNotFound"
    assert pool.reservation("two").probe is None


def test_calls_that_were_under_way_raise_no_second_alarm() -> None:
    pool = Pool()
    first, second = pool.reservation(), pool.reservation()
    pool.report(first, BLOCKED)
    pool.mark_sent()
    assert pool.report(second, BLOCKED) == []


def test_one_probe_goes_and_its_success_is_told_once() -> None:
    pool = Pool()
    pool.report(pool.reservation(), BLOCKED)
    pool.mark_sent()
    pool.now += FIRST_INTERVAL
    probe = pool.reservation()
    assert probe.probe
    assert pool.held().delay <= FIRST_INTERVAL
    assert pool.report(probe, CallFeedback("accepted")) == ["closed all"]
    pool.mark_sent()
    assert pool.reservation().probe is None
    assert pool.ledger
    assert not pool.ledger.circuits


def test_a_probe_may_start_at_once_when_somebody_asks_for_it_but_only_one() -> None:
    pool = Pool()
    pool.report(pool.reservation(), BLOCKED)
    assert pool.ledger
    pool.ledger = probe_now(pool.ledger, now=pool.now)
    assert pool.reservation().probe
    pool.ledger = probe_now(pool.ledger, now=pool.now)
    assert pool.held().delay == FIRST_INTERVAL


def test_a_probe_that_is_throttled_says_that_the_block_is_over() -> None:
    pool = Pool()
    pool.report(pool.reservation(), BLOCKED)
    pool.mark_sent()
    pool.now += FIRST_INTERVAL
    assert pool.report(pool.reservation(), CallFeedback("throttled", retry_after=1)) == [
        "closed all"
    ]


def test_a_probe_that_fails_waits_longer_and_raises_no_alarm() -> None:
    pool = Pool()
    pool.report(pool.reservation(), BLOCKED)
    pool.mark_sent()
    pool.now += FIRST_INTERVAL
    assert pool.report(pool.reservation(), BLOCKED) == []
    assert pool.held().delay == GROWTH * FIRST_INTERVAL


def test_a_probe_that_finds_other_trouble_opens_that_and_leaves_this_undecided() -> None:
    pool = Pool()
    pool.report(pool.reservation(), BLOCKED)
    pool.mark_sent()
    pool.now += FIRST_INTERVAL
    assert pool.report(pool.reservation(), WRONG) == ["opened one"]
    assert pool.held("two").reason == "blocked"


def test_a_probe_whose_host_died_blocks_nobody_for_longer_than_its_call_may_take() -> None:
    pool = Pool()
    pool.report(pool.reservation(), BLOCKED)
    pool.now += FIRST_INTERVAL
    pool.reservation()
    pool.now += LIMIT + LEASE_MARGIN
    assert pool.reservation().probe


def test_failures_of_the_service_in_a_row_hold_their_deployment_alone() -> None:
    pool = Pool()
    under_way = [pool.reservation() for _ in range(4)]
    told = [pool.report(each, DOWN) for each in under_way]
    assert told == [[]] * (FAILURES_TO_OPEN - 1) + [["opened one"]] * 3
    assert pool.held("one").reason == "unavailable"
    assert pool.held("one").delay == FIRST_INTERVAL
    assert pool.reservation("two").probe is None


def test_failures_that_an_answer_comes_between_open_nothing() -> None:
    pool = Pool()
    for answer in ("accepted", "throttled", "accepted"):
        pool.now += timedelta(seconds=10)
        assert pool.report(pool.reservation(), DOWN) == []
        pool.report(pool.reservation(), NOTHING)
        pool.report(pool.reservation(), CallFeedback(answer))
    assert pool.ledger
    assert not pool.ledger.streaks


def test_the_probe_of_a_service_that_works_again_closes_the_circuit() -> None:
    pool = Pool()
    for each in [pool.reservation() for _ in range(2)]:
        pool.report(each, DOWN)
    pool.mark_sent()
    pool.now += FIRST_INTERVAL
    assert pool.report(pool.reservation(), DOWN) == []
    pool.now += GROWTH * FIRST_INTERVAL
    assert pool.report(pool.reservation(), CallFeedback("accepted")) == ["closed one"]


def test_the_last_call_of_a_task_is_left_to_others_while_the_service_fails() -> None:
    pool = Pool()
    pool.report(pool.reservation(), DOWN)
    held = pool.acquire(is_last_call=True)
    assert isinstance(held, CircuitOpen)
    assert (held.reason, held.message, held.delay) == ("unavailable", "503", FIRST_INTERVAL)
    others = pool.reservation()
    pool.report(others, CallFeedback("accepted"))
    assert isinstance(pool.acquire(is_last_call=True), Reservation)


def test_the_last_call_is_made_in_the_end_though_nobody_else_calls() -> None:
    pool = Pool()
    pool.report(pool.reservation(), DOWN)
    pool.now += LAST_CALL_WAIT
    assert isinstance(pool.acquire(is_last_call=True), Reservation)


def test_a_reservation_from_before_a_circuit_opened_is_of_no_use() -> None:
    pool = Pool()
    before, failing = pool.reservation(), [pool.reservation() for _ in range(2)]
    assert pool.ledger
    assert is_usable(pool.ledger, before)
    for each in failing:
        pool.report(each, DOWN)
    assert not is_usable(pool.ledger, before)
    pool.now += FIRST_INTERVAL
    probe = pool.reservation()
    assert is_usable(pool.ledger, probe)


def test_whoever_asks_for_a_turn_now_takes_no_number() -> None:
    pool = Pool()
    while isinstance(pool.acquire(only_now=True), Reservation):
        pass
    before = pool.ledger
    assert isinstance(pool.acquire(only_now=True), Postponed)
    assert pool.ledger == before


def outcome(kind: OutcomeKind, code: str = "401") -> Outcome:
    return Outcome(
        kind=kind, code=code, message="said", charged=MEANINGS[kind].charged, retry_after=3
    )


def test_every_outcome_says_something_of_its_pool() -> None:
    kinds = {kind: feedback_of(outcome(kind), before="401").kind for kind in OutcomeKind}
    assert kinds == {
        OutcomeKind.DONE: "accepted",
        OutcomeKind.NO_IMAGE: "accepted",
        OutcomeKind.REFUSED: "accepted",
        OutcomeKind.INVALID: "accepted",
        OutcomeKind.UNAUTHORISED: "misconfigured",
        OutcomeKind.THROTTLED: "throttled",
        OutcomeKind.BLOCKED: "blocked",
        OutcomeKind.MISCONFIGURED: "misconfigured",
        OutcomeKind.NOT_SENT: "nothing",
        OutcomeKind.NOT_STORED: "accepted",
        OutcomeKind.UNKNOWN: "nothing",
    }


def test_a_service_that_fails_is_no_pool_that_accepts() -> None:
    for kind in (OutcomeKind.UNKNOWN, OutcomeKind.NOT_SENT):
        failed = replace(outcome(kind), service_failed=True)
        assert feedback_of(failed, before=None) == CallFeedback("unavailable", "said")


def test_a_first_401_is_a_stale_token_and_no_alarm() -> None:
    assert feedback_of(outcome(OutcomeKind.UNAUTHORISED), before=None) == NOTHING
    assert feedback_of(outcome(OutcomeKind.UNAUTHORISED), before="429") == NOTHING


def full_use() -> tuple[Pool, Reservation]:
    """A pool with a call at full rate that was accepted, and another one."""
    pool = Pool()
    pool.reservation()
    full, other = pool.reservation(), pool.reservation()
    assert pool.report(full, CallFeedback("accepted")) == []
    return pool, other


def test_a_pool_answers_until_many_calls_were_granted_without_an_answer() -> None:
    pool, other = full_use()
    assert is_answering(pool.ledger, now=pool.now)
    for _ in range(MOST_UNANSWERED):
        other = pool.reservation()
    assert is_answering(pool.ledger, now=pool.now)
    pool.reservation()
    assert not is_answering(pool.ledger, now=pool.now)
    pool.report(other, CallFeedback("accepted"))
    assert is_answering(pool.ledger, now=pool.now)


def test_a_pool_that_failed_does_not_answer_nor_does_one_long_ago() -> None:
    pool, other = full_use()
    assert not is_answering(pool.ledger, now=pool.now + PROVEN_FOR)
    pool.report(other, DOWN)
    assert not is_answering(pool.ledger, now=pool.now)


def test_calls_one_by_one_do_not_show_how_many_a_pool_answers() -> None:
    pool = Pool()
    for _ in range(3):
        pool.now += timedelta(seconds=10)
        pool.report(pool.reservation(), CallFeedback("accepted"))
    assert not is_answering(pool.ledger, now=pool.now)
    assert not is_answering(None, now=pool.now)


def with_more(stored: Any) -> Any:  # noqa: ANN401 (whatever JSON holds)
    """Return a document with a field of a newer version in each of its objects that has fields."""
    if isinstance(stored, dict):
        more = {} if not stored or set(stored) & {"one", ""} else {"newer": [1, {"of": "it"}]}
        return {name: with_more(value) for name, value in stored.items()} | more
    return [with_more(each) for each in stored] if isinstance(stored, list) else stored


def test_what_a_newer_version_keeps_in_a_ledger_survives_every_change_by_this_one() -> None:
    pool = Pool()
    first, second, third = (pool.reservation("one") for _ in range(3))
    pool.report(first, BLOCKED)
    pool.report(second, WRONG)
    pool.report(third, DOWN)
    pool.now += timedelta(hours=1)
    ledger = pool.ledger
    assert ledger
    given: dict[str, Any] = {"pool": "pool", "quota": Quota(600), "now": pool.now}
    ledger, _ = take_tickets(ledger, 300, share=Share("a"), **given)
    queue = ledger.pace.flows
    kept = replace(queue, more=(7,), flows=tuple(replace(f, more=("new",)) for f in queue.flows))
    stored = with_more(json.loads(ledger.model_dump_json()))
    stored["pace"]["flows"] = pack_queue(kept)
    pool.ledger = Ledger.model_validate_json(json.dumps(stored))

    probe = pool.reservation("one")
    pool.report(probe, CallFeedback("throttled", retry_after=1))
    pool.ledger, _ = take_tickets(pool.ledger, 1, share=Share("a"), **given)
    pool.ledger = probe_now(pool.ledger, now=pool.now)
    after = json.loads(pool.ledger.model_dump_json())
    assert after["newer"] == after["pace"]["newer"] == after["pace"]["rate"]["newer"]
    assert all("newer" in alarm for alarm in after["owed"][: len(stored["owed"])])
    flows = Ledger.model_validate(after).pace.flows
    assert (flows.more, flows.flows[0].more) == ((7,), ("new",))


def test_what_a_newer_version_keeps_of_a_circuit_survives_a_probe() -> None:
    pool = Pool()
    pool.report(pool.reservation(), BLOCKED)
    assert pool.ledger
    stored = json.loads(pool.ledger.model_dump_json())
    stored["circuits"][""]["newer"] = "kept"
    pool.ledger = Ledger.model_validate_json(json.dumps(stored))
    pool.now += FIRST_INTERVAL
    pool.report(pool.reservation(), BLOCKED)
    assert json.loads(pool.ledger.model_dump_json())["circuits"][""]["newer"] == "kept"
