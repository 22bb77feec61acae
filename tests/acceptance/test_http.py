"""Jobs over HTTP, as a caller sees them from outside."""

import hashlib
import io
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.acceptance.callers import Caller, caller_of
from tests.acceptance.running_stack import ROOT, RunningStack, running_stack
from tests.simulation.waiting import until

FOX = {"prompt": "a fox in the snow", "model": "gpt-image-2", "size": "1536x1024", "quality": "low"}


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack("--set", "READ_LINK_SECONDS=600") as stack:
        yield stack


@pytest.fixture(scope="module")
def caller(stack: RunningStack) -> Caller:
    return caller_of(stack)


def test_a_job_is_taken_with_its_plan_and_its_estimate_and_becomes_a_picture(
    stack: RunningStack, caller: Caller
) -> None:
    taken = caller.call("POST", "/api/jobs", {**FOX, "job_id": "http-1"})
    assert (taken.status, taken.headers["location"]) == (202, "/api/jobs/http-1")
    assert int(taken.headers["retry-after"]) >= 1
    (plan,) = taken.json["plans"]
    assert plan["routing"]["decided"]["width"] == 1536
    assert 0 < plan["estimate_usd"] == taken.json["estimate_usd"]
    told = caller.ended(taken.headers["location"])
    (image,) = told["images"]
    got = caller.call("GET", image["path"])
    assert got.headers["content-type"] == "image/png"
    assert hashlib.sha256(got.body).hexdigest() == image["sha256"]
    assert got.body == stack.blob(image["container"], image["blob"])
    assert told["cost_usd"] > 0
    assert stack.event("http-1")["type"] == "image.job.succeeded"


def test_previews_come_while_a_picture_is_made_and_are_gone_when_it_is_there(
    stack: RunningStack, caller: Caller
) -> None:
    prompt = "a fox, slowly [[fault:rate,60000]]"
    job = {**FOX, "job_id": "http-previews", "prompt": prompt, "previews": 3}
    taken = caller.call("POST", "/api/jobs", job)
    assert "300 for 3 previews" in taken.json["plans"][0]["estimate_basis"]
    place = taken.headers["location"]
    path = until(lambda: caller.call("GET", place).json["tasks"][0]["preview_path"], "its call")
    assert path == f"{place}/images/0?as=preview"

    def look() -> bytes:
        got = caller.call("GET", path)
        return got.body if got.status == 200 else b""

    shown = until(look, "a preview")
    with Image.open(io.BytesIO(shown)) as preview:
        assert (preview.size, preview.format) == ((1536, 1024), "PNG")
    told = caller.ended(place)
    (image,) = told["images"]
    assert hashlib.sha256(shown).hexdigest() != image["sha256"]
    assert told["tasks"][0]["preview_path"] is None
    assert caller.call("GET", path).status == 404
    assert stack.blob("images", "http-previews/default/0.preview") is None
    (paid,) = stack.billed("http-previews")
    assert paid["usd"] == pytest.approx(told["cost_usd"], abs=1e-6)
    assert told["usage"]["output_tokens"] == 158 + 3 * 100


def test_previews_are_refused_where_the_model_streams_none(caller: Caller) -> None:
    refused = caller.call("POST", "/api/jobs", {**FOX, "model": "FLUX.2-pro", "previews": 1})
    (fault,) = refused.json["faults"]
    assert (refused.status, fault["field"]) == (400, "previews")
    assert "FLUX.2-pro streams no partial pictures" in fault["message"]


def test_a_bad_job_is_refused_with_every_fault_and_leaves_nothing(
    stack: RunningStack, caller: Caller
) -> None:
    refused = caller.call("POST", "/api/jobs", {"job_id": "http-2", "prompt": "", "n": 11, "x": 1})
    assert (refused.status, refused.headers["content-type"]) == (400, "application/problem+json")
    assert refused.json["status"] == 400
    assert [fault["field"] for fault in refused.json["faults"]] == ["prompt", "n", "x"]
    assert stack.blob("jobs", "http-2.json") is None
    assert caller.call("GET", "/api/jobs/http-2").status == 404


def test_no_fault_repeats_a_prompt(caller: Caller) -> None:
    secret = "the launch of the secret product"  # noqa: S105 - a prompt
    bodies: list[Any] = [
        {"prompt": secret, "n": 11},
        {"prompt": [secret]},
        json.dumps({"prompt": secret, "n": 1})[:-1].encode(),
    ]
    for body in bodies:
        refused = caller.call("POST", "/api/jobs", body)
        assert refused.status == 400
        assert secret not in refused.body.decode()


