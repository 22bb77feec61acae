"""From the fields of a job to its message on the queue."""

import hashlib
import json
from datetime import timedelta
from typing import Any, get_type_hints

import pytest
from hypothesis import given

from shared.client import submission
from shared.client.caller import read_configuration
from shared.client.results import NotSubmitted, Quote
from shared.client.submission import MAX_INLINE_BYTES, JobFields, read_fields, write_message
from shared.errors import InvalidJob, Rejected, UnsupportedRequest
from shared.jobs.job import Job
from shared.vocabulary import prompt_name
from tests.builders.connections import BEGAN, ROUTING, STORAGE, MemoryConnection
from tests.builders.messages import messages, read
from tests.simulation.scene import png


def a_job(asked: Any = "a fox", **fields: Any) -> Job:  # noqa: ANN401 (what a caller may say)
    return read_fields(asked, fields, now=BEGAN, chance="chance")


@given(messages())
def test_a_client_reads_fields_as_the_app_reads_a_message(fields: dict[str, Any]) -> None:
    job = read_fields(fields, {}, now=BEGAN, chance="chance")
    assert read(job.to_json()) == job
    assert job.fingerprint == read({**fields, "job_id": job.job_id}).fingerprint


def test_a_prompt_and_keywords_make_a_job() -> None:
    job = a_job("a fox", size=["1k", "2k"], tags={"of": "us"})
    assert (job.prompt, job.size, job.tags) == ("a fox", ("1k", "2k"), {"of": "us"})


def test_a_job_without_an_id_gets_one_that_sorts_by_time_and_repeats_by_no_chance() -> None:
    ids = {read_fields("a fox", {}, now=BEGAN, chance=chance).job_id for chance in "abc"}
    assert len(ids) == 3
    assert len({job_id[:13] for job_id in ids}) == 1
    later = read_fields("a fox", {}, now=BEGAN + timedelta(milliseconds=1), chance="a").job_id
    assert later > max(ids)


def test_a_job_stays_itself_and_takes_changes() -> None:
    job = a_job(n=2)
    assert read_fields(job, {}, now=BEGAN, chance="other") is job
    changed = read_fields(job, {"n": 3}, now=BEGAN, chance="other")
    assert (changed.job_id, changed.n, changed.prompt) == (job.job_id, 3, "a fox")


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InvalidJob) as refused:
        a_job("", n=11, colour="red")
    assert [fault.field for fault in refused.value.faults] == ["prompt", "n", "colour"]


def test_the_keywords_are_the_fields_of_a_job() -> None:
    assert set(get_type_hints(JobFields)) == set(Job.model_fields)


def test_a_prompt_that_fits_stays_in_the_message() -> None:
    parcel = write_message(a_job("x" * 30_000), Quote(None))
    assert not parcel.uploads
    assert len(parcel.body) < MAX_INLINE_BYTES


def test_a_prompt_that_does_not_fit_becomes_a_blob_named_by_its_content() -> None:
    job = a_job("雪" * 20_000, tags={"of": "us"})
    one, other = write_message(job, Quote(None)), write_message(job, Quote(None))
    assert job.prompt is not None
    prompt = job.prompt.encode()
    assert one.job.prompt_blob == prompt_name(hashlib.sha256(prompt).hexdigest())
    assert one.uploads == {one.job.prompt_blob: prompt}
    assert (one.job.job_id, one.job.tags, one.job.prompt) == (job.job_id, {"of": "us"}, None)
    assert one.job.fingerprint == other.job.fingerprint


async def test_the_blob_is_there_before_the_message_is() -> None:
    app = MemoryConnection(failing={1})
    with pytest.raises(NotSubmitted):
        await submission.submit([a_job("雪" * 20_000)], app)
    assert len(app.container("inputs").stored) == 1


async def test_a_receipt_tells_what_was_sent() -> None:
    app = MemoryConnection(configuration=ROUTING)
    (receipt,) = await submission.submit([a_job()], app)
    (message,) = app.queues.queues["image-jobs"]
    assert json.loads(message.body) == {"job_id": receipt.job_id, "prompt": "a fox"}
    assert receipt.quote.checked == "routing"
    assert receipt.quote.plans is not None
    assert receipt.quote.estimate_usd == receipt.quote.plans[0].estimate_usd


