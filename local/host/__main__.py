"""`python -m local.host --app DIR`: run a function app on this machine.

It prints one line of JSON on stdout when it listens: ready, url, pid, functions, keys. Settings
come from `--set`, the environment and the app's local.settings.json; the first one wins. SIGTERM
drains; a second one stops at once. Exit codes: 0 drained, 1 the app did not load, 82
functionTimeout, 143 not drained in time.
"""

import argparse
import asyncio
import os
import secrets
import sys
from pathlib import Path

from local.host import logs
from local.host.configuration import Misconfigured, apply_local_settings
from local.host.lifecycle import Arguments, serve
from local.host.options import setting
from local.host.routes import Keys
from local.host.worker import AppDidNotLoad


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.host", description="Run a function app.")
    parser.add_argument("--app", type=Path, required=True, help="directory of function_app.py")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument(
        "--hide", type=float, default=600.0, help="seconds a message is hidden while it runs"
    )
    parser.add_argument(
        "--drain", type=float, default=60.0, help="seconds for running invocations after SIGTERM"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", type=setting)
    parser.add_argument("--function-key", default=os.environ.get("LOCAL_FUNCTION_KEY"))
    parser.add_argument("--master-key", default=os.environ.get("LOCAL_MASTER_KEY"))
    return parser


def main() -> int:
    """Run the host and return its exit code."""
    given = _parser().parse_args()
    if given.hide < 1:
        raise SystemExit(f"--hide {given.hide:g}: must be at least 1 second")
    ready_output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the app's own prints go to stderr
    logs.configure()
    app = given.app.resolve()
    os.environ.update(given.set)
    keys = Keys(
        given.function_key or secrets.token_urlsafe(32),
        given.master_key or secrets.token_urlsafe(32),
    )
    arguments = Arguments(app, given.port, given.hide, given.drain, keys)
    try:
        apply_local_settings(app)
        os.chdir(app)
        return asyncio.run(serve(arguments, os.environ, ready_output))
    except (AppDidNotLoad, Misconfigured, FileNotFoundError) as error:
        print(f"{app} did not start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # do not wait for threads of the app
