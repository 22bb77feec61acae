"""The clients of OpenAI's API use the app from processes of their own, with another URL and key."""

import base64
import hashlib
import io
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.acceptance.callers import Caller
from tests.acceptance.running_stack import (
    PATIENCE_SECONDS,
    ROOT,
    RunningStack,
    running_stack,
)
from tests.simulation.waiting import until

KEY = "sk-shop-0123456789abcdef"
KEYS = {"shop": KEY, "blog": "sk-blog-0123456789abcdef"}
#: Two small pictures fit into one response as base64, and four do not.
BASE64_BYTES = 450_000
FOX = {"model": "gpt-image-2", "size": "1024x1024", "quality": "low"}
PYTHON = ROOT / ".venv-sdks" / "bin" / "python"
PROGRAMS = ROOT / "tests" / "acceptance" / "sdks"
IN_PYTHON = ("sync", "async", "azure", "litellm", "litellm-azure")
IN_NODE = ("node", "node-azure", "ai", "ai-compatible")
#: Those that say in a header that they repeat a request.
OFFICIAL = ("sync", "async", "node")

type Json = dict[str, Any]


@contextmanager
def door(*options: str) -> Iterator[RunningStack]:
    """A stack whose OpenAI endpoints are on; skip, or fail in CI, where the clients are missing."""
    missing = [path for path in (PYTHON, ROOT / "node_modules/openai") if not path.exists()]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{missing[0]} is missing: make setup")
    if missing:
        pytest.skip(f"{missing[0]} is missing: make setup")
    settings = {
        "OPENAI_KEYS": json.dumps(KEYS),
        "OPENAI_WAIT_SECONDS": "1",
        "OPENAI_BASE64_BYTES": str(BASE64_BYTES),
    }
    given = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    with running_stack(*given, *options) as stack:
        yield stack


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with door() as stack:
        yield stack


def run(command: list[str], stack: RunningStack, *, given: str = "") -> str:
    """Run a program with nothing of ours in its environment; return what it prints."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOST": stack.ready["host"],
        "OPENAI_KEY": KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it is fetched from the network
    }
    done = subprocess.run(  # noqa: S603 (our own programs)
        command,
        cwd=ROOT,
        env=environment,
        input=given,
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(stack: RunningStack, client: str, prompt: str, **asked: Any) -> Json:  # noqa: ANN401 - JSON
    """Let a client ask for a picture, and return what it got, or the error it raised."""
    params = FOX | {"prompt": prompt} | asked.pop("params", {})
    document = {"client": client, "host": stack.ready["host"], "key": KEY, "call": "images"}
    given = json.dumps(document | {"params": params} | asked)
    if client in IN_PYTHON:
        command = [str(PYTHON), str(PROGRAMS / "python_client.py")]
    else:
        command = ["node", str(PROGRAMS / "node_client.mjs")]
    told: Json = json.loads(run(command, stack, given=given).splitlines()[-1])
    return told


def jobs_of(stack: RunningStack, prompt: str) -> list[Json]:
    """The records of the jobs with this prompt."""
    found = [
        json.loads(body) for name, body in stack.contents("jobs") if re.fullmatch(r"[^/]+", name)
    ]
    return [record for record in found if record["job"]["prompt"] == prompt]


def stored(stack: RunningStack, record: Json) -> list[str]:
    """The digests of a job's pictures as they are in the container."""
    blobs = [picture["blob"] for task in record["tasks"] for picture in task["pictures"]]
    return [hashlib.sha256(stack.blob("images", blob) or b"").hexdigest() for blob in blobs]


def drawn(mode: str = "RGB", size: tuple[int, int] = (1024, 1024)) -> str:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def lengthened() -> str:
    """A picture with 3 MB of text: its form is too long to be kept while its job runs."""
    buffer, text = io.BytesIO(), PngInfo()
    text.add_text("comment", "x" * (3 << 20))
    Image.new("RGB", (1024, 1024)).save(buffer, "PNG", pnginfo=text)
    return base64.b64encode(buffer.getvalue()).decode()


def paid_once(stack: RunningStack, prompt: str) -> Json:
    """The only job with this prompt, of which one picture was billed."""
    (record,) = jobs_of(stack, prompt)
    assert len(stack.billed(record["job_id"])) == 1
    return record


