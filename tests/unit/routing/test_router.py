from typing import Any

import pytest
from hypothesis import given

from shared.catalogue.models import read_builtin
from shared.catalogue.sizes import find_broken_rules
from shared.errors import UnsupportedRequest
from shared.images_api.requests import build_request
from shared.jobs.job import Job
from shared.routing.plan import Plan
from shared.routing.router import route
from tests.builders.routed import TODAY, job_of, plan, refusal
from tests.builders.strategies import deployment, every_deployment, jobs

EVERY = every_deployment()
#: Members of a body that no field of a job sets.
ALWAYS = {"prompt", "model", "stream", "partial_images"}


def test_an_unknown_or_unconfigured_model_is_told() -> None:
    assert "did you mean gpt-image-2" in refusal(model="gpt-image-3")
    said = refusal(model="gpt-image-1.5")
    assert "'gpt-image-1.5'" in said
    assert "configured models: gpt-image-2" in said
    job = job_of()
    with pytest.raises(UnsupportedRequest, match="needs a deployment, but none is configured"):
        route(job, catalogue=read_builtin(), deployments=[], today=TODAY, prompt_characters=1)


@pytest.mark.parametrize(
    ("served", "asked", "chosen"),
    [
        # The first that does it as asked; the order is the operator's preference.
        (["gpt-image-2", "gpt-image-1-mini"], {}, "gpt-image-2"),
        (["gpt-image-1-mini", "gpt-image-2"], {}, "gpt-image-1-mini"),
        (["gpt-image-1-mini", "gpt-image-2"], {"size": "4k"}, "gpt-image-2"),
        (["FLUX.2-pro", "gpt-image-2"], {"quality": "high"}, "gpt-image-2"),
        (["gpt-image-2", "gpt-image-2.5-flare"], {"quality": "max"}, "gpt-image-2.5-flare"),
        # None can exactly: the first that can after adjusting.
        (["MAI-Image-2.6", "FLUX.2-pro"], {"quality": "low"}, "MAI-Image-2.6"),
        # Not retired before retired.
        (["MAI-Image-2.5-Flash", "gpt-image-2"], {"size": "1k"}, "gpt-image-2"),
        # The limit of the job is part of what was asked.
        (["MAI-Image-2.6-Flash", "gpt-image-2"], {}, "MAI-Image-2.6-Flash"),
        (["MAI-Image-2.6-Flash", "gpt-image-2"], {"max_cost_usd": 1.0}, "gpt-image-2"),
        (
            ["gpt-image-2", "gpt-image-2.5-flare"],
            {"quality": "high", "max_cost_usd": 0.1},
            "gpt-image-2.5-flare",
        ),
        # Too little for any: the first says so.
        (["gpt-image-2", "gpt-image-1-mini"], {"max_cost_usd": 0.001}, "gpt-image-2"),
        # Cheapest of those that do it as asked, with a known price before an unknown one.
        (["gpt-image-2", "gpt-image-1-mini"], {"model": "cheapest"}, "gpt-image-1-mini"),
        (
            ["gpt-image-1-mini", "gpt-image-2", "gpt-image-2.5-flare"],
            {"model": "cheapest", "size": "4k", "quality": "high"},
            "gpt-image-2.5-flare",
        ),
        (["MAI-Image-2.6-Flash", "gpt-image-2"], {"model": "cheapest"}, "gpt-image-2"),
        # The service chooses the quality, where the model lets it.
        (["gpt-image-2", "gpt-image-2.5-flare"], {"routing": "service"}, "gpt-image-2.5-flare"),
        # What it can't do at all is no choice, however cheap.
        (["FLUX.2-pro", "gpt-image-2"], {"background": "transparent"}, "gpt-image-2"),
    ],
)
def test_auto_takes_the_best_configured_model(
    served: list[str], asked: dict[str, Any], chosen: str
) -> None:
    assert plan(*map(deployment, served), **asked).model == chosen


def test_when_no_model_can_each_says_why() -> None:
    said = refusal(deployment("MAI-Image-2.6"), deployment("FLUX.2-pro"), background="transparent")
    assert "MAI-Image-2.6 can't make the background" in said
    assert "FLUX.2-pro can't make the background" in said


def test_all_deployments_of_the_model_are_kept_in_order() -> None:
    served = [deployment(name, model="gpt-image-2") for name in ("west", "east")]
    made = plan(*served, deployment("gpt-image-2.5-flare"), model="gpt-image-2")
    assert made.deployments == ("west", "east")


@pytest.mark.parametrize(
    ("asked", "expected", "limit"),
    [
        ({"quality": "low"}, 23, 420),
        ({"quality": "medium"}, 60, 420),
        ({"quality": "high"}, 151, 755),
        ({"quality": "low", "size": "2k"}, 46, 420),
        ({"quality": "low", "n": 3}, 46, 420),
        ({"quality": "medium", "size": "4k 1:1"}, 168.75, 843.75),
    ],
)
def test_the_limit_of_a_call_follows_its_expected_seconds(
    asked: dict[str, Any], expected: float, limit: float
) -> None:
    made = plan(**asked)
    assert made.expected_seconds == pytest.approx(expected, abs=0.1)
    assert made.call_limit_seconds == pytest.approx(limit, abs=0.1)


