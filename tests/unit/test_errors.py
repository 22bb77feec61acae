"""Errors: what they say, and how they differ."""

import pytest

from shared.errors import (
    BrokenReply,
    CallFailed,
    Fault,
    InvalidJob,
    NotSent,
    Rejected,
    Unavailable,
    UnreadableReply,
)
from shared.vocabulary import RejectionCode


def test_a_rejection_says_every_fault_with_its_field() -> None:
    faults = [Fault("n", "0 is too small; at least 1"), Fault("", "the message is empty")]
    rejection = InvalidJob(faults, job_id="fox")
    assert str(rejection) == "n: 0 is too small; at least 1; the message is empty"
    assert (rejection.faults, rejection.job_id) == (tuple(faults), "fox")


def test_every_rejection_has_a_code_of_the_set() -> None:
    def family(kind: type[Rejected]) -> set[str]:
        return {kind.code}.union(*map(family, kind.__subclasses__()))

    assert family(Rejected) - {Rejected.code} <= set(RejectionCode)


def test_a_code_that_is_given_to_one_rejection_changes_no_other() -> None:
    given = Rejected([Fault("", "twice")], code=RejectionCode.POISONED)
    assert given.code == "poisoned"
    assert Rejected([]).code == "rejected"


@pytest.mark.parametrize("kind", [BrokenReply, UnreadableReply])
def test_a_call_that_may_be_paid_is_never_taken_for_one_that_was_not_sent(
    kind: type[CallFailed],
) -> None:
    assert not issubclass(kind, NotSent)
    assert not issubclass(NotSent, BrokenReply)
    assert not issubclass(CallFailed, Unavailable)
