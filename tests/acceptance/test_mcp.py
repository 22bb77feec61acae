"""`image-jobs mcp` as an agent's client starts it: its own process, against the running stack."""

import base64
import io
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.context import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult, ImageContent, ResourceLink
from PIL import Image

from local.stack.settings import DEPLOYMENTS
from shared.client.mcp_server import THUMBNAIL
from tests.acceptance.callers import caller_of
from tests.acceptance.running_stack import ROOT, RunningStack, running_stack

#: What the client speaks, as the SDK names it: 2025-11-25 begins with a handshake.
VERSIONS = {"2025-11-25": "legacy", "2026-07-28": "2026-07-28"}


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack() as stack:
        yield stack


@asynccontextmanager
async def agent(stack: RunningStack, version: str, asked: list[str]) -> AsyncIterator[Client]:
    """A client whose person agrees to everything."""

    async def agree(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        asked.append(params.message)
        return ElicitResult(action="accept", content={"approve": True})

    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "shared.client.cli", "mcp"],
        cwd=ROOT,
        env={
            **os.environ,
            "ImageStorage": stack.ready["storage"],
            "FOUNDRY_DEPLOYMENTS": json.dumps(DEPLOYMENTS),
            "IMAGE_JOBS_URL": stack.ready["host"],
        },
    )
    async with Client(server, mode=VERSIONS[version], elicitation_callback=agree) as client:
        assert client.session.protocol_version == version
        yield client


async def call(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_agent_makes_a_picture_and_sees_it(stack: RunningStack, version: str) -> None:
    job = {"prompt": f"a fox for {version}", "size": "1536x1024", "quality": "low"}
    asked: list[str] = []
    async with agent(stack, version, asked) as client:
        estimate = await call(client, "estimate", job=job)
        sent = await call(client, "submit", job=job, max_cost=0.5)
        job_id = sent["job_id"]
        done = await call(client, "wait", job_id=job_id)
        while not done["ended"]:
            done = await call(client, "wait", job_id=job_id)
        again = await call(client, "submit", job=job, max_cost=0.7)
        result = await client.call_tool("get", {"job_id": job_id})
        listed = await call(client, "list", limit=5)
    assert done["state"] == again["state"] == "succeeded"
    assert 0 < done["cost_usd"] <= estimate["estimate_usd"]
    assert len(asked) == 1
    assert len(stack.billed(job_id)) == 1
    assert job_id in [each["job_id"] for each in listed["jobs"]]
    (thumbnail,) = (each for each in result.content if isinstance(each, ImageContent))
    with Image.open(io.BytesIO(base64.b64decode(thumbnail.data))) as picture:
        assert picture.size == (THUMBNAIL, THUMBNAIL * 2 // 3)
    (link,) = (each for each in result.content if isinstance(each, ResourceLink))
    caller = caller_of(stack)
    original = caller.call("GET", link.uri.removeprefix(caller.host))
    with Image.open(io.BytesIO(original.body)) as picture:
        assert picture.size == (1536, 1024)


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_agent_learns_why_there_is_no_picture(stack: RunningStack, version: str) -> None:
    refused = {"prompt": f"[[refuse:moderation_blocked]] a fox for {version}", "quality": "low"}
    async with agent(stack, version, []) as client:
        wrong = await client.call_tool("submit", {"job": {"size": "4000x500"}, "max_cost": 1})
        sent = await call(client, "submit", job=refused, max_cost=1)
        ended = await call(client, "wait", job_id=sent["job_id"])
        late = await client.call_tool("cancel", {"job_id": sent["job_id"]})
    assert wrong.is_error
    assert "prompt: is missing" in wrong.content[0].model_dump()["text"]
    assert ended["state"] == "failed"
    assert ended["failure"].startswith("content_refused: ")
    assert late.is_error