def test_a_template_is_filled_before_the_job_is_kept(caller: Caller) -> None:
    template = {"template": "a $animal", "variables": {"animal": "fox"}, "quality": "low"}
    taken = caller.call("POST", "/api/jobs", template)
    assert taken.status == 202
    asked = caller.ended(taken.headers["location"])["job"]
    assert asked["prompt"] == "a fox"
    assert not {"template", "variables"} & asked.keys()
    refused = caller.call("POST", "/api/jobs", {**template, "variables": {"colour": "red"}})
    assert refused.status == 400
    assert [fault["field"] for fault in refused.json["faults"]] == ["variables", "variables"]


def test_the_openai_endpoints_are_off_until_a_caller_has_a_key(caller: Caller) -> None:
    for method, path in (("GET", "v1/models"), ("POST", "v1/images/generations")):
        refused = caller.call(method, f"/api/openai/{path}", None if method == "GET" else FOX)
        assert (refused.status, refused.json["error"]["code"]) == (404, "not_enabled")


def test_the_same_job_sent_again_is_answered_with_its_state(
    stack: RunningStack, caller: Caller
) -> None:
    first = caller.call("POST", "/api/jobs", {**FOX, "job_id": "http-3"})
    caller.ended("/api/jobs/http-3")
    again = caller.call("POST", "/api/jobs", {**FOX, "job_id": "http-3"})
    assert (first.status, again.status) == (202, 200)
    assert again.json["state"] == "succeeded"
    assert "retry-after" not in again.headers
    assert len(stack.billed("http-3")) == 1


def test_an_erased_job_keeps_its_id_and_its_costs_and_nothing_else(
    stack: RunningStack, caller: Caller
) -> None:
    path = "/api/jobs/http-erase"
    caller.call("POST", "/api/jobs", {**FOX, "job_id": "http-erase", "tags": {"who": "jane"}})
    before = caller.ended(path)
    erased = caller.call("POST", f"{path}/erase")
    told = caller.call("GET", path)
    assert erased.status == told.status == 200
    assert erased.json == told.json
    assert told.json["erased"]["receivers"] == ["image-events"]
    assert told.json["cost_usd"] == before["cost_usd"] > 0
    assert told.json["job"]["prompt"] == "erased"
    assert b"jane" not in told.body
    assert stack.blob("images", before["images"][0]["blob"]) is None
    again = caller.call(
        "POST", "/api/jobs", {**FOX, "job_id": "http-erase", "tags": {"who": "jane"}}
    )
    assert (again.status, again.json["code"]) == (409, "conflict")
    assert caller.call("POST", f"{path}/replay").json["code"] == "wrong_state"
    assert caller.call("POST", f"{path}/erase").json == told.json


def test_an_id_of_another_job_is_a_conflict(caller: Caller) -> None:
    caller.call("POST", "/api/jobs", {**FOX, "job_id": "http-4"})
    refused = caller.call("POST", "/api/jobs", {**FOX, "job_id": "http-4", "n": 2})
    assert (refused.status, refused.json["code"]) == (409, "conflict")


def test_a_request_sent_twice_with_one_idempotency_key_is_one_job(caller: Caller) -> None:
    first, again = (
        caller.call("POST", "/api/jobs", FOX, idempotency_key="order 7") for _ in range(2)
    )
    other = caller.call("POST", "/api/jobs", FOX, idempotency_key="order 8")
    ids = [reply.json["job_id"] for reply in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]


def test_an_event_in_headers_that_is_delivered_twice_is_the_job_of_its_structured_form(
    caller: Caller,
) -> None:
    attributes = {"specversion": "1.0", "id": "78", "source": "/s", "type": "t"}
    headers = {f"ce_{name}": value for name, value in attributes.items()}
    replies = [caller.call("POST", "/api/jobs", FOX, **headers) for _ in range(2)]
    whole = json.dumps(attributes | {"data": FOX}).encode()
    replies += [
        caller.call("POST", "/api/jobs", whole, content_type="application/cloudevents+json")
    ]
    assert {reply.status for reply in replies} <= {200, 202}
    assert len({reply.json["job_id"] for reply in replies}) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("DELETE", "/api/jobs/none?results=drop", None, "use run or result or reason"),
        ("POST", "/api/jobs/none/replay", {"pictures": "remake"}, "a body of 22 bytes"),
        ("POST", "/api/jobs?n=2", {"prompt": "a fox"}, "is not a parameter here; use none"),
        ("GET", "/api/overview?verbose=1", None, "is not a parameter here"),
    ],
)
def test_what_is_not_read_is_refused(
    caller: Caller, method: str, path: str, body: object, says: str
) -> None:
    refused = caller.call(method, path, body)
    assert (refused.status, refused.json["code"]) == (400, "invalid_query")
    assert says in refused.json["detail"]


