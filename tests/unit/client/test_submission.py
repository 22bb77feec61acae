"""From what a caller asks for to what stands on the queue."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given

from shared.client import submission
from shared.client.configuration import NOWHERE, configured, environment
from shared.client.results import NotSubmitted, Quote
from shared.client.submission import MAX_INLINE_BYTES, Wishes, job_from, packed
from shared.client.sync_storage import run_coroutine
from shared.errors import InvalidJob, Misconfigured, Rejected, UnsupportedRequest
from shared.jobs.job import Job
from tests.builders.messages import messages, read
from tests.fakes.account import BEGAN, FakeStorage
from tests.simulation.scene import png

STORAGE = {"ImageStorage": "UseDevelopmentStorage=true"}
FIELDS_ONLY = configured(STORAGE)
ROUTING = configured(STORAGE | {"FOUNDRY_DEPLOYMENTS": '[{"name": "gpt-image-2"}]'})


def a_job(asked: Any = "a fox", **fields: Any) -> Job:  # noqa: ANN401 (what a caller may say)
    return job_from(asked, fields, now=BEGAN, chance="chance")


@given(messages())
def test_a_client_reads_fields_as_the_app_reads_a_message(fields: dict[str, Any]) -> None:
    job = job_from(fields, {}, now=BEGAN, chance="chance")
    assert read(job.to_json()) == job
    assert job.fingerprint == read({**fields, "job_id": job.job_id}).fingerprint


def test_a_prompt_and_keywords_make_a_job() -> None:
    job = a_job("a fox", size=["1k", "2k"], tags={"of": "us"})
    assert (job.prompt, job.size, job.tags) == ("a fox", ("1k", "2k"), {"of": "us"})


def test_a_job_without_an_id_gets_one_that_sorts_by_time_and_repeats_by_no_chance() -> None:
    ids = {job_from("a fox", {}, now=BEGAN, chance=chance).job_id for chance in "abc"}
    assert len(ids) == 3
    assert len({job_id[:13] for job_id in ids}) == 1
    later = job_from("a fox", {}, now=BEGAN + timedelta(milliseconds=1), chance="a").job_id
    assert later > max(ids)


def test_a_job_stays_itself_and_takes_changes() -> None:
    job = a_job(n=2)
    assert job_from(job, {}, now=BEGAN, chance="other") is job
    changed = job_from(job, {"n": 3}, now=BEGAN, chance="other")
    assert (changed.job_id, changed.n, changed.prompt) == (job.job_id, 3, "a fox")


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InvalidJob) as refused:
        a_job("", n=11, colour="red")
    assert [fault.field for fault in refused.value.faults] == ["prompt", "n", "colour"]


def test_the_keywords_are_the_fields_of_a_job() -> None:
    assert set(get_type_hints(Wishes)) == set(Job.model_fields)


def test_a_prompt_that_fits_stays_in_the_message() -> None:
    parcel = packed(a_job("x" * 30_000), Quote(None))
    assert parcel.prompt is None
    assert len(parcel.body) < MAX_INLINE_BYTES


def test_a_prompt_that_does_not_fit_becomes_a_blob_named_by_its_content() -> None:
    job = a_job("雪" * 20_000, tags={"of": "us"})
    one, other = packed(job, Quote(None)), packed(job, Quote(None))
    assert one.prompt is not None
    assert one.prompt.text.decode() == job.prompt
    assert one.job.prompt_blob == one.prompt.name
    assert (one.job.job_id, one.job.tags, one.job.prompt) == (job.job_id, {"of": "us"}, None)
    assert one.job.fingerprint == other.job.fingerprint


def test_the_blob_is_there_before_the_message_is() -> None:
    storage = FakeStorage(failing={1})
    with pytest.raises(NotSubmitted):
        run_coroutine(submission.submit(a_job("雪" * 20_000), storage, FIELDS_ONLY))
    assert [name.partition("/")[0] for name in storage.blobs] == ["inputs"]


def test_a_receipt_tells_what_was_sent() -> None:
    storage = FakeStorage()
    receipt = run_coroutine(submission.submit(a_job(), storage, ROUTING))
    (message,) = storage.queues["image-jobs"]
    assert json.loads(message.text) == {"job_id": receipt.job_id, "prompt": "a fox"}
    assert receipt.quote.checked == "routing"
    assert receipt.quote.plans is not None
    assert receipt.quote.estimate_usd == receipt.quote.plans[0].estimate_usd


def test_without_deployments_the_fields_alone_are_checked_and_it_says_so() -> None:
    receipt = run_coroutine(
        submission.submit(a_job(size="4000x500", fit="reject"), FakeStorage(), FIELDS_ONLY)
    )
    assert (receipt.quote.checked, receipt.quote.estimate_usd) == ("fields", None)


def test_what_no_deployment_makes_is_not_sent() -> None:
    storage = FakeStorage()
    with pytest.raises(UnsupportedRequest, match="nearest"):
        run_coroutine(submission.submit(a_job(size="4000x500", fit="reject"), storage, ROUTING))
    with pytest.raises(UnsupportedRequest, match="above"):
        run_coroutine(submission.submit(a_job(quality="high", max_cost_usd=0.01), storage, ROUTING))
    assert storage.sends == 0


def test_none_of_several_jobs_is_sent_when_one_has_a_fault() -> None:
    storage = FakeStorage()
    jobs = [a_job(), a_job(size="4000x500", fit="reject")]
    with pytest.raises(Rejected):
        run_coroutine(submission.submit_all(jobs, storage, ROUTING))
    assert storage.sends == 0


def test_a_failure_on_the_way_tells_which_jobs_to_send_again() -> None:
    jobs = [a_job(job_id=f"fox-{n}") for n in range(4)]
    storage = FakeStorage(failing={2, 3})
    with pytest.raises(NotSubmitted, match="2 of 4 jobs may not have been sent") as failed:
        run_coroutine(submission.submit_all(jobs, storage, FIELDS_ONLY))
    assert [receipt.job_id for receipt in failed.value.receipts] == ["fox-0", "fox-3"]
    assert failed.value.jobs == (jobs[1], jobs[2])


def test_a_prompt_in_a_blob_is_looked_for_and_measured() -> None:
    storage = FakeStorage(blobs={"inputs/fox.txt": ("a fox " * 1_000).encode()})
    short, long = (
        run_coroutine(submission.quote_of(job, storage, ROUTING)).estimate_usd or 0
        for job in (a_job(), a_job("", prompt_blob="fox.txt"))
    )
    assert short < long
    with pytest.raises(InvalidJob, match=r"there is no blob inputs/ox\.txt"):
        run_coroutine(submission.quote_of(a_job("", prompt_blob="ox.txt"), storage, ROUTING))


def test_reply_queues_are_checked_only_by_who_knows_them() -> None:
    run_coroutine(submission.quote_of(a_job(reply_to="replies-a"), FakeStorage(), FIELDS_ONLY))
    knowing = configured(STORAGE | {"REPLY_QUEUES": "events-*"})
    with pytest.raises(InvalidJob, match="not an allowed queue"):
        run_coroutine(submission.quote_of(a_job(reply_to="replies-a"), FakeStorage(), knowing))


def test_pictures_to_edit_are_looked_at_before_anything_is_sent() -> None:
    storage = FakeStorage()
    picture, mask = png(1024, 1024), png(512, 512)
    name = run_coroutine(submission.upload(picture, storage, ROUTING))
    assert name == run_coroutine(submission.upload(picture, storage, ROUTING))
    assert storage.blobs[f"inputs/{name}"] == picture
    job = a_job("make it snow", inputs=[name], quality="low")
    assert (run_coroutine(submission.quote_of(job, storage, ROUTING)).estimate_usd or 0) > 0
    other = run_coroutine(submission.upload(mask, storage, ROUTING))
    with pytest.raises(InvalidJob, match="both must have the same size"):
        run_coroutine(submission.quote_of(a_job(inputs=[name], mask=other), storage, ROUTING))
    with pytest.raises(InvalidJob, match="does not exist"):
        run_coroutine(submission.quote_of(a_job(inputs=["none.png"]), storage, ROUTING))
    with pytest.raises(InvalidJob, match="not a PNG or JPEG"):
        run_coroutine(submission.upload(b"GIF89a", storage, ROUTING))


def told(**said: Any) -> dict[str, str]:  # noqa: ANN401 (arguments as a caller says them)
    none = {"connection_string": None, "account": None, "deployments": None}
    return dict(environment({"ImageStorage": "of the environment", "X": "x"}, **none | said))


def test_arguments_go_over_the_environment() -> None:
    assert told() == {"ImageStorage": "of the environment", "X": "x"}
    assert told(connection_string="mine")["ImageStorage"] == "mine"
    by_name = told(account="pictures", deployments=["a", {"name": "b", "model": "c"}])
    assert by_name == {
        "ImageStorage__queueServiceUri": "https://pictures.queue.core.windows.net",
        "ImageStorage__blobServiceUri": "https://pictures.blob.core.windows.net",
        "FOUNDRY_DEPLOYMENTS": '[{"name": "a"}, {"name": "b", "model": "c"}]',
        "X": "x",
    }


def test_two_ways_to_an_account_are_one_too_many() -> None:
    with pytest.raises(Misconfigured, match="not both"):
        told(connection_string="mine", account="pictures")


def test_a_client_needs_no_endpoint_but_keeps_one_it_is_told() -> None:
    assert ROUTING.deployments[0].endpoint == NOWHERE
    own = configured(
        STORAGE
        | {"FOUNDRY_DEPLOYMENTS": '[{"name": "gpt-image-2"}]', "FOUNDRY_ENDPOINT": "https://a.b"}
    )
    assert own.deployments[0].endpoint == "https://a.b"


def test_own_models_are_read_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text('[models.mine]\nlike = "gpt-image-2"\n')
    environ = STORAGE | {"MODEL_CATALOGUE": str(file), "FOUNDRY_DEPLOYMENTS": '[{"name": "mine"}]'}
    assert configured(environ).deployments[0].model == "mine"
    with pytest.raises(Misconfigured, match="can't be read"):
        configured(STORAGE | {"MODEL_CATALOGUE": str(tmp_path / "none.toml")})
