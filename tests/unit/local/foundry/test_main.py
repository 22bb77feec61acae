import asyncio
import json
import signal
import sys

import aiohttp
import pytest

from local.foundry.__main__ import main, parser, read_settings


async def test_it_prints_its_address_and_stops_on_sigterm() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.foundry", "--port", "0", "--time-scale", "0"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    assert ready["ready"] is True
    async with aiohttp.ClientSession() as session:
        reply = await session.get(ready["url"] + "/admin/health")
        assert reply.status == 200
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


def test_settings_come_from_the_command_line() -> None:
    given = parser().parse_args(
        [
            "--time-scale",
            "0",
            "--noise",
            "--cache",
            "--key",
            "k",
            "--set",
            "token_mode=2",
            "--set",
            "auto_quality=low",
        ]
    )
    settings = read_settings(given)
    assert (settings.time_scale, settings.noise, settings.cache) == (0, 5, True)
    assert (settings.key, settings.token_mode, settings.auto_quality) == ("k", 2, "low")


@pytest.mark.parametrize(
    "arguments",
    [["--set", "banana=1"], ["--deployments", "{"], ["--deployments", '[{"name":"x"}]']],
)
def test_nonsense_is_refused_with_a_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("foundry: ")
