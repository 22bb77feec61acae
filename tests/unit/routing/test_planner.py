from typing import Any

import pytest

from tests.simulation.controlled_job import JOB, after
from tests.simulation.scene import data, run


async def test_a_limit_on_cost_is_kept_over_the_whole() -> None:
    asked = {"job_id": "fox-1", "prompt": "a fox", "model": "gpt-image-2", "quality": "low"}
    one = (await run(asked)).record("fox-1").estimate_usd
    assert one is not None
    dear = await run({**asked, "size": ["1:1", "1024x1024"], "max_cost_usd": one * 1.5})
    assert data(dear)["code"] == "over_cost_limit"
    assert f"${2 * one:.4f}" in data(dear)["faults"][0]["message"]


@pytest.mark.parametrize(
    ("finish", "n", "said"),
    [
        ({"renditions": [{"format": "webp"}], "thumbnail": 64}, 10, "1,000 finished pictures"),
        ({"contact_sheet": True}, 10, None),
    ],
)
async def test_a_finish_of_too_many_pictures_is_refused(
    finish: dict[str, Any], n: int, said: str | None
) -> None:
    known = [f"de-{a}{b}" for a in "ABCDE" for b in "ABCDE"]
    scene = await run({**JOB, "finish": finish, "n": n, "locales": known, "size": ["1:1", "3:2"]})
    if said is None:
        assert scene.world.event_types() == ["image.job.succeeded"]
    else:
        (fault,) = data(scene)["faults"]
        assert fault["field"] == "finish"
        assert said in fault["message"]


async def test_a_call_that_no_day_could_pay_is_refused_before_anything_is_written() -> None:
    scene = await after(DAILY_BUDGET_USD="0.001")
    assert scene.world.event_types() == ["image.job.rejected"]
    assert data(scene)["code"] == "over_cost_limit"
    assert "daily budget of the app" in data(scene)["faults"][0]["message"]
