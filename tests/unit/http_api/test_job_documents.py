from datetime import timedelta

import pytest

from shared.http_api.job_documents import (
    ImageStatus,
    RenditionStatus,
    describe_estimate,
    describe_job,
    describe_jobs,
    describe_pictures,
    find_picture,
    list_blobs,
    poll_after,
)
from shared.http_api.queries import read_form
from shared.records.index_entry import Page, index_entry_of
from shared.records.record import JobRecord, JobState, OutboxEntry, TaskRecord, TaskState
from tests.builders.ended_jobs import AT, attempt, failed, plan, record, task
from tests.simulation.scene import run


async def test_a_finished_job_is_told_whole() -> None:
    scene = await run({"job_id": "fox-1", "prompt": "a fox", "n": 2, "tags": {"a": "b"}})
    told = describe_job(scene.record("fox-1"))
    assert (told.state, told.attempts) == (JobState.SUCCEEDED, 1)
    assert told.job == {"job_id": "fox-1", "prompt": "a fox", "n": 2, "tags": {"a": "b"}}
    assert [image.path for image in told.images] == [
        "/api/jobs/fox-1/images/0",
        "/api/jobs/fox-1/images/1",
    ]
    (attempt,) = told.tasks[0].attempts
    assert attempt.cost_usd == attempt.cost_usd_at_most == told.cost_usd
    assert (attempt.cost_known_by, attempt.usage_ignored) == ("usage", None)
    (event,) = told.events
    assert event.id == scene.world.events[0].get_id()
    assert event.sent_at is not None


def test_a_running_call_is_told_among_the_attempts() -> None:
    running = record(
        plan=plan(n=1),
        tasks=(
            failed(attempt())
            .tasks[0]
            .model_copy(update={"state": TaskState.CALLING, "current": attempt(30, kind=None)}),
        ),
        state=JobState.RUNNING,
    )
    assert [each.kind for each in describe_job(running).tasks[0].attempts] == ["done", None]


def test_a_picture_keeps_its_number_while_an_earlier_one_is_still_to_come() -> None:
    whole = record(plan=plan(n=2))
    first, second = whole.tasks
    late = whole.model_copy(update={"tasks": (first.model_copy(update={"pictures": ()}), second)})
    assert [image.number for image in describe_pictures(whole)] == [0, 1]
    assert [image.number for image in describe_pictures(late)] == [1]
    assert find_picture(late, "1") == second.pictures[0].blob
    assert find_picture(late, "0") is None
    assert find_picture(late, "01") is None


def test_a_picture_of_another_type_than_asked_for_keeps_its_number() -> None:
    whole = record(plan=plan(n=2))
    first, second = whole.tasks
    (picture,) = second.pictures
    jpeg = picture.model_copy(update={"blob": "fox-1/default/1.jpg"})
    other = second.model_copy(update={"pictures": (jpeg,)})
    told = whole.model_copy(update={"tasks": (first, other)})
    assert [image.number for image in describe_pictures(told)] == [0, 1]
    assert find_picture(told, "1") == "fox-1/default/1.jpg"


def test_an_event_of_a_newer_version_is_left_out() -> None:
    known = record()
    newer = OutboxEntry(type="image.job.archived", time=known.accepted_at)
    told = describe_job(known.model_copy(update={"outbox": (*known.outbox, newer)}))
    assert told.events == describe_job(known).events


def test_links_are_told_with_the_pictures_they_read() -> None:
    ended = record(plan=plan(n=1))
    (image,) = describe_job(ended).images
    assert image.read_url is None
    (image,) = describe_job(ended, {image.blob: "https://account.example/x?sig=1"}).images
    assert image.read_url == "https://account.example/x?sig=1"


FINISH = {
    "size": "1000x600",
    "renditions": [{"format": "webp"}, {"format": "jpeg", "quality": 100}],
    "thumbnail": 64,
    "contact_sheet": True,
}


async def test_what_a_finish_made_is_told_with_the_path_that_gives_it() -> None:
    scene = await run({"job_id": "fox-1", "prompt": "a fox", "n": 2, "finish": FINISH})
    finished = scene.record("fox-1")
    told = describe_job(finished)
    for number, image in enumerate(told.images):
        paths = [each.path for each in image.renditions]
        assert paths == [
            f"/api/jobs/fox-1/images/{number}?as={form}"
            for form in ("exact", "q80.webp", "q100.jpg", "thumbnail")
        ]
        for each in image.renditions:
            form = each.path.partition("=")[2]
            assert read_form({"as": form}) == form
            assert find_picture(finished, str(number), form) == each.blob
        assert find_picture(finished, str(number)) == image.blob
        assert find_picture(finished, str(number), "q7.webp") is None
    assert told.contact_sheet
    assert told.contact_sheet.path == "/api/jobs/fox-1/images/contact-sheet"
    assert find_picture(finished, "contact-sheet") == told.contact_sheet.blob
    assert find_picture(finished, "contact-sheet", "exact") is None
    assert find_picture(record(), "contact-sheet") is None


