from datetime import timedelta

import pytest

from shared.http_api.openai_requests import (
    REPEAT_WINDOW,
    RETRY_WINDOW,
    RequestClaim,
    claim_key,
    is_repeat,
    open_claim,
)
from shared.records.record import JobState
from tests.builders.ended_jobs import AT, record
from tests.builders.openai_requests import read

REQUEST = read({"prompt": "a fox"})
MOMENT = timedelta(seconds=1)


def claim(*, answered: bool = True) -> RequestClaim:
    found = open_claim(REQUEST, "shop", "fox", AT)
    return found.model_copy(update={"answered_at": AT if answered else None})


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.PARKED])
def test_the_job_of_an_equal_request_is_joined_while_it_is_open(state: JobState) -> None:
    late = AT + timedelta(days=1)
    assert is_repeat(claim(), record(state=state), retry=False, keyed=False, now=late)


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED])
def test_an_ended_job_is_joined_until_its_answer_was_returned(state: JobState) -> None:
    ended, late = record(state=state), AT + timedelta(days=1)
    assert is_repeat(claim(answered=False), ended, retry=False, keyed=False, now=late)
    assert not is_repeat(claim(), ended, retry=False, keyed=False, now=late)


def test_an_answered_request_is_repeated_for_a_short_time() -> None:
    for retry, window in ((False, REPEAT_WINDOW), (True, RETRY_WINDOW)):
        soon, late = AT + window, AT + window + MOMENT
        assert is_repeat(claim(), record(), retry=retry, keyed=False, now=soon)
        assert not is_repeat(claim(), record(), retry=retry, keyed=False, now=late)


def test_with_an_idempotency_key_a_request_is_repeated_for_ever() -> None:
    late = AT + timedelta(days=30)
    assert is_repeat(claim(), record(), retry=False, keyed=True, now=late)


def test_a_claim_whose_job_was_not_accepted_is_continued() -> None:
    late = AT + timedelta(days=1)
    assert is_repeat(claim(answered=False), None, retry=False, keyed=False, now=late)


def test_a_key_depends_on_the_caller_and_on_the_parts_or_the_idempotency_key() -> None:
    other = read({"prompt": "a hare"})
    keys = {
        claim_key(REQUEST, "shop", None),
        claim_key(REQUEST, "blog", None),
        claim_key(other, "shop", None),
        claim_key(REQUEST, "shop", "order 7"),
    }
    assert len(keys) == 4
    assert claim_key(REQUEST, "shop", "order 7") == claim_key(other, "shop", "order 7")


def test_a_claim_of_a_later_version_is_read() -> None:
    stored = claim().model_dump_json()[:-1] + ', "newer": 1}'
    assert RequestClaim.model_validate_json(stored).job_id == "fox"
