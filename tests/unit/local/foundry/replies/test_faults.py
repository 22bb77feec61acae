import asyncio
import base64
import binascii
import json

import aiohttp
import pytest

from local.foundry.replies.faults import NAMES

from ..calls import KEY, Calls, events, picture, started


@pytest.mark.parametrize(
    ("fault", "status", "code", "paid"),
    [
        ("429", 429, "429", 0),
        ("429-bare", 429, "429", 0),
        ("429-capacity", 429, "429", 0),
        ("500", 500, "500", 0),
        ("503", 503, "503", 0),
        ("401", 401, "401", 0),
        ("403", 403, "403", 0),
        ("404", 404, "DeploymentNotFound", 0),
        ("404-path", 404, "404", 0),
        ("500-after", 500, "500", 1),
        ("408", 408, "Timeout", 1),
        ("moderation_blocked", 400, "moderation_blocked", 0),
        ("moderation_blocked-input", 400, "moderation_blocked", 0),
        ("moderation_blocked-output", 400, "moderation_blocked", 1),
        ("content_policy_violation", 400, "content_policy_violation", 0),
        ("contentFilter", 400, "contentFilter", 0),
        ("contentFilter-output", 400, "contentFilter", 0),
        ("content_filter", 400, "content_filter", 0),
        ("content_safety_violation", 400, "content_safety_violation", 0),
        ("refused-wrapped", 400, "400", 0),
        ("refused-type", 400, None, 0),
        ("451", 451, "451", 0),
        ("402", 402, "payment_required", 0),
        ("insufficient_quota", 429, "insufficient_quota", 0),
        ("billing_hard_limit_reached", 400, "billing_hard_limit_reached", 0),
    ],
)
async def test_a_fault_with_an_error_reply(
    calls: Calls, fault: str, status: int, code: str | None, paid: int
) -> None:
    reply = await calls.generate(fault=fault)
    assert (reply.status, (await reply.json())["error"]["code"]) == (status, code)
    assert len(calls.emulator.ledger.entries) == paid


@pytest.mark.parametrize("stage", ["input", "output"])
async def test_a_refusal_may_say_its_stage(calls: Calls, stage: str) -> None:
    refused = await (await calls.generate(fault=f"moderation_blocked-{stage}")).json()
    details = {"moderation_stage": stage, "categories": ["violence"]}
    assert refused["error"]["moderation_details"] == details


@pytest.mark.parametrize("body", [{}, {"stream": True}])
async def test_an_absurd_usage_is_told_and_not_billed(calls: Calls, body: dict[str, bool]) -> None:
    reply = await calls.generate(body, fault="usage")
    told = events(await reply.text())[-1][1] if body else await reply.json()
    assert told["usage"]["output_tokens"] == 10**18
    (entry,) = calls.emulator.ledger.entries
    assert entry.usage.output < 10_000


async def test_a_429_may_say_how_long_to_wait(calls: Calls) -> None:
    throttled = await calls.generate(fault="429,2500")
    assert (throttled.headers["retry-after-ms"], throttled.headers["retry-after"]) == ("2500", "3")
    bare = await calls.generate(fault="429-bare")
    assert "retry-after" not in bare.headers
    busy = await (await calls.generate(fault="429-capacity")).json()
    assert "high demand" in busy["error"]["message"]


async def test_a_block_stays_until_it_is_cleared(calls: Calls) -> None:
    first = await calls.generate(fault="blocked")
    assert (first.status, "temporarily blocked" in await first.text()) == (403, True)
    assert (await calls.generate()).status == 403
    await calls.admin("DELETE", "faults")
    assert (await calls.generate()).status == 200


@pytest.mark.parametrize(("fault", "paid"), [("disconnect", 0), ("disconnect-after", 1)])
async def test_a_connection_can_close_without_a_reply(calls: Calls, fault: str, paid: int) -> None:
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await calls.generate(fault=fault)
    assert [entry.received for entry in calls.emulator.ledger.entries] == [False] * paid


async def test_a_gateway_can_refuse_content_with_403(calls: Calls) -> None:
    told = await calls.generate(fault="refused-gateway")
    assert (told.status, (await told.json())["statusCode"]) == (403, 403)
    page = await calls.generate(fault="refused-text")
    assert (page.status, page.content_type) == (403, "text/html")
    assert "content safety" in await page.text()