async def test_everything_a_finish_made_gets_its_link() -> None:
    scene = await run({"job_id": "fox-1", "prompt": "a fox", "finish": FINISH})
    finished = scene.record("fox-1")
    blobs = list_blobs(finished)
    assert len(set(blobs)) == len(blobs) == 6
    told = describe_job(finished, {blob: f"https://account.example/{blob}" for blob in blobs})
    assert told.contact_sheet
    (image,) = told.images
    every: list[ImageStatus | RenditionStatus] = [image, *image.renditions, told.contact_sheet]
    for each in every:
        assert each.read_url == f"https://account.example/{each.blob}"


async def test_a_list_links_the_thumbnail_where_one_was_made() -> None:
    scene = await run({"job_id": "fox-1", "prompt": "a fox", "finish": {"thumbnail": 64}})
    entry = index_entry_of(scene.record("fox-1"))
    assert entry.picture == "fox-1/default/0.png"
    assert entry.cover == "fox-1/default/0.t64.webp"
    (line,) = describe_jobs(Page(entries=(entry,)), {entry.cover: "https://x.example"}).jobs
    assert line.cover_url == "https://x.example"


def test_a_line_of_a_list_holds_the_beginning_of_the_prompt_and_the_first_picture() -> None:
    entry = index_entry_of(record({"prompt": "fox " * 1000}, plan=plan(n=2)))
    (line,) = describe_jobs(Page(entries=(entry,)), {}).jobs
    assert line.prompt is not None
    assert len(line.prompt) < 250
    assert line.prompt.endswith("…")
    assert (line.cover_path, line.images) == ("/api/jobs/fox/images/first", 2)
    assert line.cover_url is None
    (line,) = describe_jobs(Page(entries=(entry,)), {entry.picture or "": "https://x.example"}).jobs
    assert line.cover_url == "https://x.example"


def test_the_first_picture_is_the_first_there_is() -> None:
    whole = record(plan=plan(n=2))
    first, second = whole.tasks
    late = whole.model_copy(update={"tasks": (first.model_copy(update={"pictures": ()}), second)})
    assert find_picture(late, "first") == second.pictures[0].blob
    assert find_picture(failed(attempt()), "first") is None


def test_an_estimate_with_an_unknown_price_is_unknown() -> None:
    known, unknown = plan(estimate_usd=0.1234567), plan(estimate_usd=None)
    assert describe_estimate((known, known)).estimate_usd == pytest.approx(0.246913)
    assert describe_estimate((known, unknown)).estimate_usd is None


def waiting_for(*tasks: TaskRecord) -> JobRecord:
    return record(state=JobState.RUNNING, tasks=tasks)


@pytest.mark.parametrize(("after", "wait"), [(1, 15), (21, 5), (29.5, 1), (500, 1)])
def test_a_caller_is_told_to_ask_again_when_it_may_be_worth_it(after: float, wait: int) -> None:
    calling = task(state=TaskState.CALLING, current=attempt(1, ended_at=None))
    one = waiting_for(calling, task(1, state=TaskState.DONE))
    assert poll_after(one, AT + timedelta(seconds=after)) == wait
    both = waiting_for(calling, task(1, state=TaskState.PENDING))
    assert poll_after(both, AT + timedelta(seconds=after)) == wait


def test_a_call_that_waits_for_its_time_is_not_asked_for_each_second() -> None:
    pending = waiting_for(task(state=TaskState.PENDING))
    assert poll_after(pending, AT + timedelta(hours=1)) == 15
    assert poll_after(waiting_for(task(state=TaskState.DONE)), AT) == 1


def test_a_running_job_tells_how_many_pictures_are_stored_of_those_it_wants() -> None:
    first, second = record(plan=plan(n=2)).tasks
    half = waiting_for(first, second.model_copy(update={"state": "pending", "pictures": ()}))
    told = describe_job(half)
    assert (len(told.images), told.images_wanted) == (1, 2)


def test_a_picture_of_another_type_than_asked_for_has_the_place_of_its_task() -> None:
    first, second = record(plan=plan(n=2)).tasks
    other = second.pictures[0].model_copy(update={"blob": "fox/default/1.jpg"})
    both = record(tasks=(first, second.model_copy(update={"pictures": (other,)})))
    assert [each.number for each in describe_job(both).images] == [0, 1]
    assert find_picture(both, "1") == "fox/default/1.jpg"
