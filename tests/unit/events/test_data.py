"""Data copies the fields of its source that have the same name, and no others."""

from dataclasses import dataclass

import pytest
from pydantic import Field, ValidationError

from shared.events.data import Data


class Parcel(Data):
    name: str
    grams: int = Field(gt=0)
    label: str = "none"


@dataclass(frozen=True)
class Source:
    name: str
    grams: int
    note: str = "kept"


def test_fields_of_the_same_name_are_copied_and_no_others() -> None:
    copied = Parcel.copy_from(Source("fox", 12))
    assert copied == Parcel(name="fox", grams=12)
    assert "kept" not in copied.model_dump_json()


def test_a_given_field_wins_over_the_one_of_the_source() -> None:
    assert Parcel.copy_from(Source("fox", 12), name="owl", label="new") == Parcel(
        name="owl", grams=12, label="new"
    )


@pytest.mark.parametrize("fields", [{"grams": 0}, {"colour": "red"}])
def test_what_the_model_does_not_allow_is_not_copied_in(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Parcel.copy_from(Source("fox", 12), **fields)
