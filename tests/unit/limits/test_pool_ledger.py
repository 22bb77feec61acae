from datetime import UTC, datetime, timedelta

from shared.images_api.outcomes import CHARGED, Outcome, OutcomeKind
from shared.limits.adaptive_rate import Quota
from shared.limits.circuit_breaker import FIRST_INTERVAL, NOTHING, Finding, finding_of
from shared.limits.pacing import Postponed
from shared.limits.pool_ledger import LEASE_MARGIN, Ask, Held, Ledger, Permit, ask, tell, told

START = datetime(2026, 11, 1, tzinfo=UTC)
LIMIT = timedelta(minutes=5)
BLOCKED = Finding("blocked", "temporarily blocked")
WRONG = Finding("misconfigured", "DeploymentNotFound")


class Pool:
    """A ledger, the time, and who asks."""

    def __init__(self) -> None:
        self.now = START
        self.ledger: Ledger | None = None
        self.asked = 0

    def ask(self, deployment: str = "one", *, only_now: bool = False) -> Permit | Postponed | Held:
        self.asked += 1
        question = Ask("pool", deployment, Quota(600), LIMIT, only_now=only_now)
        ledger, answer = ask(self.ledger, question, now=self.now, token=f"call-{self.asked}")
        self.ledger = Ledger.model_validate_json(ledger.model_dump_json())
        return answer

    def permit(self, deployment: str = "one") -> Permit:
        answer = self.ask(deployment)
        assert isinstance(answer, Permit)
        return answer

    def held(self, deployment: str = "one") -> Held:
        answer = self.ask(deployment)
        assert isinstance(answer, Held)
        return answer

    def tell(self, permit: Permit, finding: Finding) -> list[str]:
        """Tell; what is owed then, in words."""
        assert self.ledger
        self.ledger = tell(self.ledger, permit, finding, now=self.now)
        return [f"{alarm.kind} {alarm.deployment or 'all'}" for alarm in self.ledger.owed]

    def told(self) -> None:
        assert self.ledger
        self.ledger = told(self.ledger, self.ledger.owed)


def test_a_block_holds_every_deployment_of_the_pool() -> None:
    pool = Pool()
    assert pool.tell(pool.permit(), BLOCKED) == ["blocked all"]
    assert pool.held("one").reason == pool.held("two").reason == "blocked"


def test_a_wrong_deployment_holds_itself_alone() -> None:
    pool = Pool()
    assert pool.tell(pool.permit(), WRONG) == ["blocked one"]
    assert pool.held("one").message == "DeploymentNotFound"
    assert pool.permit("two").probe is None


def test_calls_that_were_under_way_raise_no_second_alarm() -> None:
    pool = Pool()
    first, second = pool.permit(), pool.permit()
    pool.tell(first, BLOCKED)
    pool.told()
    assert pool.tell(second, BLOCKED) == []


def test_one_probe_goes_and_its_success_is_told_once() -> None:
    pool = Pool()
    pool.tell(pool.permit(), BLOCKED)
    pool.told()
    pool.now += FIRST_INTERVAL
    probe = pool.permit()
    assert probe.probe
    assert pool.held().delay <= FIRST_INTERVAL
    assert pool.tell(probe, Finding("accepted")) == ["healed all"]
    pool.told()
    assert pool.permit().probe is None
    assert pool.ledger
    assert not pool.ledger.circuits


def test_a_probe_that_is_throttled_says_that_the_block_is_over() -> None:
    pool = Pool()
    pool.tell(pool.permit(), BLOCKED)
    pool.told()
    pool.now += FIRST_INTERVAL
    assert pool.tell(pool.permit(), Finding("throttled", retry_after=1)) == ["healed all"]


def test_a_probe_that_fails_waits_longer_and_raises_no_alarm() -> None:
    pool = Pool()
    pool.tell(pool.permit(), BLOCKED)
    pool.told()
    pool.now += FIRST_INTERVAL
    assert pool.tell(pool.permit(), BLOCKED) == []
    assert pool.held().delay == 2 * FIRST_INTERVAL


def test_a_probe_that_finds_other_trouble_opens_that_and_leaves_this_undecided() -> None:
    pool = Pool()
    pool.tell(pool.permit(), BLOCKED)
    pool.told()
    pool.now += FIRST_INTERVAL
    assert pool.tell(pool.permit(), WRONG) == ["blocked one"]
    assert pool.held("two").reason == "blocked"


def test_a_probe_whose_host_died_blocks_nobody_for_longer_than_its_call_may_take() -> None:
    pool = Pool()
    pool.tell(pool.permit(), BLOCKED)
    pool.now += FIRST_INTERVAL
    pool.permit()
    pool.now += LIMIT + LEASE_MARGIN
    assert pool.permit().probe


def test_whoever_asks_for_a_turn_now_takes_no_number() -> None:
    pool = Pool()
    while isinstance(pool.ask(only_now=True), Permit):
        pass
    before = pool.ledger
    assert isinstance(pool.ask(only_now=True), Postponed)
    assert pool.ledger == before


def outcome(kind: OutcomeKind, code: str = "401") -> Outcome:
    return Outcome(kind=kind, code=code, message="said", charged=CHARGED[kind], retry_after=3)


def test_every_outcome_says_something_of_its_pool() -> None:
    kinds = {kind: finding_of(outcome(kind), before="401").kind for kind in OutcomeKind}
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
        OutcomeKind.UNKNOWN: "nothing",
    }


def test_a_first_401_is_a_stale_token_and_no_alarm() -> None:
    assert finding_of(outcome(OutcomeKind.UNAUTHORISED), before=None) == NOTHING
    assert finding_of(outcome(OutcomeKind.UNAUTHORISED), before="429") == NOTHING