async def test_without_deployments_the_fields_alone_are_checked_and_it_says_so() -> None:
    (receipt,) = await submission.submit([a_job(size="4000x500", fit="reject")], MemoryConnection())
    assert (receipt.quote.checked, receipt.quote.estimate_usd) == ("fields", None)


async def test_what_no_deployment_makes_is_not_sent() -> None:
    app = MemoryConnection(configuration=ROUTING)
    with pytest.raises(UnsupportedRequest, match="nearest"):
        await submission.submit([a_job(size="4000x500", fit="reject")], app)
    with pytest.raises(UnsupportedRequest, match="above"):
        await submission.submit([a_job(quality="high", max_cost_usd=0.01)], app)
    assert app.queues.sent == []


async def test_none_of_several_jobs_is_sent_when_one_has_a_fault() -> None:
    app = MemoryConnection(configuration=ROUTING)
    jobs = [a_job(), a_job(size="4000x500", fit="reject")]
    with pytest.raises(Rejected):
        await submission.submit(jobs, app)
    assert app.queues.sent == []


async def test_a_failure_on_the_way_tells_which_jobs_to_send_again() -> None:
    jobs = [a_job(job_id=f"fox-{n}") for n in range(4)]
    app = MemoryConnection(failing={2, 3})
    with pytest.raises(NotSubmitted, match="2 of 4 jobs may not have been sent") as failed:
        await submission.submit(jobs, app)
    assert [receipt.job_id for receipt in failed.value.receipts] == ["fox-0", "fox-3"]
    assert failed.value.jobs == (jobs[1], jobs[2])


async def test_a_prompt_in_a_blob_is_looked_for_and_measured() -> None:
    app = MemoryConnection({"inputs/fox.txt": "a fox " * 1_000}, configuration=ROUTING)
    short, long = [
        (await submission.estimate(job, app)).estimate_usd or 0
        for job in (a_job(), a_job("", prompt_blob="fox.txt"))
    ]
    assert short < long
    with pytest.raises(InvalidJob, match=r"there is no blob 'ox\.txt' in the inputs"):
        await submission.estimate(a_job("", prompt_blob="ox.txt"), app)


async def test_faults_of_a_job_and_of_all_its_blobs_are_told_at_once() -> None:
    knowing = read_configuration(STORAGE | {"REPLY_QUEUES": "events-*"})
    app = MemoryConnection({"inputs/blank.txt": " \n"}, configuration=knowing)
    job = a_job("", prompt_blob="blank.txt", inputs=["none.png"], mask="no.png", reply_to="replies")
    with pytest.raises(InvalidJob, match=r"'blank\.txt' is empty") as refused:
        await submission.estimate(job, app)
    fields = [fault.field for fault in refused.value.faults]
    assert fields == ["reply_to", "prompt_blob", "inputs[0]", "mask"]


async def test_reply_queues_are_checked_only_by_who_knows_them() -> None:
    await submission.estimate(a_job(reply_to="replies-a"), MemoryConnection())
    knowing = MemoryConnection(
        configuration=read_configuration(STORAGE | {"REPLY_QUEUES": "events-*"})
    )
    with pytest.raises(InvalidJob, match="not an allowed queue"):
        await submission.estimate(a_job(reply_to="replies-a"), knowing)
    with pytest.raises(InvalidJob, match="'image-finish' is a queue of the app itself"):
        await submission.estimate(a_job(reply_to="image-finish"), MemoryConnection())


async def test_pictures_to_edit_are_looked_at_before_anything_is_sent() -> None:
    app = MemoryConnection(configuration=ROUTING)
    picture, mask = png(1024, 1024), png(512, 512)
    name = await submission.upload_picture(picture, app)
    assert name == await submission.upload_picture(picture, app)
    assert app.body(f"inputs/{name}") == picture
    job = a_job("make it snow", inputs=[name], quality="low")
    assert ((await submission.estimate(job, app)).estimate_usd or 0) > 0
    other = await submission.upload_picture(mask, app)
    with pytest.raises(InvalidJob, match="both must have the same size"):
        await submission.estimate(a_job(inputs=[name], mask=other), app)
    with pytest.raises(InvalidJob, match="does not exist"):
        await submission.estimate(a_job(inputs=["none.png"]), app)
    with pytest.raises(InvalidJob, match="not a PNG, JPEG or WebP"):
        await submission.upload_picture(b"GIF89a", app)
