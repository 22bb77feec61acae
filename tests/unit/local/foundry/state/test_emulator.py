import asyncio
import hashlib
from base64 import b64decode

import aiohttp
import pytest

from local.foundry.state.models import MODELS, Deployment, read_deployments, seconds_to_make
from local.foundry.state.quota import Quota

from ..calls import DATED, KEY, PLAIN, Calls, started


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_quota_comes_in_slices() -> None:
    clock = Clock()
    quota = Quota(clock)
    quota.set("pool", 60)
    waits = [quota.take("pool", 10).wait for _ in range(11)]
    assert waits == [None] * 10 + [2.0]
    clock.now = 2.0
    assert quota.take("pool", 10).wait is None


def test_a_slice_of_a_second_lets_fewer_through_at_once() -> None:
    quota = Quota(Clock())
    quota.set("pool", 120)
    assert [quota.take("pool", 1).wait is None for _ in range(3)] == [True, True, False]


def test_fast_retries_only_make_the_wait_longer() -> None:
    clock = Clock()
    quota = Quota(clock)
    quota.set("pool", 6)
    assert [quota.take("pool", 10).wait for _ in range(4)] == [None, 20.0, 20.0, 20.0]
    clock.now = 20.0
    assert quota.take("pool", 10).wait is None


def test_the_headers_show_the_remaining_requests() -> None:
    quota = Quota(Clock())
    quota.set("pool", 60)
    assert quota.take("pool", 10).headers == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "1",
    }


async def test_a_spent_quota_is_a_429_and_failed_calls_count() -> None:
    deployments = (
        Deployment(name="a", model="gpt-image-2", pool="one", rpm=6),
        Deployment(name="b", model="gpt-image-2", pool="one", rpm=6),
    )
    clock = Clock()
    async with started(deployments, clock=clock) as calls:
        assert (await calls.generate({"size": "800x800"}, deployment="a")).status == 400
        reply = await calls.generate(deployment="b")
        assert (reply.status, reply.headers["retry-after"]) == (429, "21")
        assert "Rate limit is exceeded" in (await reply.json())["error"]["message"]
        await calls.admin("POST", "quota", {"one": 6000})
        clock.now = 1.0
        assert (await calls.generate(deployment="b")).status == 200
        assert await calls.admin("POST", "quota", {"*": 12}) == {"one": 12}
        wrong: list[object] = [{"one": 0}, {"one": "many"}, []]
        for body in wrong:
            assert (await calls.client.post("/admin/quota", json=body)).status == 400


async def test_the_ledger_has_every_picture(calls: Calls) -> None:
    reply = await calls.generate({"n": 2}, headers={"x-ms-client-request-id": "mine"})
    data = [b64decode(item["b64_json"]) for item in (await reply.json())["data"]]
    await calls.generate({"size": "1x1"})
    ledger = await calls.admin("GET", "ledger")
    (entry,) = ledger["entries"]
    assert [each["sha256"] for each in entry["pictures"]] == [
        hashlib.sha256(each).hexdigest() for each in data
    ]
    assert [each["bytes"] for each in entry["pictures"]] == [len(each) for each in data]
    assert entry["client_request_id"] == "mine"
    assert entry["request_id"] == reply.headers["apim-request-id"]
    assert entry["prompt_sha256"] == hashlib.sha256(b"A red fox").hexdigest()
    assert entry["usd"] == pytest.approx((7 * 5 + 214 * 30) / 1e6)
    assert entry["received"] is True
    assert (ledger["pictures"], ledger["outcomes"]) == (2, {"200": 1, "invalid_value": 1})
    assert [call["outcome"] for call in ledger["calls"]] == ["200", "invalid_value"]
    assert (await calls.admin("DELETE", "ledger"))["entries"] == []


@pytest.mark.parametrize("stream", [False, True])
async def test_a_picture_is_billed_even_when_its_client_disconnects(stream: bool) -> None:  # noqa: FBT001  # a parameter
    async with started(time_scale=0.005, keep_alive_seconds=2) as calls:
        url = DATED.format("gpt-image-2", "generations")
        impatient = aiohttp.ClientTimeout(total=0.05)
        body = {**PLAIN, "stream": stream}
        with pytest.raises(TimeoutError):
            async with calls.client.post(url, json=body, headers=KEY, timeout=impatient) as reply:
                await reply.read()
        await calls.emulator.wait_until_billed()
        ledger = calls.emulator.ledger
        while not ledger.calls:  # noqa: ASYNC110  # the handler is about to note it
            await asyncio.sleep(0)
        (entry,) = calls.emulator.ledger.entries
        assert not entry.received
        assert calls.emulator.ledger.outcomes == {"client gone": 1}


async def test_health_names_the_deployments(calls: Calls) -> None:
    health = await calls.admin("GET", "health")
    assert health["status"] == "ok"
    assert "gpt-image-2" in [each["name"] for each in health["deployments"]]


async def test_settings_change_while_it_runs_and_nonsense_is_refused(calls: Calls) -> None:
    assert (await calls.admin("POST", "settings", {"token_mode": 1}))["token_mode"] == 1
    body = await (await calls.generate()).json()
    assert body["usage"]["output_tokens"] == 287
    nonsense: list[object] = [{"token_mode": 3}, {"banana": 1}, [], "x"]
    for wrong in nonsense:
        assert (await calls.client.post("/admin/settings", json=wrong)).status == 400


def test_deployments_are_read_like_the_apps_own() -> None:
    text = (
        '[{"name": "west", "model": "gpt-image-2", "url": "v1", "rpm": 6}, {"name": "gpt-image-1"}]'
    )
    west, one = read_deployments(text, 99)
    assert (west.model, west.pool, west.rpm) == ("gpt-image-2", "gpt-image-2", 6)
    assert (one.model, one.rpm) == ("gpt-image-1", 99)
    with pytest.raises(ValueError, match="deployment 'x': no model 'x'; known: gpt-image-1"):
        read_deployments('[{"name": "x"}]', 1)


def test_seconds_follow_quality_area_and_number() -> None:
    two = MODELS["gpt-image-2"]
    low = seconds_to_make(two, quality="low", pixels=1 << 20, n=1, edit=False)
    assert 20 <= low <= 27
    assert seconds_to_make(two, quality="high", pixels=8_294_400, n=1, edit=False) > 300
    assert seconds_to_make(two, quality="low", pixels=1 << 20, n=2, edit=False) == low * 1.25
    assert seconds_to_make(two, quality="low", pixels=1 << 20, n=1, edit=True) == 55
    assert seconds_to_make(MODELS["FLUX.2-pro"], quality="", pixels=1, n=1, edit=False) == 6.5
