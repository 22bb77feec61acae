from typing import Any

import pytest
from hypothesis import given

from shared.catalogue.models import extend_catalogue, read_builtin
from shared.jobs.job import Job
from shared.routing.decision import decide
from shared.routing.router import route
from tests.builders.routed import TODAY, job_of, plan, refusal
from tests.builders.strategies import deployment, jobs


@pytest.mark.parametrize(
    ("size", "pixels"),
    [
        ("auto", (1024, 1024)), ("large", (1024, 1024)), ("1:1", (1024, 1024)),
        ("3:2", (1536, 1024)), ("2:3", (1024, 1536)), ("small 3:2", (1536, 1024)),
        ("16:9", (1280, 720)), ("1k", (1024, 1024)), ("2k", (2048, 2048)), ("4k", (3840, 2160)),
        ("1k 16:9", (1280, 720)), ("2k 16:9", (2560, 1440)), ("16:9 4k", (3840, 2160)),
        ("4k 1:1", (2880, 2880)), ("1k 3:2", (1248, 832)), ("1920x1088", (1920, 1088)),
    ],
)  # fmt: skip
def test_a_size_within_the_limits_is_made_as_asked(size: str, pixels: tuple[int, int]) -> None:
    made = plan(size=size, fit="reject")
    assert (made.width, made.height) == pixels
    assert [one for one in made.adjustments if one.asked] == []


def test_an_oversize_is_scaled_to_the_largest_that_fits() -> None:
    made = plan(size="7680x4320")
    assert (made.width, made.height) == (3840, 2160)
    (change,) = made.adjustments
    assert (change.field, change.asked, change.decided) == ("size", "7680x4320", "3840x2160")
    assert "above 3840" in change.reason


def test_a_size_off_the_grid_is_refused_with_the_rule_and_the_nearest() -> None:
    said = refusal(size="1920x1080", fit="reject")
    for part in ("1920x1080", "multiples of 16", "1920x1088"):
        assert part in said


@pytest.mark.parametrize(
    ("model", "size", "made", "rule"),
    [
        ("MAI-Image-2.5", "2k", "1024x1024", "2k is 1,048,577 to"),
        ("MAI-Image-2.5", "2:1", "1360x768", "above 1.778:1"),
        ("MAI-Image-2.5", "1536x1024", "1248x832", "above 1,048,576"),
        ("gpt-image-1.5", "16:9", "1536x1024", "16:9 is not available"),
        ("gpt-image-1.5", "4k", "1536x1024", "16:9 is not available"),
        ("gpt-image-1.5", "1k 3:2", "1536x1024", "1k is 1 to"),
        ("gpt-image-2", "4:1", "1728x576", "above 3:1"),
        ("FLUX.2-pro", "4k", "2560x1440", "4k is 4,194,305 to"),
        ("FLUX.2-pro", "1k 1:18", "256x4608", "1k is 1 to"),
    ],
)
def test_a_class_out_of_reach_is_scaled_or_refused(
    model: str, size: str, made: str, rule: str
) -> None:
    scaled = plan(deployment(model), size=size)
    assert f"{scaled.width}x{scaled.height}" == made
    assert any(rule in change.reason for change in scaled.adjustments if change.asked)
    said = refusal(deployment(model), size=size, fit="reject")
    assert rule in said
    assert made in said


@pytest.mark.parametrize(
    ("asked", "routing", "quality", "tier", "bucket"),
    [
        ({}, "legacy", "medium", "standard", 48),
        ({"size": "small"}, "legacy", "low", "small", 16),
        ({"size": "large 16:9"}, "legacy", "high", "large", 96),
        ({"size": "1536x1024"}, "legacy", "medium", "standard", 48),
        ({"size": "1k"}, "bucket", "medium", "standard", 48),
        ({"size": "4k"}, "bucket", "high", "large", 96),
        ({"size": "1920x1088"}, "bucket", "medium", "standard", 48),
        ({"size": "1936x1088"}, "bucket", "high", "large", 96),
        ({"size": "4k", "routing": "legacy"}, "legacy", "medium", "standard", 48),
        ({"size": "1024x1024", "routing": "bucket"}, "bucket", "medium", "standard", 48),
        ({"size": "4k", "quality": "low"}, "bucket", "low", "small", 16),
    ],
)
def test_routing_decides_the_quality(
    asked: dict[str, Any], routing: str, quality: str, tier: str, bucket: int
) -> None:
    made = plan(**asked)
    assert (made.routing, made.quality, made.tier, made.bucket) == (routing, quality, tier, bucket)


