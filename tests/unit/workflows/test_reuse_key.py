"""The key of a request: equal exactly where the pictures would be shaped alike."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidJob
from shared.jobs.prompts import localize_prompt
from shared.pictures.inputs import InputPicture
from shared.workflows.reuse import reuse_key
from tests.builders.messages import read
from tests.builders.routed import plans
from tests.builders.strategies import deployment

ASKED = {"prompt": "a fox in the snow", "model": "gpt-image-2", "reuse": "30d"}
INPUT = InputPicture(
    blob="fox.png", version="1", content_type="image/png", width=64, height=64, bytes=9
)
#: Fields that shape nothing.
BESIDE = {
    "job_id": "other",
    "tags": {"campaign": "winter"},
    "reply_to": "replies",
    "callback": "https://hooks.example/in",
    "publish_pictures": True,
    "reuse": "1h",
    "priority": "low",
    "deadline": "2027-01-01T00:00:00Z",
    "max_cost_usd": 9.0,
    "on_unknown": "fail",
    "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
}
SHAPING: dict[str, Any] = {
    "prompt": "a fox in the rain",
    "model": "gpt-image-2.5-flare",
    "size": "1536x1024",
    "quality": "high",
    "n": 2,
    "format": "jpeg",
    "background": "opaque",
    "options": {"moderation": "low"},
    "locales": ["de"],
    "finish": {"thumbnail": 64},
}
SERVED = (deployment("gpt-image-2"), deployment("gpt-image-2.5-flare"))


def key_of(
    asked: dict[str, Any], *inputs: tuple[InputPicture, str], bodies: dict[str, Any] | None = None
) -> str:
    job = read(ASKED | asked)
    shaped = {name: getattr(job, name) for name in SHAPING if name != "prompt"}
    prompts = [localize_prompt(job.prompt or "", each) for each in job.locales or (None,)]
    return reuse_key(
        job, plans(*SERVED, **shaped), prompts=prompts, inputs=inputs, bodies=bodies or {}
    )


@given(st.sets(st.sampled_from(sorted(BESIDE))))
def test_what_shapes_no_picture_changes_no_key(names: set[str]) -> None:
    assert key_of({name: BESIDE[name] for name in names}) == key_of({})


@given(
    st.sets(st.sampled_from(sorted(SHAPING))),
    st.sets(st.sampled_from(sorted(SHAPING))),
)
def test_whatever_shapes_a_picture_is_in_the_key(one: set[str], other: set[str]) -> None:
    keys = [key_of({name: SHAPING[name] for name in names}) for names in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


def test_an_input_counts_by_its_bytes_and_its_role() -> None:
    plain = key_of({}, (INPUT, "a" * 64))
    moved = INPUT.model_copy(update={"blob": "other.png", "version": "2"})
    assert key_of({}, (moved, "a" * 64)) == plain
    assert key_of({}, (INPUT, "b" * 64)) != plain
    assert key_of({}, (INPUT.model_copy(update={"role": "mask"}), "a" * 64)) != plain
    assert key_of({}) != plain


def test_what_a_deployment_adds_to_the_request_counts() -> None:
    assert key_of({}, bodies={"gpt-image-2": {"style": "x"}}) != key_of({})


@pytest.mark.parametrize("reuse", ["0d", "30", "d", "30m", "-1d", "99999d", "1 d", "³d"])
def test_a_time_that_is_no_number_of_hours_or_days_is_refused(reuse: str) -> None:
    with pytest.raises(InvalidJob, match="write hours or days"):
        read({"prompt": "a fox", "reuse": reuse})
