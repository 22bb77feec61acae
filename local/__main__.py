"""`python -m local up`: Azure on this machine. `python -m local demo`: see it work.

`up` prints one line of JSON on stdout when everything serves (storage, foundry, host, pids, keys);
all else goes to stderr: at a terminal, lines to paste into another shell. Ctrl-C, SIGTERM or the
death of any part ends the rest.
"""

import argparse
import sys
from pathlib import Path

from local.host.options import setting
from local.stack.azurite import AzuriteMissing
from local.stack.stack import ROOT, CannotStart, Wishes, up

#: Seconds a message is hidden while it runs; 600 in Azure, too long to watch a crash heal.
HIDE_SECONDS = 30.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="start everything and stay")
    starting.add_argument("--foundry", metavar="URL", help="use this endpoint, not the emulator")
    starting.add_argument("--host", choices=["builtin", "func"], default="builtin")
    starting.add_argument("--hosts", type=int, default=1, metavar="N", help="over one storage")
    starting.add_argument("--restart", action="store_true", help="start a host that dies anew")
    starting.add_argument(
        "--hide", type=float, default=HIDE_SECONDS, metavar="SECONDS", help="600 in Azure"
    )
    starting.add_argument(
        "--drain", type=float, default=10.0, metavar="SECONDS", help="for what runs at the end"
    )
    starting.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", type=setting, help="of the app"
    )
    starting.add_argument("--data", type=Path, metavar="DIR", help="keep storage here")
    showing = commands.add_parser("demo", help="submit jobs, see their pictures and events")
    showing.add_argument("--out", type=Path, default=ROOT / "out" / "demo", metavar="DIR")
    troubling = commands.add_parser("chaos", help="kill hosts, break calls, and reckon up")
    troubling.add_argument("--jobs", type=int, default=120, metavar="N")
    troubling.add_argument("--hosts", type=int, default=3, metavar="N", help="side by side")
    troubling.add_argument("--seconds", type=float, default=90.0, help="of trouble")
    troubling.add_argument(
        "--patience", type=float, default=180.0, help="seconds, to heal after it"
    )
    troubling.add_argument("--seed", type=int, default=1)
    dropping = commands.add_parser("batch", help="drop a long file, kill its host, and reckon up")
    dropping.add_argument("--lines", type=int, default=1000, metavar="N")
    dropping.add_argument("--seed", type=int, default=1)
    dropping.add_argument("--patience", type=float, default=300.0, help="seconds")
    using = commands.add_parser("quota", help="see how much of a quota hosts use that share it")
    using.add_argument("--jobs", type=int, default=240, metavar="N")
    using.add_argument("--rpm", type=float, default=240, help="of the quota")
    using.add_argument("--hosts", type=int, nargs="+", default=[1, 2, 4], metavar="N")
    using.add_argument("--seed", type=int, default=1)
    return parser


def main() -> int:
    """Run a command; its exit code."""
    given = _parser().parse_args()
    if given.command == "demo":
        from local.demo.run import demo  # noqa: PLC0415 - needs rich, which `up` does not

        return demo(given.out.resolve())
    if given.command == "chaos":
        from local.chaos.arena import Wish  # noqa: PLC0415 - as below
        from local.chaos.run import trouble  # noqa: PLC0415 - needs rich, which `up` does not

        return trouble(Wish(given.jobs, given.hosts, given.seconds, given.seed, given.patience))
    if given.command == "batch":
        from local.chaos import batch  # noqa: PLC0415 - needs rich, which `up` does not

        return batch.trouble(batch.Wish(given.lines, given.seed, given.patience))
    if given.command == "quota":
        from local.quota.run import Wish as Use  # noqa: PLC0415 - as below
        from local.quota.run import use  # noqa: PLC0415 - needs rich, which `up` does not

        return use(Use(given.jobs, given.rpm, given.hosts, given.seed))
    if given.hosts < 1:
        raise SystemExit(f"--hosts {given.hosts}: at least one")
    wishes = Wishes(
        foundry=given.foundry,
        host=given.host,
        hosts=given.hosts,
        restart=given.restart,
        hide=given.hide,
        drain=given.drain,
        data=given.data,
        set=dict(given.set),
    )
    try:
        return up(wishes)
    except (AzuriteMissing, CannotStart) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
