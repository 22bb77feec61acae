import json
from http import HTTPStatus

import pytest

from shared.errors import (
    ConflictingJob,
    Fault,
    ImageJobsError,
    InvalidJob,
    NotAllowed,
    RecordGone,
    StoreUnavailable,
    UnreadableRecord,
)
from shared.http_api.openai_responses import (
    OpenAIError,
    describe_error,
    describe_failure,
    describe_timeout,
    refuse,
)
from shared.http_api.problems import refused
from shared.records.record import Failure, JobState
from shared.vocabulary import FailureCode
from tests.builders.ended_jobs import attempt, failed


def test_the_body_of_an_error_has_the_members_that_the_clients_read() -> None:
    error = refuse("n: 11 is too big", code="invalid_job", param="n").error
    assert json.loads(error.to_json()) == {
        "error": {
            "message": "n: 11 is too big",
            "type": "invalid_request_error",
            "param": "n",
            "code": "invalid_job",
        }
    }


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidJob([Fault("n", "is too big")]), 400, "invalid_job"),
        (ConflictingJob([Fault("job_id", "is taken")]), 409, "conflict"),
        (NotAllowed([Fault("tenant", "may not")]), 403, "not_allowed"),
        (NotAllowed([Fault("tenant", "is full")], code="too_many_jobs"), 429, "too_many_jobs"),
        (StoreUnavailable("secret-account: 503"), 503, "unavailable"),
        (UnreadableRecord("secret-account"), 500, "unreadable"),
        (RecordGone("secret-account"), 404, "no_such_job"),
        (refused("no_such_picture"), 404, "no_such_picture"),
        (refuse("wrong", status=HTTPStatus.UNAUTHORIZED, code="a"), 401, "a"),
    ],
)
def test_each_error_has_its_status_and_only_what_passes_is_worth_a_repeat(
    error: ImageJobsError, status: int, code: str
) -> None:
    found = describe_error(error)
    assert (found.status, found.code) == (status, code)
    assert found.may_retry == (status in {429, 503})
    assert "secret" not in found.message


@pytest.mark.parametrize(
    ("field", "param"),
    [
        ("format", "output_format"),
        ("compression", "output_compression"),
        ("inputs[1]", "image[1]"),
        ("options.moderation", "moderation"),
        ("tags.user", "user"),
        ("size", "size"),
    ],
)
def test_a_fault_has_the_name_of_the_parameter(field: str, param: str) -> None:
    found = describe_error(InvalidJob([Fault(field, "is wrong")]))
    assert (found.param, found.message) == (param, f"{param}: is wrong")


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        (FailureCode.CONTENT_REFUSED, 400, "moderation_blocked"),
        (FailureCode.OVER_BUDGET, 429, "insufficient_quota"),
        (FailureCode.DEADLINE_EXCEEDED, 504, "deadline_exceeded"),
        (FailureCode.OUTCOME_UNKNOWN, 502, "outcome_unknown"),
        ("of a later version", 502, "of a later version"),
    ],
)
def test_a_failed_job_is_an_error_that_names_it_and_is_never_repeated(
    code: str, status: int, told: str
) -> None:
    record = failed(attempt(), failure=Failure(code=code, message="it went wrong"))
    found = describe_failure(record)
    assert (found.status, found.code, found.may_retry) == (status, told, False)
    assert found.message == "it went wrong (job fox)"
    assert found.job_id == "fox"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (JobState.CANCELLED, "cancelled"),
        (JobState.PARKED, "outcome_unknown"),
        (JobState.FAILED, "unclassified"),
    ],
)
def test_a_job_without_a_failure_has_the_error_of_its_state(state: JobState, code: str) -> None:
    assert describe_failure(failed().model_copy(update={"state": state})).code == code


def test_a_job_that_runs_on_is_named_with_where_to_look() -> None:
    found: OpenAIError = describe_timeout("fox", 33)
    assert (found.status, found.may_retry, found.job_id) == (504, False, "fox")
    assert "/api/jobs/fox" in found.message