async def test_a_connection_can_be_reset(calls: Calls) -> None:
    with pytest.raises(aiohttp.ClientOSError, match="reset by peer"):
        await calls.generate(fault="reset")
    assert calls.emulator.ledger.outcomes == {"reset": 1}


async def test_a_call_can_stay_without_any_reply(calls: Calls) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await calls.generate(fault="silence")
    while not calls.emulator.ledger.outcomes:  # noqa: ASYNC110  # noted when it sees that we left
        await asyncio.sleep(0.01)
    assert calls.emulator.ledger.outcomes == {"silence": 1}


async def test_the_wall_cuts_calls_without_a_stream_and_they_are_paid() -> None:
    async with started(time_scale=0.0001, wall_seconds=122, jitter=0) as calls:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await calls.generate({"quality": "high"})
        assert (await calls.generate({"quality": "high", "stream": True})).status == 200
        assert (await calls.generate({"quality": "medium"})).status == 200
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await calls.generate(fault="wall")
        await calls.emulator.wait_until_billed()
        assert len(calls.emulator.ledger.entries) == 4
    assert sum(not entry.received for entry in calls.emulator.ledger.entries) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["cut", "cut,1000", "cut-after-picture"])
async def test_a_body_can_end_early_and_is_paid(calls: Calls, fault: str, stream: bool) -> None:  # noqa: FBT001  # a parameter
    reply = await calls.generate({"stream": stream}, fault=fault)
    assert reply.status == 200
    with pytest.raises(aiohttp.ClientPayloadError):
        await reply.read()
    (entry,) = calls.emulator.ledger.entries
    assert not entry.received


async def test_a_cut_after_a_picture_leaves_that_picture_whole(calls: Calls) -> None:
    reply = await calls.generate({"n": 2}, fault="cut-after-picture,1")
    seen = bytearray()
    with pytest.raises(aiohttp.ClientPayloadError):  # noqa: PT012  # the bytes before it count
        async for chunk in reply.content.iter_any():
            seen += chunk
    text = seen.decode()
    assert text.endswith('"')
    assert picture(text.split('"')[-2]).size == (1024, 640)


async def test_silence_lasts_until_the_client_leaves(calls: Calls) -> None:
    reply = await calls.generate(fault="stall,100")
    assert len(await reply.content.readexactly(100)) == 100
    assert not reply.content.at_eof()
    reply.close()
    (entry,) = calls.emulator.ledger.entries
    assert not entry.received


async def test_silence_may_begin_after_the_headers(calls: Calls) -> None:
    reply = await calls.generate(fault="stall")
    assert reply.status == 200
    assert reply.content.total_bytes == 0
    reply.close()


async def test_headers_can_be_late(calls: Calls) -> None:
    assert (await calls.generate(fault="slow-headers,0.01")).status == 200


async def test_an_empty_reply_is_still_paid(calls: Calls) -> None:
    assert (await (await calls.generate(fault="empty-data")).json())["data"] == []
    text = await (await calls.generate({"stream": True}, fault="empty-data")).text()
    assert events(text) == []
    assert len(calls.emulator.ledger.entries) == 2


async def test_a_linked_picture_needs_its_signature_and_no_credentials(
    calls: Calls,
) -> None:
    body = await (await calls.generate(fault="linked")).json()
    (item,) = body["data"]
    assert item["b64_json"] is None
    assert body["usage"]["output_tokens"] > 0
    given = await calls.client.session.get(item["url"])
    assert (given.status, given.content_type) == (200, "image/png")
    assert (await given.read()).startswith(b"\x89PNG")
    assert (await calls.client.session.get(item["url"], headers=KEY)).status == 400
    assert (await calls.client.session.get(item["url"][:-1])).status == 403
    other = await (await calls.generate(fault="linked,https://elsewhere.example")).json()
    assert other["data"][0]["url"].startswith("https://elsewhere.example/linked/")
    assert len(calls.emulator.ledger.entries) == 2