def test_several_pictures_are_one_call_where_the_model_makes_several() -> None:
    made = plan(n=3)
    assert (made.calls, made.per_call, made.stream, made.parameters["n"]) == (1, 3, False, 3)
    assert plan().stream


def test_the_estimate_of_a_plan_and_of_each_call_has_the_previews() -> None:
    plain, shown = plan(quality="low", n=1), plan(quality="low", n=2, previews=3)
    extra = 300 * 30 / 1e6
    assert shown.estimate_usd == pytest.approx(2 * ((plain.estimate_usd or 0) + extra))
    assert shown.estimate_call(1) == pytest.approx((plain.estimate_usd or 0) + extra)
    assert "300 for 3 previews" in shown.estimate_basis
    assert "previews" not in plain.model_dump()


def test_several_pictures_are_several_calls_where_it_makes_one() -> None:
    made = plan(deployment("MAI-Image-2.6-Flash"), n=3)
    assert (made.calls, made.per_call, made.pictures) == (3, 1, 3)
    assert not made.stream
    assert made.estimate_usd is None


def test_warnings_tell_of_retirement_and_of_experimental_sizes() -> None:
    assert "retires on 2026-12-16" in plan(deployment("gpt-image-1.5")).warnings[0]
    assert "experimental" in plan(size="4k").warnings[0]
    assert plan().warnings == ()


def test_reasons_are_sentences_and_the_plan_keeps_what_was_asked() -> None:
    made = plan(size="2k 16:9")
    assert made.asked_size == "2k 16:9"
    assert made.asked_model == made.asked_quality == made.asked_routing == "auto"
    assert all(reason.endswith(".") for reason in made.reasons)
    assert any("needs bucket 64" in reason for reason in made.reasons)


@given(jobs())
def test_every_plan_is_one_that_its_model_accepts(job: Job) -> None:
    catalogue = read_builtin()
    try:
        (made,) = route(
            job, catalogue=catalogue, deployments=EVERY, today=TODAY, prompt_characters=16
        )
    except UnsupportedRequest as refused:
        named = {"size": job.size, "quality": job.quality, "format": job.format,
                 "background": job.background, "previews": job.previews}  # fmt: skip
        for fault in refused.faults:
            assert fault.field in named
        return
    model = catalogue.get(made.model)
    assert find_broken_rules(model.sizes, made.width, made.height) == ()
    levels = {level.name for level in model.qualities}
    assert made.quality in levels | ({"auto"} if model.auto_quality else set()) or not levels
    assert set(made.parameters) <= set(model.parameters)
    assert made.estimate_usd is None or made.estimate_usd > 0
    assert Plan.model_validate_json(made.model_dump_json()) == made
    assert made.pictures == job.n <= made.calls * made.per_call
    (served,) = [one for one in EVERY if one.name == made.deployments[0]]
    for n in (1, made.per_call):
        request = build_request(made, served, n=n, prompt="a fox")
        assert set(request.body) <= {*model.parameters, *ALWAYS}
        assert request.stream is (request.body.get("stream", False))
        assert request.body.get("partial_images", 0) == job.previews <= model.max_previews


@given(jobs(model="gpt-image-2", fit="reject"))
def test_every_refusal_names_the_value(job: Job) -> None:
    try:
        (made,) = route(
            job, catalogue=read_builtin(), deployments=EVERY, today=TODAY, prompt_characters=16
        )
    except UnsupportedRequest as refused:
        said = str(refused)
        assert repr(job.quality) in said or "is not a size of gpt-image-2" in said
    else:
        assert all(one.field != "size" or "tier" in one.reason or "bucket" in one.reason
                   for one in made.adjustments)  # fmt: skip


def test_an_oversize_goes_to_the_model_that_comes_nearest_and_not_to_the_cheapest() -> None:
    served = (deployment("gpt-image-1-mini"), deployment("gpt-image-2"))
    chosen = [plan(*served, model="cheapest", size=size).model for size in ("7680x4320", "1:1")]
    assert chosen == ["gpt-image-2", "gpt-image-1-mini"]


def test_a_price_decides_between_models_that_come_about_as_near() -> None:
    served = (deployment("gpt-image-2"), deployment("gpt-image-2.5-flare"))
    dear, cheap = (plan(one, size="7680x4320", quality="medium").estimate_usd for one in served)
    assert dear is not None
    assert cheap is not None
    cheapest = plan(*served, model="cheapest", size="7680x4320", quality="medium")
    assert cheapest.estimate_usd == min(dear, cheap)
    assert "cheapest of 2 configured that comes nearest to the job" in cheapest.reasons[0]


@given(jobs(model="cheapest"))
def test_no_model_that_makes_the_job_as_asked_is_cheaper_than_the_cheapest(job: Job) -> None:
    def plan_with(model: str) -> Plan | None:
        asked = job.model_copy(update={"model": model})
        try:
            (made,) = route(
                asked, catalogue=read_builtin(), deployments=EVERY, today=TODAY, prompt_characters=1
            )
        except UnsupportedRequest:
            return None
        return made

    chosen = plan_with("cheapest")
    for model in read_builtin().models.values():
        other = plan_with(model.name)
        if other is None or model.retired(TODAY) or any(one.asked for one in other.adjustments):
            continue
        assert chosen is not None
        assert chosen.estimate_usd is not None
        assert other.estimate_usd is None or chosen.estimate_usd <= other.estimate_usd
