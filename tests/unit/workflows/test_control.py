"""Orders: cancel, release, fail, replay, whenever they come and however often."""

import json
from datetime import timedelta

import pytest

from shared.records.commands import Command
from shared.records.record import JobState
from shared.workflows.control import LONGEST_COMMAND_WAIT
from tests.builders.ended_jobs import OPERATOR_EVENTS
from tests.simulation.controlled_job import JOB, after, command
from tests.simulation.reckoning import reckoned
from tests.simulation.scene import Scene, configured, data, error_reply, reply_to
from tests.simulation.scene import run as scene_of


def words(scene: Scene) -> list[str]:
    return [report.what for report in scene.reports]


async def test_a_job_that_succeeded_is_not_cancelled() -> None:
    scene = await after()
    command(scene, "cancel")
    await scene.run()
    assert words(scene)[-1] == "not_executed"
    assert scene.record("fox-1").state is JobState.SUCCEEDED


async def test_a_parked_job_that_is_released_is_made_and_flagged() -> None:
    scene = await after(error_reply(500, "500"), ON_UNKNOWN_OUTCOME="park")
    assert scene.world.event_types() == ["image.job.parked"]
    scene.world.clock.advance(timedelta(days=3))
    command(scene, "release")
    await scene.run()
    assert scene.world.event_types() == ["image.job.parked", "image.job.succeeded"]
    assert data(scene)["possible_duplicate_charge"] is True
    assert data(scene)["attempts"] == 2
    reckoned(scene)


async def test_a_job_that_is_parked_twice_tells_it_twice() -> None:
    scene = await after(error_reply(500, "500"), error_reply(500, "500"), ON_UNKNOWN_OUTCOME="park")
    command(scene, "release")
    await scene.run()
    told = [each for each in scene.world.event_types() if each not in OPERATOR_EVENTS]
    assert told == ["image.job.parked"] * 2
    ids = {event.get_id() for event in scene.world.events}
    assert len(ids) == len(scene.world.events)
    reckoned(scene)


async def test_a_parked_job_is_failed_by_hand_with_a_word_for_it() -> None:
    scene = await after(error_reply(500, "500"), ON_UNKNOWN_OUTCOME="park")
    command(scene, "fail", reason="the provider says it billed nothing")
    await scene.run()
    assert scene.world.event_types() == ["image.job.parked", "image.job.failed"]
    assert data(scene)["code"] == "outcome_unknown"
    assert data(scene)["message"].endswith("by hand: the provider says it billed nothing")
    reckoned(scene)


@pytest.mark.parametrize("action", ["release", "fail"])
async def test_only_a_parked_job_is_released_or_failed(action: str) -> None:
    scene = await after()
    command(scene, action)
    await scene.run()
    assert scene.reports[-1].what == "not_executed"
    assert "only a parked job" in scene.reports[-1].facts["why"]


async def test_a_replay_calls_for_what_is_missing() -> None:
    job = JOB | {"locales": ["de", "en"]}
    scene = await after(reply_to, error_reply(400, "moderation_blocked"), job=job)
    before = scene.record("fox-1")
    assert before.state is JobState.FAILED
    command(scene, "replay")
    await scene.run()
    record = scene.record("fox-1")
    assert record.state is JobState.SUCCEEDED
    assert record.run == 2
    assert len(scene.world.endpoint.requests) == 3
    assert set(before.pictures) < set(record.pictures)
    assert data(scene)["run"] == 2
    assert scene.world.endpoint.client_request_ids[-1].startswith("fox-1.2.")
    reckoned(scene)


async def test_a_replay_can_make_all_pictures_again_and_writes_none_over() -> None:
    job = JOB | {"locales": ["de", "en"]}
    scene = await after(reply_to, error_reply(400, "moderation_blocked"), job=job)
    for run in (2, 3):
        scene.world.endpoint.script.extend([reply_to, error_reply(400, "moderation_blocked")])
        command(scene, "replay", pictures="remake")
        await scene.run()
        (picture,) = scene.record("fox-1").pictures
        assert picture.blob.startswith(f"fox-1/run-{run}/")
    assert len(scene.world.committed) == 3
    assert data(scene)["attempts"] == 6  # a refusal may be billed too
    paid, estimate = 3 * (10 * 5 + 1000 * 30) / 1_000_000, scene.record("fox-1").estimate_usd
    assert estimate is not None
    assert data(scene)["cost_usd"] == pytest.approx(paid)
    assert data(scene)["cost_usd_at_most"] == pytest.approx(paid + 3 * estimate / 2)


