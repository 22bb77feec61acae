"""Whether an app takes a job: its plans, or every reason why it does not."""

from typing import Any

import pytest

from shared.errors import UnsupportedRequest
from shared.jobs.job import Finish, Job, Rendition
from shared.routing.plan import Plan, estimate_usd
from shared.routing.planner import find_setting_faults, make_plans
from tests.builders.routed import TODAY, job_of
from tests.simulation.controlled_job import JOB, after
from tests.simulation.scene import configured, data, run


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


async def test_a_call_that_no_day_of_its_tenant_could_pay_is_refused_too() -> None:
    tenants = '[{"name": "default", "daily_budget_usd": 0.001}]'
    scene = await after(TENANTS=tenants, DAILY_BUDGET_USD="100")
    assert data(scene)["code"] == "over_cost_limit"
    assert "daily budget of the tenant 'default', $0.001" in data(scene)["faults"][0]["message"]


def plans_of(job: Job, **settings: str) -> tuple[Plan, ...]:
    return make_plans(job, configured(**settings), prompt_characters=0, today=TODAY)


def test_every_fault_that_the_settings_find_is_reported_at_once() -> None:
    eight = tuple(Rendition(format="webp", quality=quality) for quality in range(1, 9))
    job = job_of(
        locales=("de", "qq"),
        reply_to="secrets",
        n=10,
        models=("gpt-image-2", "MAI-Image-2.5"),
        size=("1:1", "3:2"),
        finish=Finish(renditions=eight),
    )
    faults = find_setting_faults(job, configured().settings)
    assert [fault.field for fault in faults] == ["locales[1]", "finish", "reply_to"]


def test_a_reply_queue_that_is_not_allowed_is_reported_with_those_that_are() -> None:
    (fault,) = find_setting_faults(job_of(reply_to="secrets"), configured().settings)
    assert "replies-*" in fault.message
    assert find_setting_faults(job_of(reply_to="replies-shop"), configured().settings) == ()


def test_a_limit_of_the_job_holds_for_all_its_plans_and_no_less() -> None:
    asked = job_of(model="gpt-image-2", size=("1:1", "3:2"))
    total = estimate_usd(plans_of(asked))
    assert total is not None
    for limit, fits in ((total, True), (total - 0.0001, False)):
        job = asked.model_copy(update={"max_cost_usd": limit})
        if fits:
            assert plans_of(job) == plans_of(asked)
            continue
        with pytest.raises(UnsupportedRequest, match=f"{total:.4f}") as caught:
            plans_of(job)
        assert (caught.value.code, caught.value.job_id) == ("over_cost_limit", "job-1")


@pytest.mark.parametrize("settings", [{}, {"DAILY_BUDGET_USD": "100"}])
def test_a_price_that_is_not_known_keeps_no_limit(settings: dict[str, str]) -> None:
    job = job_of(model="MAI-Image-2.6-Flash", max_cost_usd=None if settings else 5)
    given = settings | {"FOUNDRY_DEPLOYMENTS": '[{"name": "MAI-Image-2.6-Flash"}]'}
    with pytest.raises(UnsupportedRequest, match=r"price of MAI-Image-2\.6-Flash is") as caught:
        plans_of(job, **given)
    assert caught.value.code == "over_cost_limit"


def test_a_prompt_is_measured_in_its_longest_locale() -> None:
    longest = job_of(model="gpt-image-2").model_copy(update={"prompt": "x" * 32_000})
    assert plans_of(longest)
    with pytest.raises(UnsupportedRequest, match="prompt"):
        plans_of(longest.model_copy(update={"locales": ("de",)}))


@pytest.mark.parametrize(("model", "taken"), [("gpt-image-2", False), ("FLUX.2-pro", True)])
def test_a_webp_is_for_models_that_take_it(model: str, taken: bool) -> None:  # noqa: FBT001 (a table's column)
    configuration = configured(FOUNDRY_DEPLOYMENTS=f'[{{"name": "{model}"}}]')

    def plans() -> tuple[Plan, ...]:
        return make_plans(
            job_of(inputs=("a.webp",)),
            configuration,
            prompt_characters=0,
            today=TODAY,
            input_types=["image/webp"],
        )

    if taken:
        assert plans()
    else:
        with pytest.raises(UnsupportedRequest) as caught:
            plans()
        assert list(map(str, caught.value.faults)) == [
            f"inputs[0]: is image/webp, which {model} does not take; use png, jpeg"
        ]