async def test_json_can_be_truncated_in_a_complete_reply(calls: Calls) -> None:
    text = await (await calls.generate(fault="truncated-json,60")).text()
    assert len(text) == 60
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    streamed = await calls.generate({"stream": True}, fault="truncated-json")
    assert not (await streamed.text()).endswith("\n\n")


async def test_a_gateway_can_answer_with_a_page(calls: Calls) -> None:
    reply = await calls.generate(fault="html-502")
    assert (reply.status, reply.content_type) == (502, "text/html")
    assert "<h1>502" in await reply.text()
    assert len(calls.emulator.ledger.entries) == 1


async def test_the_content_type_can_be_wrong(calls: Calls) -> None:
    assert (await calls.generate(fault="wrong-content-type")).content_type == "text/plain"
    other = await calls.generate(fault="wrong-content-type,image/png")
    assert other.content_type == "image/png"


async def test_auto_can_leave_the_grid(calls: Calls) -> None:
    body = await (await calls.generate({"size": "auto"}, fault="off-grid")).json()
    assert body["size"] == "1254x836"
    assert picture(body["data"][0]["b64_json"]).size == (1254, 836)
    asked = await (await calls.generate(fault="off-grid,1001x701")).json()
    assert asked["size"] == "1024x640"


async def test_base64_can_be_spoilt(calls: Calls) -> None:
    body = await (await calls.generate(fault="bad-base64")).json()
    with pytest.raises(binascii.Error):
        base64.b64decode(body["data"][0]["b64_json"], validate=True)


async def test_a_reply_can_be_compressed_unasked(calls: Calls) -> None:
    reply = await calls.generate(fault="gzip", headers={"accept-encoding": "identity"})
    assert reply.headers["content-encoding"] == "gzip"
    assert (await reply.json())["size"] == "1024x640"


async def test_a_stream_can_end_in_an_error_or_in_nothing(calls: Calls) -> None:
    stream = await (await calls.generate({"stream": True}, fault="error-event")).text()
    assert [name for name, _ in events(stream)] == ["error"]
    none = await (await calls.generate({"stream": True}, fault="no-final")).text()
    assert events(none) == []
    assert len(calls.emulator.ledger.entries) == 2


async def test_faults_combine(calls: Calls) -> None:
    raw = await (await calls.generate(fault="escapes; chunk,4096; rate,100000000")).text()
    assert "\\/" in raw


@pytest.mark.parametrize(
    ("words", "statuses"),
    [
        ("[[fault:503]]", [503, 503]),
        ("[[fault-once:503]]", [503, 200]),
        ("[[refuse:moderation_blocked]]", [400, 400]),
    ],
)
async def test_a_prompt_can_name_a_fault(calls: Calls, words: str, statuses: list[int]) -> None:
    prompt = {"prompt": f"A red fox {words}"}
    assert [(await calls.generate(prompt)).status for _ in statuses] == statuses


async def test_a_rule_chooses_its_calls(calls: Calls) -> None:
    await calls.admin("POST", "faults", {"fault": "503", "count": 1, "prompt_contains": "fox"})
    await calls.admin("POST", "faults", {"fault": "429", "value": 5, "deployment": "gpt-image-1"})
    await calls.admin("POST", "faults", {"fault": "500", "rate": 0})
    assert (await calls.generate({"prompt": "A bear"})).status == 200
    assert (await calls.generate()).status == 503
    assert (await calls.generate()).status == 200
    other = await calls.generate({"size": "1024x1024"}, deployment="gpt-image-1")
    assert (other.status, other.headers["retry-after-ms"]) == (429, "5")
    assert [rule["hits"] for rule in (await calls.admin("GET", "faults"))["rules"]] == [1, 1, 0]


async def test_an_unknown_fault_is_reported(calls: Calls) -> None:
    reply = await calls.generate(fault="banana")
    assert "unknown fault 'banana'" in (await reply.json())["error"]["message"]
    for body in ({"fault": "banana"}, {"fault": "429", "value": "soon"}, {"faults": "429"}):
        assert (await calls.client.post("/admin/faults", json=body)).status == 400


async def test_every_fault_is_described(calls: Calls) -> None:
    assert (await calls.admin("GET", "faults"))["known"] == dict(NAMES)
