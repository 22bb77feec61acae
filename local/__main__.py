"""`python -m local up`: Azure on this machine. `python -m local demo`: see it work.

When everything serves, `up` prints on stdout: at a terminal what to do next, through a pipe one
line of JSON (storage, foundry, host, pids, keys). Everything else goes to stderr. Ctrl-C, SIGTERM
or the end of any process stops the rest.
"""

import argparse
import shlex
import sys
from pathlib import Path

from local.host.options import setting
from local.stack.azurite import AzuriteMissing
from local.stack.stack import ROOT, CannotStart, StackOptions, run_until_stopped

#: Seconds a message is hidden while it runs; 600 in Azure, too long to wait for after a crash.
HIDE_SECONDS = 30.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_up(commands.add_parser("up", help="start everything and keep it running"))
    demo = commands.add_parser("demo", help="submit jobs, see their pictures and events")
    demo.add_argument("--out", type=Path, default=ROOT / "out" / "demo", metavar="DIR")
    chaos = commands.add_parser("chaos", help="kill hosts, break calls, audit the result")
    chaos.add_argument("--jobs", type=int, default=120, metavar="N")
    chaos.add_argument("--hosts", type=int, default=3, metavar="N", help="hosts at a time")
    chaos.add_argument("--seconds", type=float, default=90.0, help="length of the trial")
    chaos.add_argument(
        "--patience", type=float, default=300.0, help="longest wait for the end, in seconds"
    )
    chaos.add_argument("--seed", type=int, default=1)
    upgrade = commands.add_parser("upgrade", help="run an earlier version beside this one, audit")
    upgrade.add_argument("--before", required=True, metavar="COMMIT")
    upgrade.add_argument("--jobs", type=int, default=40, metavar="N")
    upgrade.add_argument("--seed", type=int, default=1)
    batch = commands.add_parser("batch", help="upload a long manifest, kill its host, audit")
    batch.add_argument("--lines", type=int, default=1000, metavar="N")
    batch.add_argument("--seed", type=int, default=1)
    batch.add_argument("--patience", type=float, default=300.0, help="longest run in seconds")
    outage = commands.add_parser("outage", help="take the endpoint down for a while, audit")
    outage.add_argument("--jobs", type=int, default=200, metavar="N")
    outage.add_argument("--hosts", type=int, default=3, metavar="N")
    outage.add_argument("--seconds", type=float, default=120.0, help="how long it is down")
    outage.add_argument("--mode", choices=("503", "reset", "silence"), help="default: all three")
    outage.add_argument(
        "--patience", type=float, default=600.0, help="longest wait after it, in seconds"
    )
    drill = commands.add_parser("drill", help="provoke each alert, print what an operator sees")
    drill.add_argument("--only", nargs="+", default=[], metavar="NAME", help="default: all")
    drill.add_argument("--write", action="store_true", help="show it in docs/runbook.md")
    quota = commands.add_parser("quota", help="measure how much of a shared quota hosts use")
    quota.add_argument("--jobs", type=int, metavar="N", help="default: 240; 480 of several tenants")
    quota.add_argument("--rpm", type=float, default=240, help="requests per minute of the quota")
    quota.add_argument("--hosts", type=int, nargs="+", default=[1, 2, 4], metavar="N")
    quota.add_argument("--seed", type=int, default=1)
    quota.add_argument(
        "--tenants", type=int, metavar="N", help="share it among N tenants instead, on most hosts"
    )
    quota.add_argument(
        "--load",
        type=float,
        nargs="+",
        metavar="PERCENT",
        help="let a scaler start and drain instances while jobs come at these shares of the quota",
    )
    quota.add_argument("--minutes", type=float, default=5.0, help="of jobs at each load")
    quota.add_argument("--formula", choices=("peek", "full"), default="peek", help="the scaler's")
    return parser


def _add_up(up: argparse.ArgumentParser) -> None:
    up.add_argument("--foundry", metavar="URL", help="endpoint to use instead of the emulator")
    up.add_argument("--host", choices=["builtin", "func"], default="builtin")
    up.add_argument("--hosts", type=int, default=1, metavar="N", help="number of hosts")
    up.add_argument("--restart", action="store_true", help="restart a host that ends")
    up.add_argument(
        "--hide",
        type=float,
        default=HIDE_SECONDS,
        metavar="SECONDS",
        help="how long a running message is hidden (600 in Azure)",
    )
    up.add_argument(
        "--drain", type=float, default=10.0, metavar="SECONDS", help="time to finish after SIGTERM"
    )
    up.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        type=setting,
        help="an app setting; repeatable",
    )
    up.add_argument(
        "--data", type=Path, metavar="DIR", help="directory to keep storage in (default: memory)"
    )
    up.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="directory for shell variables, and for ports and keys to use again "
        "(default: .dev at a terminal, else none)",
    )
    up.add_argument(
        "--host-options",
        default="",
        metavar="OPTIONS",
        help='more options of local.host, such as "--cut-young --cold 5"',
    )
    up.add_argument(
        "--before",
        type=Path,
        metavar="DIR",
        help="working copy of an earlier version: every second host runs its app",
    )


def main() -> int:
    """Run a command and return its exit code."""
    given = _parser().parse_args()
    # The trials need rich, which `up` does not: each is imported by its own command.
    match given.command:
        case "demo":
            from local.demo.run import run_demo  # noqa: PLC0415 - see above

            return run_demo(given.out.resolve())
        case "chaos":
            from local.chaos import run as chaos  # noqa: PLC0415 - see above

            sizes = (given.jobs, given.hosts, given.seconds, given.seed, given.patience)
            return chaos.main(chaos.ChaosOptions(*sizes))
        case "upgrade":
            from local.chaos import upgrade  # noqa: PLC0415 - see above

            return upgrade.main(upgrade.UpgradeOptions(given.before, given.jobs, given.seed))
        case "batch":
            from local.chaos import batch  # noqa: PLC0415 - see above

            return batch.main(batch.BatchOptions(given.lines, given.seed, given.patience))
        case "outage":
            from local.chaos import outage  # noqa: PLC0415 - see above

            modes = (given.mode,) if given.mode else outage.MODES
            trial = (given.jobs, given.hosts, given.seconds, modes, given.patience)
            return outage.main(outage.OutageOptions(*trial))
        case "drill":
            from local.drill import run as drill  # noqa: PLC0415 - see above

            return drill.main(given.only, write=given.write)
        case "quota":
            return _quota(given)
        case _:
            return _up(given)


def _quota(given: argparse.Namespace) -> int:
    from local.quota import run, scaled, tenants  # noqa: PLC0415 - see above

    if given.load:
        rate = (given.rpm, given.minutes, given.formula, given.seed)
        return scaled.main(scaled.ScaledOptions(given.load, *rate))
    jobs = given.jobs or (480 if given.tenants else 240)
    options = run.QuotaOptions(jobs, given.rpm, given.hosts, given.seed)
    return tenants.main(options, given.tenants) if given.tenants else run.main(options)


def _up(given: argparse.Namespace) -> int:
    if given.hosts < 1:
        raise SystemExit(f"--hosts {given.hosts}: must be at least 1")
    options = StackOptions(
        foundry=given.foundry,
        host=given.host,
        hosts=given.hosts,
        restart=given.restart,
        hide=given.hide,
        drain=given.drain,
        data=given.data,
        host_options=shlex.split(given.host_options),
        before=given.before,
        folder=given.folder or (ROOT / ".dev" if sys.stdout.isatty() else None),
        set=dict(given.set),
    )
    try:
        return run_until_stopped(options)
    except (AzuriteMissing, CannotStart) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
