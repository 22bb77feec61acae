"""A request of OpenAI's API is one job, however often its client repeats it."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from shared.errors import InvalidJob, RecordGone
from shared.http_api.openai_requests import ImagesRequest
from shared.http_api.openai_responses import OpenAIRefused
from shared.records.record import JobRecord, JobState
from shared.workflows.erasure import erase_job
from shared.workflows.openai import (
    Taken,
    find_request,
    note_answer,
    take_request,
    wait_for_job,
)
from tests.builders.openai_requests import CONFIGURATION, edit, read
from tests.simulation.scene import Scene, error_reply, png
from tests.simulation.steps import Crash

FOX = read({"prompt": "a fox", "quality": "low"})
LATER = timedelta(minutes=1)
#: Effects on the world until an edit of two pictures is taken.
MOST_STEPS = 12


@dataclass
class Door:
    scene: Scene = field(default_factory=lambda: Scene(CONFIGURATION))

    async def take(
        self,
        request: ImagesRequest = FOX,
        caller: str = "shop",
        *,
        key: str | None = None,
        retry: bool = False,
    ) -> Taken:
        return await take_request(
            request,
            caller,
            idempotency_key=key,
            retry=retry,
            world=self.scene.world,
            configuration=self.scene.configuration,
        )

    async def answer(self, taken: Taken) -> JobRecord:
        """Let the job end, and return its answer."""
        await self.scene.run()
        job_id, now = taken.claim.job_id, self.scene.world.clock.now()
        record = await wait_for_job(job_id, until=now, world=self.scene.world)
        await note_answer(taken.key, job_id, self.scene.world)
        return record

    @property
    def calls(self) -> int:
        return len(self.scene.world.endpoint.requests)


async def test_a_request_becomes_a_job_with_its_pictures() -> None:
    door = Door()
    taken = await door.take()
    assert not taken.joined
    record = await door.answer(taken)
    assert (record.state, len(record.pictures), record.job.prompt) == ("succeeded", 1, "a fox")
    assert record.job.tenant == "shop"


async def test_a_request_that_is_sent_again_while_its_job_runs_is_paid_once() -> None:
    door = Door()
    first, again = await door.take(), await door.take()
    assert (first.claim.job_id, again.joined) == (again.claim.job_id, True)
    await door.answer(again)
    assert door.calls == 1


async def test_a_job_that_ended_without_an_answer_is_joined_whenever_its_client_returns() -> None:
    door = Door()
    first = await door.take()
    await door.scene.run()
    door.scene.world.clock.advance(timedelta(days=1))
    again = await door.take()
    assert (again.claim.job_id, again.joined) == (first.claim.job_id, True)
    assert door.calls == 1


async def test_the_same_prompt_a_minute_after_its_answer_is_a_new_picture() -> None:
    door = Door()
    first = await door.take()
    await door.answer(first)
    assert (await door.take()).joined
    door.scene.world.clock.advance(LATER)
    assert (await door.take(retry=True)).claim.job_id == first.claim.job_id
    again = await door.take()
    assert not again.joined
    await door.answer(again)
    assert again.claim.job_id != first.claim.job_id
    assert door.calls == 2


async def test_a_repeat_that_is_answered_later_does_not_prolong_the_time_for_repeats() -> None:
    door = Door()
    taken = await door.take()
    await door.answer(taken)
    door.scene.world.clock.advance(timedelta(seconds=20))
    await door.answer(await door.take())
    door.scene.world.clock.advance(timedelta(seconds=20))
    assert not (await door.take()).joined


async def test_a_failed_request_is_made_anew_once_its_error_was_returned() -> None:
    door = Door()
    door.scene.world.endpoint.script.append(error_reply(400, "moderation_blocked"))
    failed = await door.answer(await door.take())
    assert failed.state is JobState.FAILED
    door.scene.world.clock.advance(LATER)
    again = await door.answer(await door.take())
    assert (again.state, again.job_id != failed.job_id) == (JobState.SUCCEEDED, True)


async def test_callers_do_not_share_the_jobs_of_equal_requests() -> None:
    door = Door()
    mine, yours = await door.take(), await door.take(caller="blog")
    assert mine.claim.job_id != yours.claim.job_id
    assert await find_request(mine.key, "shop", door.scene.world) == mine.claim
    for key in (mine.key, "0" * 64, "../records"):
        with pytest.raises(OpenAIRefused, match="no such request"):
            await find_request(key, "blog", door.scene.world)


async def test_an_idempotency_key_is_one_job_for_ever_and_of_one_request() -> None:
    door = Door()
    first = await door.take(key="order 7")
    await door.answer(first)
    door.scene.world.clock.advance(timedelta(days=2))
    assert (await door.take(key="order 7")).claim.job_id == first.claim.job_id
    assert (await door.take(key="order 8")).claim.job_id != first.claim.job_id
    with pytest.raises(OpenAIRefused, match="belongs to job") as caught:
        await door.take(read({"prompt": "a hare"}), key="order 7")
    assert (caught.value.error.status, caught.value.error.may_retry) == (409, False)


async def test_a_key_whose_request_was_rejected_is_free_for_the_right_one() -> None:
    door = Door()
    mask = edit(("image", png(1024, 1024)), ("mask", png(1024, 1024)))
    with pytest.raises(InvalidJob, match="no transparency"):
        await door.take(mask, key="order 7")
    taken = await door.take(key="order 7")
    assert (await door.answer(taken)).state is JobState.SUCCEEDED


async def test_pictures_to_edit_are_stored_by_their_content() -> None:
    door = Door()
    fox, den = png(1024, 1024), png(1200, 800)
    record = await door.answer(await door.take(edit(("image[]", fox), ("image[]", den))))
    assert record.state is JobState.SUCCEEDED
    inputs = door.scene.world.container("inputs").stored
    assert [inputs[name].body for name in record.job.inputs] == [fox, den]
    assert {blob.content_type for blob in inputs.values()} == {"image/png"}


@pytest.mark.parametrize("step", range(MOST_STEPS))
async def test_a_client_whose_request_died_at_any_step_repeats_it_and_pays_once(step: int) -> None:
    door = Door()
    request = edit(("image[]", png(1024, 1024)), ("image[]", png(1200, 800)))
    door.scene.world.steps.crash_at = step
    with pytest.raises(Crash):
        await door.take(request)
    door.scene.world.steps.crash_at = None
    door.scene.world.clock.advance(timedelta(seconds=5))
    taken = await door.take(request)
    await door.scene.sweep_on()
    assert (await door.answer(taken)).state is JobState.SUCCEEDED
    assert len(door.scene.world.stored_records) == door.calls == 1


async def test_the_steps_of_a_request_are_counted() -> None:
    door = Door()
    await door.take(edit(("image[]", png(1024, 1024)), ("image[]", png(1200, 800))))
    assert len(door.scene.world.steps.taken) == MOST_STEPS


async def test_a_wait_ends_at_its_time_and_reads_the_record_a_bounded_number_of_times() -> None:
    door = Door()
    taken, world = await door.take(), door.scene.world
    before, until = len(world.steps.taken), world.clock.now() + timedelta(seconds=200)
    record = await wait_for_job(taken.claim.job_id, until=until, world=world)
    assert (record.state, world.clock.now()) == (JobState.RUNNING, until)
    assert len(world.steps.taken) - before < 80


async def test_a_wait_for_a_job_that_was_deleted_ends() -> None:
    door = Door()
    world = door.scene.world
    with pytest.raises(RecordGone):
        await wait_for_job("fox", until=world.clock.now(), world=world)


async def test_an_erased_job_leaves_no_claim_and_its_key_begins_a_new_job() -> None:
    door = Door()
    taken = await door.take(key="k-1")
    await door.answer(taken)
    await door.scene.sweep_on()
    await erase_job(taken.claim.job_id, door.scene.world, door.scene.configuration)
    assert not [name for name in door.scene.world.container("jobs").stored if "requests/" in name]
    with pytest.raises(OpenAIRefused):
        await find_request(taken.key, "shop", door.scene.world)
    door.scene.world.clock.advance(LATER)
    again = await door.take(key="k-1")
    assert (again.joined, again.claim.job_id == taken.claim.job_id) == (False, False)


async def test_a_claim_that_another_job_has_taken_over_stays() -> None:
    door = Door()
    taken = await door.take()
    await door.answer(taken)
    door.scene.world.clock.advance(LATER)
    newer = await door.take()
    await door.answer(newer)
    await erase_job(taken.claim.job_id, door.scene.world, door.scene.configuration)
    assert (await find_request(newer.key, "shop", door.scene.world)) == newer.claim.model_copy(
        update={"answered_at": door.scene.world.clock.now()}
    )