@pytest.mark.parametrize("client", [*IN_PYTHON, *IN_NODE])
def test_a_client_gets_the_picture_of_its_job(stack: RunningStack, client: str) -> None:
    prompt = f"a fox, made by {client}"
    told = ask(stack, client, prompt)
    assert told.get("pictures") == stored(stack, paid_once(stack, prompt)), told


@pytest.mark.parametrize("client", [*IN_PYTHON, *IN_NODE])
def test_a_client_gets_its_picture_edited(stack: RunningStack, client: str) -> None:
    prompt = f"a scarf, made by {client}"
    told = ask(stack, client, prompt, images=[drawn()])
    record = paid_once(stack, prompt)
    assert told.get("pictures") == stored(stack, record), told
    (line,) = stack.billed(record["job_id"])
    assert line["operation"] == "edits"


def test_several_pictures_and_a_mask_are_edited(stack: RunningStack) -> None:
    told = ask(stack, "sync", "a hat", images=[drawn(), drawn(size=(640, 640))])
    assert len(told["pictures"]) == 1
    told = ask(stack, "sync", "a scarf where it is clear", images=[drawn()], mask=drawn("RGBA"))
    assert len(told["pictures"]) == 1
    (record,) = jobs_of(stack, "a scarf where it is clear")
    assert [each["role"] for each in record["inputs"]] == ["input", "mask"]


@pytest.mark.parametrize("client", ["async", "litellm", "node", "ai"])
def test_a_long_form_is_redirected_at_once(stack: RunningStack, client: str) -> None:
    prompt = f"a scarf on much, made by {client}"
    told = ask(stack, client, prompt, images=[lengthened(), drawn()])
    assert told.get("pictures") == stored(stack, paid_once(stack, prompt)), told


def test_an_answer_names_its_job_its_plan_and_its_cost(stack: RunningStack) -> None:
    told = ask(stack, "sync", "a fox with a bill", params={"n": 2})
    (record,) = jobs_of(stack, "a fox with a bill")
    headers = told["headers"]
    assert headers["x-image-jobs-job-id"] == told["request_id"] == record["job_id"]
    assert headers["x-image-jobs-plan"] == "gpt-image-2 1024x1024 low"
    assert float(headers["x-image-jobs-cost-usd"]) > 0
    assert headers["x-image-jobs-joined"] == "false"
    assert told["usage"]["total_tokens"] > 0
    assert told["pictures"] == stored(stack, record)


@pytest.mark.parametrize("client", OFFICIAL)
def test_a_client_that_gives_up_waiting_and_repeats_pays_once(
    stack: RunningStack, client: str
) -> None:
    prompt = f"a slow fox for {client} [[fault:slow-headers,4]]"
    told = ask(stack, client, prompt, timeout=0.6, retries=10, images=[drawn()])
    record = paid_once(stack, prompt)
    assert told.get("pictures") == stored(stack, record), told
    assert [line for line in stack.log if f"repeated job_id={record['job_id']}" in line]


@pytest.mark.parametrize("client", ["litellm", "ai"])
def test_a_client_that_never_says_so_repeats_while_its_job_runs_and_pays_once(
    stack: RunningStack, client: str
) -> None:
    prompt = f"a fox that {client} wants three times [[fault:slow-headers,3]]"
    with ThreadPoolExecutor(3) as pool:
        told = [*pool.map(lambda _: ask(stack, client, prompt), range(3))]
    pictures = stored(stack, paid_once(stack, prompt))
    assert [each.get("pictures") for each in told] == [pictures] * 3


def test_a_job_that_outlasts_all_waits_is_an_error_that_names_it_and_its_picture_is_kept(
    stack: RunningStack,
) -> None:
    prompt = "a fox that takes its time [[fault:slow-headers,14]]"
    told = ask(stack, "sync", prompt)
    (record,) = jobs_of(stack, prompt)
    assert (told["error"], told["status"]) == ("InternalServerError", 504)
    assert told["code"] == "still_running"
    assert record["job_id"] in told["message"]
    assert stack.event(record["job_id"])["type"] == "image.job.succeeded"
    again = ask(stack, "sync", prompt)
    assert again["headers"]["x-image-jobs-joined"] == "true"
    assert again["pictures"] == stored(stack, paid_once(stack, prompt))