async def test_a_replay_finishes_anew_what_has_more_pictures_now() -> None:
    job = JOB | {"locales": ["de", "en"], "finish": {"contact_sheet": True}}
    scene = await after(reply_to, error_reply(400, "moderation_blocked"), job=job)
    assert data(scene)["contact_sheet"]["blob"] == "fox-1/contact-sheet.jpg"
    command(scene, "replay")
    await scene.run()
    assert scene.world.event_types() == ["image.job.failed", "image.job.succeeded"]
    assert data(scene)["contact_sheet"]["blob"] == "fox-1/run-2/contact-sheet.jpg"


async def test_an_order_of_an_earlier_opening_is_carried_out_once() -> None:
    scene = await after(*[error_reply(400, "moderation_blocked")] * 3)
    for _ in range(2):
        command(scene, "replay", run=1)
        await scene.run()
    assert scene.record("fox-1").run == 2
    assert len(scene.world.endpoint.requests) == 2
    reckoned(scene)


async def test_an_order_for_no_job_says_so() -> None:
    scene = Scene()
    command(scene, "cancel")
    await scene.run()
    assert words(scene) == ["no_such_job"]


async def test_an_order_that_makes_no_sense_is_rejected_with_its_faults() -> None:
    scene = Scene()
    command(scene, "explode", colour="red")
    await scene.run()
    assert scene.world.event_types() == ["image.job.rejected"]
    assert {fault["field"] for fault in data(scene)["faults"]} == {"command", "colour"}


def test_an_order_is_the_shortest_message_that_says_it() -> None:
    said = json.loads(Command(command="cancel", job_id="fox-1").to_bytes())  # type: ignore[arg-type]  # pydantic reads it
    assert said == {"command": "cancel", "job_id": "fox-1"}


ORDERS: list[tuple[str, dict[str, str], str]] = [
    ("release", {}, "500"),
    ("fail", {}, "500"),
    ("cancel", {"result": "drop"}, "500"),
    ("replay", {"pictures": "remake"}, "moderation_blocked"),
    ("replay", {}, "moderation_blocked"),
]


@pytest.mark.parametrize(("action", "more", "code"), ORDERS)
@pytest.mark.parametrize("lost", [False, True], ids=["redelivered", "lost"])
@pytest.mark.parametrize("crash_at", range(24))
async def test_an_order_whose_process_dies_at_any_step_is_carried_out_whole_or_not_at_all(
    crash_at: int,
    lost: bool,  # noqa: FBT001 (by parametrize)
    action: str,
    more: dict[str, str],
    code: str,
) -> None:
    status = 500 if code == "500" else 400
    scene = await after(error_reply(status, code), ON_UNKNOWN_OUTCOME="park")
    command(scene, action, run=1, **more)
    at = len(scene.world.steps.taken) + crash_at
    if lost:
        await scene.run_until_death(at)
    else:
        scene.world.steps.crash_at = at
        await scene.run()
        scene.world.steps.crash_at = None
    await scene.sweep_on()
    record = reckoned(scene)
    assert record.run <= 2
    if not lost:
        assert record.run == 2
    if action == "replay" and record.run == 2:
        assert record.run == 2
        # The policy parks what died while it was called for.
        assert record.state in {JobState.SUCCEEDED, JobState.PARKED}


async def test_a_command_waits_for_a_lease_by_time_and_not_by_deliveries() -> None:
    scene = await after(error_reply(500, "500"), ON_UNKNOWN_OUTCOME="park")
    jobs = scene.world.container("jobs")
    jobs.leased.add("fox-1.json")
    command(scene, "release")
    for _ in range(20):
        before = len(scene.world.steps.taken)
        await scene.deliver(scene.waiting.pop())
        scene.take_sent()
        assert len(scene.world.steps.taken) - before < 10
        assert (scene.reports[-1].what, scene.reports[-1].facts["reason"]) == ("waiting", "leased")
        assert len(scene.waiting) == 1
    jobs.leased.clear()
    await scene.run()
    assert scene.record("fox-1").state is JobState.SUCCEEDED


