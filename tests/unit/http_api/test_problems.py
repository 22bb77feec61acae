import pytest

from shared.errors import (
    ConflictingJob,
    Fault,
    IllegalStep,
    ImageJobsError,
    InvalidJob,
    NotAllowed,
    RecordGone,
    StoreUnavailable,
    UnreadableRecord,
)
from shared.http_api.problems import STATUSES, TITLES, problem, refused, to_problem
from shared.vocabulary import REJECTIONS


def test_a_rejection_is_told_with_every_fault_by_its_field() -> None:
    error = InvalidJob([Fault("n", "11 is too big"), Fault("size", "is no size")], job_id="fox")
    told = to_problem(error)
    assert (told.status, told.code, told.job_id) == (400, "invalid_job", "fox")
    assert [(fault.field, fault.message) for fault in told.faults] == [
        ("n", "11 is too big"),
        ("size", "is no size"),
    ]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ConflictingJob([Fault("job_id", "is taken")]), 409, "conflict"),
        (NotAllowed([Fault("tenant", "is not served")]), 403, "not_allowed"),
        (NotAllowed([Fault("tenant", "is full")], code="too_many_jobs"), 429, "too_many_jobs"),
        (IllegalStep("task 0 is done already"), 409, "wrong_state"),
        (RecordGone("gone"), 404, "no_such_job"),
        (StoreUnavailable("secret-account: 503"), 503, "unavailable"),
        (UnreadableRecord("secret-account: version 2"), 500, "unreadable"),
        (ImageJobsError("secret-account"), 500, "unreadable"),
        (refused("too_large", "the body has 9 bytes"), 413, "too_large"),
    ],
)
def test_each_error_has_its_status_and_its_code(
    error: ImageJobsError, status: int, code: str
) -> None:
    told = to_problem(error)
    assert (told.status, told.code) == (status, code)
    assert told.type == f"urn:image-jobs:problem:{code}"


@pytest.mark.parametrize("error", [StoreUnavailable("secret"), UnreadableRecord("secret")])
def test_what_is_wrong_inside_is_not_told(error: ImageJobsError) -> None:
    assert "secret" not in to_problem(error).model_dump_json()


def test_every_code_of_a_rejection_is_one_of_a_problem() -> None:
    assert {code.value for code in REJECTIONS} <= STATUSES.keys() == TITLES.keys()
    assert all(problem(code).detail for code in STATUSES)