def test_a_bucket_without_a_level_takes_the_next_not_lower_and_says_so() -> None:
    made = plan(size="1k")
    (change,) = made.adjustments
    assert change.asked is None
    assert change.reason == (
        "gpt-image-2 has no level with bucket 36; medium (48) is the next higher"
    )
    exact = plan(deployment("gpt-image-2.5-flare"), size="1920x1088")
    assert (exact.quality, exact.bucket, exact.tier, exact.adjustments) == ("high", 48, "large", ())


@given(jobs(quality="auto", routing="bucket"))
def test_nothing_above_high_is_chosen_unasked(job: Job) -> None:
    for model in read_builtin().models.values():
        decision = decide(job, model, read_builtin(), prompt_characters=1)
        assert decision.level is None or decision.level.name in {"low", "medium", "high"}
    flare = plan(deployment("gpt-image-2.5-flare"), size="4k")
    assert flare.quality == "high"
    assert "high (48) is the highest chosen unasked" in flare.adjustments[0].reason


def test_a_bucket_above_every_level_takes_the_highest() -> None:
    own = "[models.gpt-image-2.qualities.high]\nbucket = 64"
    job = job_of(size="4k")
    (made,) = route(
        job,
        catalogue=extend_catalogue(read_builtin(), own),
        deployments=[deployment("gpt-image-2")],
        today=TODAY,
        prompt_characters=1,
    )
    assert made.quality == "high"
    assert "is the highest chosen unasked" in made.adjustments[0].reason


def test_an_explicit_quality_wins_over_a_tier_and_says_so() -> None:
    made = plan(size="large", quality="low")
    assert made.quality == "low"
    assert [(one.asked, one.decided) for one in made.adjustments] == [("large", "1024x1024, low")]
    assert plan(size="small", quality="low").adjustments == ()


def test_bucket_routing_asked_for_wins_over_a_tier_and_says_so() -> None:
    made = plan(size="small", routing="bucket")
    assert made.quality == "medium"
    assert "bucket routing was requested" in made.adjustments[-1].reason


def test_a_model_without_buckets_is_routed_by_tiers() -> None:
    asked = plan(deployment("gpt-image-1.5"), routing="bucket")
    assert (asked.routing, asked.quality) == ("legacy", "medium")
    assert [one.field for one in asked.adjustments] == ["routing"]
    silent = plan(deployment("gpt-image-1.5"), size="1k")
    assert (silent.routing, silent.adjustments) == ("legacy", ())


@pytest.mark.parametrize(
    ("model", "options", "says"),
    [
        (
            "gpt-image-2",
            {"seed": 1},
            "models that do: FLUX.2-pro, FLUX.2-flex; its own: moderation",
        ),
        (
            "gpt-image-2",
            {"moderation": "off"},
            "'off' is not allowed for gpt-image-2; use 'auto' or",
        ),
        ("gpt-image-2", {"colour": "red"}, "models that do: none"),
        ("gpt-image-1.5", {"input_fidelity": "high"}, "takes it for edits only; set inputs"),
        ("gpt-image-1-mini", {"input_fidelity": "high"}, "models that do: gpt-image-1.5, gpt-im"),
        ("FLUX.2-pro", {"seed": -1}, "-1 is not allowed for FLUX.2-pro; use a whole number from 0"),
        ("FLUX.2-pro", {"seed": True}, "true is not allowed"),
        ("FLUX.2-pro", {"seed": 1.5}, "1.5 is not allowed"),
        ("FLUX.2-pro", {"seed": "1"}, "'1' is not allowed"),
        ("FLUX.2-pro", {"steps": 20}, "models that do: FLUX.2-flex"),
        (
            "FLUX.2-flex",
            {"guidance": 11},
            "11 is not allowed for FLUX.2-flex; use a number from 1.5",
        ),
        ("MAI-Image-2.6", {"web_grounding": 1}, "use true or false"),
    ],
)
def test_an_option_is_refused_with_what_the_model_takes(
    model: str, options: dict[str, Any], says: str
) -> None:
    said = refusal(deployment(model), model=model, options=options)
    assert said.startswith(f"options.{next(iter(options))}: ")
    assert says in said


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("gpt-image-2", {"options": {"moderation": "low"}}),
        ("gpt-image-1.5", {"options": {"input_fidelity": "high"}, "inputs": ("a.png",)}),
        ("FLUX.2-pro", {"options": {"seed": 0, "safety_tolerance": 6}}),
        ("FLUX.2-flex", {"options": {"seed": 42, "guidance": 2, "steps": 50}}),
        ("MAI-Image-2.7", {"options": {"auto_aspect_ratio": True, "web_grounding": False}}),
    ],
)
def test_an_option_goes_into_the_request_of_a_model_that_takes_it(
    model: str, asked: dict[str, Any]
) -> None:
    made = plan(deployment(model), **asked)
    assert asked["options"].items() <= made.parameters.items()
    assert made.adjustments == ()