def test_who_has_the_newest_version_gets_no_body(caller: Caller) -> None:
    caller.call("POST", "/api/jobs", {**FOX, "job_id": "http-5"})
    caller.ended("/api/jobs/http-5")
    told = caller.call("GET", "/api/jobs/http-5")
    again = caller.call("GET", "/api/jobs/http-5", if_none_match=told.headers["etag"])
    assert (told.status, again.status, again.body) == (200, 304, b"")
    head = caller.call("HEAD", "/api/jobs/http-5")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", told.headers["etag"])


def test_a_picture_is_read_in_parts(stack: RunningStack, caller: Caller) -> None:
    caller.call("POST", "/api/jobs", {**FOX, "job_id": "http-6"})
    (image,) = caller.ended("/api/jobs/http-6")["images"]
    whole = stack.blob("images", image["blob"])
    assert whole is not None
    part = caller.call("GET", image["path"], range="bytes=10-19")
    assert (part.status, part.body) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    beyond = caller.call("GET", image["path"], range=f"bytes={len(whole)}-")
    assert (beyond.status, beyond.json["code"]) == (416, "range_not_satisfiable")
    version = caller.call("GET", image["path"]).headers["etag"]
    assert caller.call("GET", image["path"], if_none_match=version).status == 304
    for other in ("1", "x", "-1", "00"):
        assert caller.call("GET", f"/api/jobs/http-6/images/{other}").status == 404


def test_a_link_reads_a_picture_without_a_key(stack: RunningStack, caller: Caller) -> None:
    caller.call("POST", "/api/jobs", {**FOX, "job_id": "http-7"})
    caller.ended("/api/jobs/http-7")
    told = caller.call("GET", "/api/jobs/http-7?links=true")
    assert "etag" not in told.headers
    (image,) = told.json["images"]
    base, _, path = image["read_url"].partition("/devstoreaccount1/")
    got = Caller(base, None).call("GET", f"/devstoreaccount1/{path}")
    assert got.body == stack.blob("images", image["blob"])
    assert caller.call("GET", "/api/jobs/http-7?links=yes").json["code"] == "invalid_query"


