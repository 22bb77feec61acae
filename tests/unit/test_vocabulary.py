"""Codes and their meanings, blob names, and texts cut to the room there is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.vocabulary import (
    FAILURES,
    REJECTIONS,
    FailureCode,
    RejectionCode,
    clip,
    extension_of,
    job_folder,
    picture_name,
)


@given(st.text(), st.integers(10, 60))
def test_a_clipped_text_fits_and_a_short_one_is_untouched(text: str, limit: int) -> None:
    shorter = clip(text, limit)
    assert len(json.dumps(shorter)) - 2 <= limit
    if len(json.dumps(text)) - 2 <= limit:
        assert shorter == text
    else:
        assert text.startswith(shorter[:-1])
        assert shorter.endswith("…")


def test_every_code_is_documented_in_one_sentence() -> None:
    assert set(REJECTIONS) == set(RejectionCode)
    assert set(FAILURES) == set(FailureCode)
    for meaning in [*REJECTIONS.values(), *FAILURES.values()]:
        assert meaning.endswith(".")


def test_each_run_of_a_job_has_a_folder_of_its_own() -> None:
    folders = [job_folder("fox", run) for run in (1, 2, 3)]
    assert folders == ["fox", "fox/run-2", "fox/run-3"]


@pytest.mark.parametrize(
    ("content_type", "name"),
    [("image/png", "pictures/7d2c.png"), ("image/jpeg", "pictures/7d2c.jpg")],
)
def test_a_picture_to_edit_is_named_by_its_bytes_and_its_kind(content_type: str, name: str) -> None:
    assert picture_name("7d2c", content_type) == name


@pytest.mark.parametrize(
    ("encoding", "extension"),
    [
        ("png", "png"),
        ("jpeg", "jpg"),
        ("webp", "webp"),
        ("image/png", "png"),
        ("image/jpeg", "jpg"),
    ],
)
def test_an_encoding_has_one_extension_however_it_is_named(encoding: str, extension: str) -> None:
    assert extension_of(encoding) == extension
