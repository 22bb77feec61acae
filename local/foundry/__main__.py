"""Run the emulator: `python -m local.foundry --port 0`."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence

from aiohttp import web
from pydantic import ValidationError

from local.foundry.api.server import Foundry
from local.foundry.drawing.picture import warm_up
from local.foundry.state.emulator import Emulator
from local.foundry.state.models import default_deployments, read_deployments
from local.foundry.state.settings import Settings


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; `--set` accepts every field of `Settings`."""
    parser = argparse.ArgumentParser(prog="python -m local.foundry", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--time-scale", type=float, help="real seconds per service second (0.02)")
    parser.add_argument("--deployments", help="a JSON list like FOUNDRY_DEPLOYMENTS")
    parser.add_argument("--rpm", type=float, default=600, help="requests per minute (default)")
    parser.add_argument("--seed", type=int, default=0, help="seed of latencies and random faults")
    parser.add_argument("--key", help="the only valid API key (default: any)")
    parser.add_argument(
        "--noise", type=int, nargs="?", const=5, help="bits of noise: files as large as photos"
    )
    parser.add_argument("--cache", action="store_true", help="draw each size once")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"any setting: {', '.join(Settings.model_fields)}",
    )
    return parser


def read_settings(given: argparse.Namespace) -> Settings:
    """Return the settings of a command line."""
    members = {}
    for text in given.set:
        name, _, value = text.partition("=")
        members[name] = _value(value)
    for name in ("time_scale", "key", "noise"):
        value = getattr(given, name)
        if value is not None:
            members[name] = value
    if given.cache:
        members["cache"] = True
    return Settings.model_validate(members)


def _value(text: str) -> object:
    """Return a value of `--set`: JSON if it is valid JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


async def serve(emulator: Emulator, host: str, port: int) -> None:
    """Print the address on stdout and serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(Foundry(emulator).application(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    address = runner.addresses[0]
    print(json.dumps({"ready": True, "url": f"http://{address[0]}:{address[1]}"}), flush=True)
    await stop.wait()
    await runner.cleanup()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the emulator; return 2 when the command line is invalid."""
    given = parser().parse_args(arguments)
    try:
        settings = read_settings(given)
        deployments = (
            read_deployments(given.deployments, given.rpm)
            if given.deployments
            else default_deployments(given.rpm)
        )
    except (ValidationError, ValueError) as error:
        print(f"foundry: {error}", file=sys.stderr)
        return 2
    warm_up()
    asyncio.run(serve(Emulator(deployments, settings, seed=given.seed), given.host, given.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