async def test_a_command_waits_for_a_lease_for_a_day() -> None:
    scene = await after(error_reply(500, "500"), ON_UNKNOWN_OUTCOME="park")
    scene.world.container("jobs").leased.add("fox-1.json")
    began = scene.world.clock.now()
    command(scene, "cancel")
    await scene.run(most=400)
    assert scene.world.clock.now() - began >= LONGEST_COMMAND_WAIT
    assert scene.reports[-1].what == "not_executed"
    assert "lease" in scene.reports[-1].facts["why"]


async def test_a_command_for_a_damaged_record_is_not_executed_and_says_why() -> None:
    scene = await after()
    scene.world.seed("jobs", "fox-1.json", b"{")
    command(scene, "replay")
    await scene.run()
    assert scene.reports[-1].what == "not_executed"
    assert "cannot read 'fox-1.json'" in scene.reports[-1].facts["why"]


REVIEWED = {"job_id": "fox-1", "prompt": "a fox", "review": True, "finish": {"thumbnail": 64}}


async def decided(**command: str) -> Scene:
    scene = await scene_of(REVIEWED)
    assert scene.world.event_types() == ["image.job.awaiting_review"]
    assert scene.record("fox-1").state is JobState.AWAITING_REVIEW
    scene.submit({"job_id": "fox-1", **command}, message_id="review")
    await scene.run()
    return scene


async def test_only_an_approved_job_has_succeeded() -> None:
    scene = await decided(command="approve")
    assert scene.world.event_types()[1:] == ["image.job.succeeded"]
    data = scene.world.events[-1].get_data()
    assert isinstance(data, dict)
    assert data["images"][0]["renditions"]
    assert [*scene.world.sidecars] == ["fox-1/job.json"]
    await scene.sweep_on()  # the entry of the first run goes when its review would have expired
    assert len(scene.world.events) == 2


async def test_a_rejected_job_has_failed_for_the_reason_and_keeps_its_pictures() -> None:
    scene = await decided(command="reject", reason="six legs")
    assert scene.world.event_types()[1:] == ["image.job.failed"]
    data = scene.world.events[-1].get_data()
    assert isinstance(data, dict)
    assert (data["code"], data["message"]) == (
        "not_approved",
        "the pictures were rejected: six legs",
    )
    assert len(data["images"]) == 1
    assert not scene.world.sidecars
    scene.submit({"command": "replay", "job_id": "fox-1"}, message_id="replay")
    await scene.run()
    assert scene.record("fox-1").state is JobState.AWAITING_REVIEW
    assert len(scene.world.endpoint.requests) == 1


async def test_a_job_that_nobody_reviews_is_rejected_when_its_time_has_passed() -> None:
    scene = Scene(configured(REVIEW_SECONDS="3600"))
    scene.submit(REVIEWED)
    await scene.run()
    scene.world.clock.advance(timedelta(minutes=59))
    await scene.sweep()
    assert scene.record("fox-1").state is JobState.AWAITING_REVIEW
    await scene.sweep_on()
    failure = scene.record("fox-1").failure
    assert failure is not None
    assert failure.code == "not_approved"
    assert "nobody reviewed" in failure.message


@pytest.mark.parametrize("crash_at", range(30))
@pytest.mark.parametrize("action", ["approve", "reject"])
async def test_a_process_may_die_at_any_step_of_a_review(crash_at: int, action: str) -> None:
    scene = await scene_of(REVIEWED)
    scene.world.steps.crash_at = len(scene.world.steps.taken) + crash_at
    scene.submit({"command": action, "job_id": "fox-1", "run": 1}, message_id="review")
    await scene.run()
    scene.world.steps.crash_at = None
    await scene.sweep_on()
    ended = {"approve": JobState.SUCCEEDED, "reject": JobState.FAILED}[action]
    record = scene.record("fox-1")
    assert (record.state, record.run) == (ended, 2)
    assert all(entry.sent_at for entry in record.outbox)
    assert scene.world.event_types()[-1] == f"image.job.{ended}"