def test_auto_finds_the_model_that_takes_all_options() -> None:
    served = map(deployment, ("gpt-image-2", "FLUX.2-pro", "FLUX.2-flex"))
    assert plan(*served, options={"seed": 1, "steps": 20}).model == "FLUX.2-flex"


def test_the_service_chooses_the_quality_where_the_model_accepts_that() -> None:
    flare = plan(deployment("gpt-image-2.5-flare"), routing="service", size="large 16:9")
    assert (flare.routing, flare.quality, flare.parameters["quality"]) == ("service",) + 2 * (
        "auto",
    )
    assert (flare.tier, flare.bucket) == (None, None)
    high = plan(deployment("gpt-image-2.5-flare"), quality="high", size="large 16:9")
    assert flare.estimate_usd == high.estimate_usd
    (change,) = flare.adjustments
    assert (change.field, change.reason) == (
        "size", "service routing was requested and decides the quality"
    )  # fmt: skip
    two = plan(routing="service", size="4k")
    assert (two.routing, two.quality) == ("bucket", "high")
    assert two.adjustments[0].reason == "gpt-image-2 does not support service"
    named = plan(deployment("gpt-image-2.5-flare"), routing="service", quality="low")
    assert named.parameters["quality"] == "low"


def test_a_model_without_levels_drops_quality_and_tier_and_says_so() -> None:
    made = plan(deployment("MAI-Image-2.5"), size="large", quality="high")
    assert (made.quality, made.tier, made.bucket) == (None, None, None)
    assert [(one.field, one.asked) for one in made.adjustments] == [
        ("quality", "high"), ("size", "large"),
    ]  # fmt: skip


def test_every_fault_is_told_and_not_the_first() -> None:
    said = refusal(
        deployment("MAI-Image-2.6"), model="MAI-Image-2.6", format="jpeg", size="8000x100",
        fit="reject", characters=40_000,
    )  # fmt: skip
    for part in ("8000x100", "'jpeg'", "40,000", "32,000"):
        assert part in said
    assert "'transparent'" in refusal(deployment("FLUX.2-pro"), background="transparent")
    assert "2 pictures" in refusal(deployment("MAI-Image-2.5"), inputs=["a.png", "b.png"])
    said = refusal(quality="xhigh", model="gpt-image-2")
    assert "'xhigh'" in said
    assert "low, medium, high" in said


def test_previews_are_refused_where_the_model_or_its_deployments_stream_none() -> None:
    said = refusal(deployment("MAI-Image-2.6"), model="MAI-Image-2.6", previews=1)
    assert said.startswith("previews: is 1; MAI-Image-2.6 streams no partial pictures")
    said = refusal(deployment("quiet", model="gpt-image-2", stream=False), previews=3)
    assert said.startswith("previews: every deployment of gpt-image-2 has stream off")


def test_previews_are_made_by_a_model_and_by_deployments_that_stream_them() -> None:
    quiet, loud = (
        deployment(name, model="gpt-image-2", stream=name == "loud") for name in ("quiet", "loud")
    )
    made = plan(deployment("MAI-Image-2.6"), quiet, loud, previews=2, n=4, locales=["de", "ja"])
    assert (made.model, made.deployments) == ("gpt-image-2", ("loud",))
    assert (made.previews, made.stream, made.per_call, made.calls) == (2, True, 1, 8)
    assert made.parameters["n"] == 1


def test_a_compression_that_a_model_does_not_know_is_dropped_and_said() -> None:
    made = plan(deployment("FLUX.2-pro"), format="jpeg", compression=80)
    assert (made.compression, made.adjustments[0].asked) == (None, "80")
    kept = plan(format="jpeg", compression=80)
    assert (kept.compression, kept.parameters["output_compression"]) == (80, 80)