def test_a_client_whose_host_dies_under_it_repeats_and_pays_once(azurite: str) -> None:
    del azurite
    prompt = "a fox that survives [[fault-once:429,4000]]"
    with door("--restart", "--hide", "5") as stack, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, stack, "sync", prompt, retries=12, images=[drawn()])

        def throttled() -> bool:
            return any(record["tasks"][0]["unpaid_retries"] for record in jobs_of(stack, prompt))

        until(throttled, "a call that is throttled", seconds=PATIENCE_SECONDS)
        os.kill(stack.ready["pids"]["hosts"][0], signal.SIGKILL)
        told = asked.result()
        assert told.get("pictures") == stored(stack, paid_once(stack, prompt)), told
        assert told["headers"]["x-image-jobs-joined"] == "true"
        assert [line for line in stack.log if "restarted, pid" in line]


def test_a_job_above_the_budget_is_an_error_that_an_official_client_does_not_repeat(
    azurite: str,
) -> None:
    del azurite
    with door("--set", "DAILY_BUDGET_USD=0.01") as stack:  # enough for one picture
        assert ask(stack, "sync", "a fox within the budget")["pictures"]
        told = ask(stack, "sync", "a fox above the budget")
        (record,) = jobs_of(stack, "a fox above the budget")
        assert (told["error"], told["code"]) == ("RateLimitError", "insufficient_quota")
        assert (record["state"], stack.billed(record["job_id"])) == ("parked", [])
        assert not [line for line in stack.log if f"repeated job_id={record['job_id']}" in line]


def test_an_idempotency_key_is_one_job_and_refuses_another_request(stack: RunningStack) -> None:
    headers = {"Idempotency-Key": "order 7"}
    first, again = (ask(stack, "sync", "a fox by key", headers=headers) for _ in range(2))
    other = ask(stack, "sync", "a hare by key", headers=headers)
    assert first["pictures"] == again["pictures"] == stored(stack, paid_once(stack, "a fox by key"))
    assert (other["error"], other["code"]) == ("ConflictError", "idempotency_conflict")
    assert jobs_of(stack, "a hare by key") == []


@pytest.mark.parametrize("client", OFFICIAL)
@pytest.mark.parametrize(("images", "kind"), [([], "image_generation"), ([drawn()], "image_edit")])
def test_a_stream_is_the_event_of_the_finished_picture(
    stack: RunningStack, client: str, images: list[str], kind: str
) -> None:
    prompt = f"a stream, {kind} for {client}"
    told = ask(stack, client, prompt, images=images, params={"stream": True, "partial_images": 2})
    (event,) = told["events"]
    assert event["type"] == f"{kind}.completed"
    assert [event["picture"]] == stored(stack, paid_once(stack, prompt))
    assert event["tokens"] > 0


def test_a_link_is_returned_on_request_and_is_read_without_a_key(stack: RunningStack) -> None:
    told = ask(stack, "node", "a linked fox", params={"response_format": "url", "n": 2})
    anyone = Caller(stack.ready["host"], None)
    paths = [url.removeprefix(stack.ready["host"]) for url in told["urls"]]
    replies = [anyone.call("GET", path, authorization="Bearer of another") for path in paths]
    digests = [hashlib.sha256(reply.body).hexdigest() for reply in replies]
    (record,) = jobs_of(stack, "a linked fox")
    assert (told["pictures"], digests) == ([], stored(stack, record))
    assert {reply.headers["content-type"] for reply in replies} == {"image/png"}
    other = paths[0].replace("/0/", "/1/")
    assert anyone.call("GET", other).status == 404
    assert anyone.call("GET", paths[0], range="bytes=0-7").body == b"\x89PNG\r\n\x1a\n"


def test_more_than_a_response_may_have_is_returned_as_links_and_never_as_a_stream(
    stack: RunningStack,
) -> None:
    told = ask(stack, "sync", "four foxes", params={"n": 4})
    (record,) = jobs_of(stack, "four foxes")
    sizes = [picture["bytes"] for task in record["tasks"] for picture in task["pictures"]]
    assert sum(sizes) > BASE64_BYTES
    assert (told["pictures"], len(told["urls"])) == ([], 4)
    told = ask(stack, "sync", "four streams", params={"n": 4, "stream": True})
    assert (told["status"], told["param"]) == (400, "stream")


