import base64
import json

import pytest

from ..calls import DATED, PLAIN, Calls, started


def jwt(**claims: object) -> str:
    parts: tuple[dict[str, object], ...] = ({"alg": "none"}, claims, {})
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )


OPENAI = DATED.format("gpt-image-2", "generations")
MAI = "/mai/v1/images/generations"
COGNITIVE, FOUNDRY = "https://cognitiveservices.azure.com", "https://ai.azure.com"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"api-key": ""}, 401),
        ({"api-key": "anything"}, 200),
        ({"authorization": "Bearer opaque"}, 200),
        ({"authorization": "Basic opaque"}, 401),
        ({"authorization": "Bearer " + jwt(aud=FOUNDRY)}, 200),
        ({"authorization": "Bearer " + jwt(aud=COGNITIVE + "/")}, 200),
        ({"authorization": "Bearer " + jwt(aud="https://storage.azure.com")}, 401),
        ({"authorization": "Bearer " + jwt(aud=FOUNDRY, exp=1)}, 401),
        ({"authorization": "Bearer a.b.c"}, 200),
    ],
)
async def test_a_key_or_a_token_is_needed(
    calls: Calls, headers: dict[str, str], status: int
) -> None:
    reply = await calls.client.post(OPENAI, json=PLAIN, headers=headers)
    assert reply.status == status


async def test_each_surface_has_its_audience(calls: Calls) -> None:
    ask = {"model": "MAI-Image-2.5", "prompt": "A fox", "width": 768, "height": 768}
    statuses = []
    for audience in (FOUNDRY, COGNITIVE):
        headers = {"authorization": "Bearer " + jwt(aud=audience)}
        statuses.append((await calls.client.post(MAI, json=ask, headers=headers)).status)
    assert statuses == [401, 200]


async def test_one_key_only_and_no_opaque_bearers() -> None:
    async with started(key="mine") as calls:
        for headers, status in (
            ({"api-key": "yours"}, 401),
            ({"api-key": "mine"}, 200),
            ({"authorization": "Bearer yours"}, 401),
            ({"authorization": "Bearer mine"}, 200),
        ):
            assert (await calls.client.post(OPENAI, json=PLAIN, headers=headers)).status == status
        await calls.admin("POST", "settings", {"strict_bearer": True})
        headers = {"authorization": "Bearer mine"}
        assert (await calls.client.post(OPENAI, json=PLAIN, headers=headers)).status == 401