def test_jobs_are_listed_from_the_newest_by_tag_and_by_state_a_page_at_a_time(
    caller: Caller,
) -> None:
    for number in range(3):
        job = {**FOX, "job_id": f"listed-{number}", "tags": {"suite": "a:list, of jobs"}}
        assert caller.call("POST", "/api/jobs", job).status == 202
        caller.ended(f"/api/jobs/listed-{number}")
    path = "/api/jobs?state=succeeded&limit=2&tag=suite:a:list,%20of%20jobs"
    first = caller.call("GET", f"{path}&code={caller.key}")
    assert [job["job_id"] for job in first.json["jobs"]] == ["listed-2", "listed-1"]
    following = first.headers["link"]
    assert following.endswith('>; rel="next"')
    assert caller.key not in following
    rest = caller.call("GET", following[1:].partition(">")[0])
    (last,) = rest.json["jobs"]
    assert (last["job_id"], rest.json["next"], last["prompt"]) == ("listed-0", None, FOX["prompt"])
    assert caller.call("GET", last["cover_path"]).headers["content-type"] == "image/png"
    again = caller.call("GET", path, if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")


def test_a_bad_query_is_refused_with_every_fault(caller: Caller) -> None:
    refused = caller.call("GET", "/api/jobs?state=x&limit=0&tag=x&after=x")
    assert (refused.status, refused.json["code"]) == (400, "invalid_query")
    assert {fault["field"] for fault in refused.json["faults"]} == {
        *("state", "limit", "tag", "after")
    }


def test_a_list_of_jobs_is_a_batch_that_is_followed_to_its_results(
    stack: RunningStack, caller: Caller
) -> None:
    jobs = [{**FOX, "job_id": "http-8"}, {"prompt": ""}, {**FOX, "job_id": "http-9"}]
    taken = caller.call("POST", "/api/jobs/batch", jobs)
    assert (taken.status, taken.json["accepted"], taken.json["refused"]) == (202, 2, 1)
    assert [job["job_id"] for job in taken.json["jobs"]] == ["http-8", None, "http-9"]
    assert [job["problem"] and job["problem"]["status"] for job in taken.json["jobs"]] == [
        None,
        400,
        None,
    ]
    assert int(taken.headers["retry-after"]) >= 1
    path = taken.headers["location"]
    assert caller.call("GET", f"{path}/results").json["code"] == "no_results_yet"
    ended = caller.completed(path)
    assert (
        ended.json["counts"] | {"succeeded": 2, "rejected": 1, "entries": 3} == ended.json["counts"]
    )
    lines = caller.call("GET", ended.json["results_path"])
    assert lines.headers["content-type"] == "application/x-ndjson"
    told = [json.loads(line) for line in lines.body.splitlines()]
    assert [line["state"] for line in told] == ["succeeded", "rejected", "succeeded"]
    assert ended.json["counts"]["cost_usd"] == sum(line["cost_usd"] or 0 for line in told)
    (event,) = [
        each for each in stack.read_events() if each["data"].get("batch_id") == path.split("/")[-1]
    ]
    assert event["type"] == "image.batch.completed"
    again = caller.call("GET", path, if_none_match=ended.headers["etag"])
    assert (again.status, again.body, "retry-after" in again.headers) == (304, b"", False)
    assert caller.call("GET", f"{path}x").json["code"] == "no_such_batch"


def test_a_list_sent_again_is_the_batch_that_it_was(caller: Caller) -> None:
    first, again = (caller.call("POST", "/api/jobs/batch", [FOX, FOX]) for _ in range(2))
    assert first.json["jobs"] == again.json["jobs"]
    caller.completed(first.headers["location"])
    late = caller.call("POST", "/api/jobs/batch", [FOX, FOX])
    assert (late.status, late.json["batch"]["state"]) == (200, "completed")
    assert late.json["batch"]["counts"]["repeated"] == 0


def test_a_key_belongs_to_one_list(caller: Caller) -> None:
    one = caller.call("POST", "/api/jobs/batch", [FOX], idempotency_key="list 1")
    other = caller.call("POST", "/api/jobs/batch", [FOX, FOX], idempotency_key="list 1")
    assert (one.status, other.status, other.json["code"]) == (202, 409, "batch_conflict")


def test_a_list_without_a_good_job_is_refused(caller: Caller) -> None:
    refused = caller.call("POST", "/api/jobs/batch", [{}])
    assert (refused.status, refused.json["batch"]) == (400, None)
    assert caller.call("POST", "/api/jobs/batch", {}).json["code"] == "malformed_message"


def test_an_estimate_stores_nothing(stack: RunningStack, caller: Caller) -> None:
    foreseen = caller.call("POST", "/api/estimate", {**FOX, "job_id": "http-10", "size": "4k"})
    (plan,) = foreseen.json["plans"]
    assert foreseen.status == 200
    assert plan["routing"]["reasons"]
    assert stack.blob("jobs", "http-10.json") is None


@pytest.mark.parametrize(
    ("path", "body", "content_type", "status", "code"),
    [
        ("/api/jobs", b"{}", "text/plain", 415, "unsupported_media_type"),
        ("/api/jobs", b"a" * 65_537, "application/json", 413, "too_large"),
        ("/api/jobs/batch", b"a" * 1_048_577, "application/json", 413, "too_large"),
        ("/api/estimate", b"", "application/json", 400, "malformed_message"),
    ],
)
def test_a_body_of_another_type_or_length_is_refused(
    caller: Caller, path: str, body: bytes, content_type: str, status: int, code: str
) -> None:
    refused = caller.call("POST", path, body, content_type=content_type)
    assert (refused.status, refused.json["code"]) == (status, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/jobs"),
        ("POST", "/api/jobs/batch"),
        ("POST", "/api/estimate"),
        ("GET", "/api/jobs"),
        ("GET", "/api/jobs/http-1"),
        ("GET", "/api/jobs/http-1/images/0"),
        ("GET", "/api/batches/http-1"),
        ("GET", "/api/batches/http-1/results"),
        ("DELETE", "/api/jobs/http-1"),
        ("POST", "/api/jobs/http-1/replay"),
    ],
)
def test_nothing_is_told_without_the_key(stack: RunningStack, method: str, path: str) -> None:
    stranger = Caller(stack.ready["host"], None)
    assert stranger.call(method, path, b"{}" if method == "POST" else None).status == 401


def test_the_examples_of_the_page_run_as_they_are(
    stack: RunningStack, caller: Caller, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "http.md").read_text("utf-8")
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    assert script.count("curl") == page.count("curl")
    done = subprocess.run(  # noqa: S603 (the page is ours)
        ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607 (whichever bash there is)
        cwd=tmp_path,
        env={**os.environ, "HOST": caller.host, "KEY": caller.key or ""},
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (image,) = caller.call("GET", "/api/jobs/fox-7d2c").json["images"]
    assert (tmp_path / "fox.png").read_bytes() == stack.blob("images", image["blob"])


def test_no_prompt_reaches_the_log(stack: RunningStack) -> None:
    assert any("http-1" in line for line in stack.log)
    assert not any("in the snow" in line or "secret product" in line for line in stack.log)
