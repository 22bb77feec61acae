"""`python -m local.host --app DIR`: run a function app on this machine.

Prints one line of JSON on stdout when it listens: ready, url, pid, functions, keys. Settings come
from its environment, `--set` and the app's local.settings.json, in this order of precedence: --set,
environment, file. SIGTERM drains; a second one ends it at once. Exit codes: 0 drained, 1 the app
did not load, 82 functionTimeout, 143 not drained in time.
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
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument(
        "--hide", type=float, default=600.0, help="seconds a message is hidden while it runs"
    )
    parser.add_argument(
        "--drain", type=float, default=60.0, help="seconds running invocations get after SIGTERM"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", type=setting)
    parser.add_argument("--function-key", default=os.environ.get("LOCAL_FUNCTION_KEY"))
    parser.add_argument("--master-key", default=os.environ.get("LOCAL_MASTER_KEY"))
    return parser


def main() -> int:
    """Run the host; its exit code."""
    given = _parser().parse_args()
    if given.hide < 1:
        raise SystemExit(f"--hide {given.hide:g}: storage hides for a second at least")
    announce = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the app prints is no part of our answer
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
        return asyncio.run(serve(arguments, os.environ, announce))
    except (AppDidNotLoad, Misconfigured, FileNotFoundError) as error:
        print(f"{app} does not start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # user threads that still run are not waited for
