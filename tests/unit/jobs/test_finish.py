"""What may be made of a job's originals, and what its fault says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.jobs.finish import MAX_FINISHED_EDGE, MAX_FINISHED_PIXELS, Finish
from tests.builders.messages import PROMPT, faults, read


@pytest.mark.parametrize(
    ("field", "value", "path", "says"),
    [
        ("finish", {}, "finish", "is empty"),
        ("finish", {"size": "16:9"}, "finish.size", "like '1200x628'"),
        ("finish", {"size": "9000x10"}, "finish", "an edge has at most 8192"),
        ("finish", {"size": "8192x4097"}, "finish", "the whole picture at most 33,554,432"),
        ("finish", {"how": "resize"}, "finish", "is empty"),
        ("finish", {"renditions": [{"format": "webp"}] * 2}, "finish.renditions", "twice"),
    ],
)
def test_a_finish_out_of_bounds_is_named_with_what_would_be_right(
    field: str, value: object, path: str, says: str
) -> None:
    found = faults(PROMPT | {field: value})
    assert list(found) == [path]
    assert says in found[path]


@pytest.mark.parametrize(
    "finish",
    [
        {"size": "1x1"},
        {"thumbnail": 16},
        {"contact_sheet": True},
        {"renditions": [{"format": "avif"}]},
    ],
)
def test_one_thing_to_make_is_enough(finish: dict[str, object]) -> None:
    made = read(PROMPT | {"finish": finish}).finish
    assert made is not None
    assert made.model_dump(mode="json", exclude_defaults=True) == finish


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_a_size_is_taken_within_its_bounds_and_no_further(width: int, height: int) -> None:
    fits = max(width, height) <= MAX_FINISHED_EDGE and width * height <= MAX_FINISHED_PIXELS
    try:
        Finish(size=f"{width}x{height}")
    except ValidationError:
        assert not fits
    else:
        assert fits
