"""What an attempt is, before its call and after it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.images_api.outcomes import Outcome, OutcomeKind
from shared.images_api.requests import ImageRequest
from shared.pictures.measuring import PictureFacts
from shared.ports import StoredPicture
from shared.records.record import TaskState
from shared.workflows.generation.attempts import (
    call_limit,
    end_attempt,
    merge_pictures,
    plan_attempt,
    to_unknown_outcome,
)
from shared.workflows.generation.call import CallResult
from shared.workflows.generation.steps import Pay
from tests.builders.ended_jobs import AT, DONE_AT, USAGE, attempt, picture, plan, record, task
from tests.builders.strategies import deployment
from tests.fakes.endpoint import FakeReply
from tests.simulation.controlled_job import JOB
from tests.simulation.scene import Scene, configured, reply_to


async def test_the_intent_is_written_before_the_call() -> None:
    scene = Scene()
    seen: list[TaskState] = []

    def look(request: ImageRequest) -> FakeReply:
        seen.append(scene.record("fox-1").tasks[0].state)
        return reply_to(request)

    scene.world.endpoint.script.append(look)
    scene.submit(JOB)
    await scene.run()
    assert seen == [TaskState.CALLING]


def test_a_call_is_bounded_by_its_plan_and_by_the_setting() -> None:
    one = record(plan=plan(call_limit_seconds=420))
    assert call_limit(one, 0, configured()) == timedelta(seconds=420)
    shorter = configured(CALL_DEADLINE_SECONDS="300")
    assert call_limit(one, 0, shorter) == timedelta(seconds=300)


def test_each_attempt_has_an_id_of_its_own_and_must_be_dead_after_its_limit() -> None:
    configuration = configured(STORING_MARGIN_SECONDS="60")
    one = record(tasks=(task(claims=2),), run=3)
    step = Pay((deployment("gpt-image-2"),), one.tasks[0].missing, give_up_at=AT)
    made = plan_attempt(one, 0, step, step.deployments[0], configuration, now=AT)
    assert (made.token, made.client_request_id) == (3, "fox.3.0.3")
    assert made.deadline_at == AT + timedelta(seconds=420 + 60)
    assert made.estimate_usd == pytest.approx(0.05)
    assert made.kind is None


def test_an_attempt_that_left_no_result_may_have_been_paid() -> None:
    outcome = to_unknown_outcome(attempt(token=2, deployment="west"))
    assert (outcome.kind, outcome.charged) == (OutcomeKind.UNKNOWN, "unknown")
    assert outcome.message == (
        "attempt 2 on west began at 2026-11-30T17:00:01+00:00 and left no result"
    )


def test_an_attempt_that_ended_has_its_outcome_and_its_cost() -> None:
    begun = attempt(ended_at=None, kind=None, usage=None, cost_usd=None,
                    cost_known_by=None)  # fmt: skip
    paid = CallResult(Outcome(kind=OutcomeKind.DONE, code="", message="", charged="yes"), {}, USAGE)
    ended = end_attempt(record(), 0, begun, paid, configured(), now=DONE_AT)
    assert (ended.ended_at, ended.kind, ended.cost_known_by) == (DONE_AT, OutcomeKind.DONE, "usage")
    assert ended.cost_usd == pytest.approx((10 * 5 + 200 * 30) / 1e6)
    unpaid = replace(paid, outcome=replace(paid.outcome, charged="no"), usage=None)
    assert end_attempt(record(), 0, begun, unpaid, configured(), now=DONE_AT).cost_usd == 0


def test_pictures_just_found_join_the_ones_before_in_order() -> None:
    blobs = tuple(f"fox/ja/{index}.png" for index in (4, 5, 6))
    half = task(first=4, locale="ja", blobs=blobs, pictures=(picture(blobs[1], 5),))
    facts = PictureFacts(content_type="image/png", width=1, height=1, bytes=1, sha256="0" * 64)
    found = {place: StoredPicture(blobs[place], "url", facts) for place in (2, 0)}
    made = merge_pictures(record(tasks=(half,)), 0, found, container="images")
    assert [(each.index, each.blob) for each in made] == [*zip((4, 5, 6), blobs, strict=True)]
    assert {each.locale for each in made if each.blob != blobs[1]} == {"ja"}