@pytest.mark.parametrize("client", ["sync", "node"])
@pytest.mark.parametrize(
    ("asked", "error", "code", "param"),
    [
        ({"key": "sk-wrong-0123456789abcdef"}, "AuthenticationError", "invalid_api_key", None),
        ({"params": {"model": "dall-e-3"}}, "NotFoundError", "model_not_found", "model"),
        ({"params": {"size": "100x100"}}, "BadRequestError", "unsupported_request", "size"),
        ({"params": {"style": "vivid"}}, "BadRequestError", "invalid_job", "style"),
        ({"images": ["bm8gcGljdHVyZQ=="]}, "BadRequestError", "invalid_job", "image"),
        (
            {"params": {"prompt": "[[refuse:moderation_blocked]] a fox"}},
            "BadRequestError",
            "moderation_blocked",
            None,
        ),
    ],
)
def test_what_is_wrong_is_raised_in_the_right_class(
    stack: RunningStack, client: str, asked: Json, error: str, code: str, param: str | None
) -> None:
    told = ask(stack, client, "a wrong fox", **asked)
    assert (told["error"], told["code"], told["param"]) == (error, code, param)
    assert jobs_of(stack, "a wrong fox") == []


def test_the_models_of_the_app_are_listed_in_both_forms(stack: RunningStack) -> None:
    plain, azure = (ask(stack, client, "", call="models") for client in ("sync", "azure"))
    assert plain == azure
    assert "gpt-image-2" in plain["models"]


def form(*parts: str) -> bytes:
    return "".join(f"--abc\r\n{part}\r\n" for part in parts).encode() + b"--abc--\r\n"


@pytest.mark.parametrize(
    ("content_type", "body", "says"),
    [
        ("multipart/form-data", form("x"), "has no boundary"),
        ("multipart/form-data; boundary=abd", form("x"), "does not begin with the boundary"),
        ("multipart/form-data; boundary=abc", form("x")[:-6], "cut off"),
        ("multipart/form-data; boundary=abc", form("no header"), "prompt: is missing"),
        ("application/json", b"{}", "send multipart/form-data"),
    ],
)
def test_a_broken_form_is_an_error_and_never_an_empty_request(
    stack: RunningStack, content_type: str, body: bytes, says: str
) -> None:
    caller = Caller(stack.ready["host"], None)
    path = "/api/openai/v1/images/edits"
    reply = caller.call(
        "POST", path, body, authorization=f"Bearer {KEY}", content_type=content_type
    )
    assert reply.status in {400, 415}
    assert says in reply.json["error"]["message"]
    assert reply.headers["x-should-retry"] == "false"


def test_a_request_belongs_to_its_caller(stack: RunningStack) -> None:
    caller = Caller(stack.ready["host"], None)
    body = FOX | {"prompt": "a fox of the shop [[fault:slow-headers,3]]"}
    path = "/api/openai/v1/images/generations"
    first = caller.call("POST", path, body, authorization=f"Bearer {KEY}")
    assert (first.status, first.body) == (303, b"")
    rest = first.headers["location"].removeprefix("../../")
    for key, status in ((KEY, {200, 303}), (KEYS["blog"], {404}), ("sk-of-nobody", {401})):
        reply = caller.call("GET", f"/api/openai/{rest}", authorization=f"Bearer {key}")
        assert reply.status in status


def test_waiting_requests_do_not_hold_up_others(stack: RunningStack) -> None:
    caller, path = Caller(stack.ready["host"], None), "/api/openai/v1/images/generations"

    def wait(number: int) -> int:
        prompt = f"fox {number} in a crowd [[fault:slow-headers,2]]"
        reply = caller.call("POST", path, FOX | {"prompt": prompt}, api_key=KEY)
        return reply.status

    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(wait, number) for number in range(20)]
        assert caller.call("GET", "/api/health").status == 200
        assert not all(each.done() for each in waiting)
        assert {each.result() for each in waiting} == {303}


def snippets(language: str) -> list[str]:
    text = (ROOT / "docs" / "openai.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("program", snippets("python"))
def test_a_python_program_of_the_page_runs(stack: RunningStack, program: str) -> None:
    assert re.match(r"\d{4,}", run([str(PYTHON), "-c", program], stack))


@pytest.mark.parametrize("program", snippets("js"))
def test_a_node_program_of_the_page_runs(stack: RunningStack, program: str) -> None:
    command = ["node", "--input-type=module", "--eval", program]
    assert re.match(r"\d{4,}", run(command, stack))


def test_the_app_has_logged_no_key_and_no_traceback(stack: RunningStack) -> None:
    log = "\n".join(stack.log)
    assert not re.search(r"Traceback|sk-shop|sk-blog", log)
