from datetime import date
from typing import get_args

import pytest

from shared.catalogue.models import Model, Parameter, extend_catalogue, read_builtin
from shared.catalogue.sizes import find_broken_rules

TODAY = date(2026, 11, 22)
ROWS = list(read_builtin().models)


def test_the_catalogue_holds_the_models_of_the_line_up() -> None:
    assert set(ROWS) == {
        "gpt-image-2",
        "gpt-image-2.5-flare",
        "gpt-image-2.5-sunburst",
        "gpt-image-1.5",
        "gpt-image-1",
        "gpt-image-1-mini",
        "MAI-Image-2e",
        "MAI-Image-2.5",
        "MAI-Image-2.5-Flash",
        "MAI-Image-2.5-Pro",
        "MAI-Image-2.6",
        "MAI-Image-2.6-Flash",
        "MAI-Image-2.7",
        "MAI-Image-2.7-Flash",
        "FLUX.2-pro",
        "FLUX.2-flex",
    }


@pytest.mark.parametrize("name", ROWS)
def test_every_fact_that_may_change_has_its_source(name: str) -> None:
    model = read_builtin().get(name)
    for field in ("url", "scope", "sizes", "parameters", "rpm", "prices", "max_prompt_characters"):
        assert model.sources.get(field), field
    if model.qualities:
        assert model.sources.get("qualities")
    if model.retires:
        assert model.sources.get("retires")


@pytest.mark.parametrize(
    ("name", "largest", "inputs", "usd"),
    [
        ("MAI-Image-2.5-Pro", 1024, 1, 106),
        ("MAI-Image-2e", 1024, 1, 19.5),
        ("MAI-Image-2.6", 1536, 5, 38),
        ("MAI-Image-2.6-Flash", 1536, 5, None),
        ("MAI-Image-2.7", 2048, 5, 34),
        ("MAI-Image-2.7-Flash", 2048, 5, 34),
    ],
)
def test_a_mai_model_has_its_own_area_references_and_price(
    name: str, largest: int, inputs: int, usd: float | None
) -> None:
    model = read_builtin().get(name)
    assert find_broken_rules(model.sizes, largest, largest) == ()
    assert find_broken_rules(model.sizes, largest + 16, largest) != ()
    assert model.max_inputs == inputs
    assert (model.prices and model.prices.image_out) == usd
    assert model.transparent is ("2.7" in name) is ("background" in model.parameters)


@pytest.mark.parametrize("model", read_builtin().models.values(), ids=lambda model: model.name)
def test_options_have_a_source_and_no_name_that_a_field_sets(model: Model) -> None:
    assert not set(model.options) & {*get_args(Parameter.__value__), "prompt", "model", "user"}
    assert not model.options or model.sources.get("options")


def test_levels_have_the_published_buckets_and_grids() -> None:
    def grids(name: str) -> dict[str, tuple[int | None, int | None]]:
        return {
            level.name: (level.bucket, level.grid) for level in read_builtin().get(name).qualities
        }

    assert grids("gpt-image-2") == {"low": (16, 16), "medium": (48, 32), "high": (96, 64)}
    assert grids("gpt-image-2.5-sunburst") == {
        "low": (16, None),
        "medium": (24, None),
        "high": (48, None),
        "xhigh": (64, None),
        "max": (96, None),
    }
    assert grids("gpt-image-1-mini") == {
        "low": (None, 16),
        "medium": (None, 32),
        "high": (None, 64),
    }


def test_a_model_that_ends_soon_or_has_ended_says_so() -> None:
    catalogue = read_builtin()
    assert catalogue.get("gpt-image-2").warning(TODAY) is None
    soon = catalogue.get("gpt-image-1.5").warning(TODAY)
    assert soon == (
        "gpt-image-1.5 retires on 2026-12-16, in 24 days; its replacement is gpt-image-2"
    )
    gone = catalogue.get("gpt-image-1").warning(TODAY)
    assert gone is not None
    assert "was retired on 2026-10-23" in gone
    assert catalogue.get("gpt-image-1").retired(TODAY)
    assert not catalogue.get("MAI-Image-2.6").retired(TODAY)


def test_notice_is_given_sixty_days_ahead_and_no_earlier() -> None:
    model = read_builtin().get("gpt-image-2")
    assert model.warning(date(2027, 2, 19)) is None
    assert model.warning(date(2027, 2, 20)) == "gpt-image-2 retires on 2027-04-21, in 60 days"
    assert model.warning(date(2027, 4, 20)) == "gpt-image-2 retires on 2027-04-21, in 1 day"


def test_the_version_of_a_shape_that_is_not_the_models_own() -> None:
    model = read_builtin().get("gpt-image-2")
    assert model.api_version_for("deployment") == "2025-04-01-preview"
    assert model.api_version_for("v1") == "preview"
    assert read_builtin().get("MAI-Image-2.5").api_version_for("mai") == ""


def test_an_unknown_name_is_told_with_the_close_ones() -> None:
    with pytest.raises(LookupError, match=r"'mai-image-2\.5'.*did you mean MAI-Image-2\.5"):
        read_builtin().get("mai-image-2.5")
    with pytest.raises(LookupError, match=r"'zzz'.*use one of FLUX"):
        read_builtin().get("zzz")


def test_one_fact_of_a_model_can_be_changed() -> None:
    own = "[models.gpt-image-2]\nrpm = 60\nprices.image_out = 25.0\nqualities.low.seconds = 10"
    model = extend_catalogue(read_builtin(), own).get("gpt-image-2")
    before = read_builtin().get("gpt-image-2")
    assert model.rpm == 60
    assert model.prices is not None
    assert (model.prices.image_out, model.prices.text_in) == (25.0, 5.0)
    assert [level.seconds for level in model.qualities] == [10, 60, 151]
    assert model.sizes == before.sizes


def test_a_model_can_be_added_as_a_copy_of_another() -> None:
    own = (
        '{"models": {"house": {"like": "gpt-image-2", "retires": null, "prices": null, '
        '"sizes": {"kind": "fixed", "sizes": [[1024, 1024]]}, "usual_sizes": [[1024, 1024]]}}}'
    )
    catalogue = extend_catalogue(read_builtin(), own)
    house = catalogue.get("house")
    assert (house.name, house.retires, house.prices) == ("house", None, None)
    assert house.sizes.kind == "fixed"
    assert catalogue.get("gpt-image-2") == read_builtin().get("gpt-image-2")
