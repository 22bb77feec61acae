"""`python -m local.host --app DIR`: run a function app on this machine.

It prints one line of JSON on stdout when it listens: ready, url, pid, functions, keys. Settings
come from `--set`, the environment and the app's local.settings.json; the first one wins. SIGTERM
drains; a second one stops at once. Exit codes: 0 drained, 1 the app did not load, 82 to be started
again (storage refused, or the worker died three times), 143 not drained in time.
"""

import argparse
import asyncio
import os
import re
import secrets
import sys
from pathlib import Path

from local.host import logs
from local.host.configuration import Misconfigured, apply_local_settings
from local.host.leases import LEASE_SECONDS, SHORTEST_LEASE
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
    parser.add_argument(
        "--lock", type=int, default=LEASE_SECONDS, help="seconds of a timer's lock, 15 to 60"
    )
    parser.add_argument(
        "--cold", type=float, default=0.0, help="seconds until a poison function starts"
    )
    parser.add_argument(
        "--refusals", type=Path, help='file of what storage refuses now: {"receive": 403}'
    )
    parser.add_argument(
        "--functions",
        type=re.compile,
        default=".*",
        metavar="REGEX",
        help="run only those whose name begins like this, as an instance of their group does",
    )
    parser.add_argument(
        "--cut-young",
        action="store_true",
        help="draining, cut invocations that begin with it, as in Azure (functions-host#12007)",
    )
    parser.add_argument(
        "--keep-others",
        action="store_true",
        help="leave others of a worker that timed out to their own time-outs, as older hosts do",
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
    if not SHORTEST_LEASE <= given.lock <= LEASE_SECONDS:
        raise SystemExit(f"--lock {given.lock}: must be 15 to 60 seconds")
    ready_output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the app's own prints go to stderr
    logs.configure(quiet="azure")
    app = given.app.resolve()
    os.environ.update(given.set)
    keys = Keys(
        given.function_key or secrets.token_urlsafe(32),
        given.master_key or secrets.token_urlsafe(32),
    )
    arguments = Arguments(
        app=app,
        port=given.port,
        hide=given.hide,
        drain=given.drain,
        lock=given.lock,
        cold=given.cold,
        keys=keys,
        functions=re.compile(given.functions),
        refusals=given.refusals and given.refusals.resolve(),
        keeps_others=given.keep_others,
        cuts_young=given.cut_young,
    )
    try:
        apply_local_settings(app)
        return asyncio.run(serve(arguments, os.environ, ready_output))
    except (AppDidNotLoad, Misconfigured, FileNotFoundError) as error:
        print(f"{app} did not start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # do not wait for threads of the app
