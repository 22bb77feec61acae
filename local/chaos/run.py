"""Run the trouble: start hosts, submit, kill, repeat, heal, wait, and reckon up."""

import json
import random
import time
from collections.abc import Callable, Mapping
from functools import partial

from rich.table import Table

from local.chaos.arena import WISHES, Arena, Wish, arena
from local.chaos.reckoning import Reckoning, reckon
from local.chaos.trouble import FAULTS, TWICE, jobs
from local.stack.settings import QUEUES
from local.stack.trials import tried


def chaos(wish: Wish, say: Callable[[str], None]) -> Reckoning:
    """Make the trouble and return what it came to."""
    chance = random.Random(wish.seed)  # noqa: S311 - trouble, not secrets
    with arena(wish.hosts, WISHES, say) as troubled:
        for fault, rate in FAULTS.items():
            troubled.admin("faults", method="POST", body={"fault": fault, "rate": rate})
        submitted = _submit(troubled, wish, chance)
        _kill_for(troubled, wish, chance)
        troubled.admin("faults", method="DELETE")
        _wait(troubled, set(submitted), wish.patience)
        return reckon(troubled.seen(submitted))


def _submit(troubled: Arena, wish: Wish, chance: random.Random) -> list[str]:
    """Send every job some time in the trouble, and some of the messages a second time."""

    def some_time() -> int:
        return chance.randrange(int(wish.seconds) + 1)

    submitted = []
    for job in jobs(wish.jobs, chance):
        body = json.dumps(job)
        troubled.send("image-jobs", body, delay=some_time())
        if chance.random() < TWICE:
            troubled.send("image-jobs", body, delay=some_time())
        if chance.random() < TWICE:
            task = json.dumps({"job_id": job["job_id"], "task": 0, "generation": 1})
            troubled.send("image-jobs-small", task, delay=some_time())
        submitted.append(job["job_id"])
    return submitted


def _kill_for(troubled: Arena, wish: Wish, chance: random.Random) -> None:
    until = time.monotonic() + wish.seconds
    kill_at = time.monotonic() + chance.uniform(0.5, 1.5) * wish.kill_every
    while time.monotonic() < until:
        troubled.listen()
        if time.monotonic() >= kill_at:
            troubled.kill(chance)
            kill_at = time.monotonic() + chance.uniform(0.5, 1.5) * wish.kill_every
        time.sleep(0.1)


def _wait(troubled: Arena, submitted: set[str], patience: float) -> None:
    """Wait until every job's end is told and no message is left, or until patience is over."""
    until = time.monotonic() + patience
    quiet = False
    while time.monotonic() < until and not quiet:
        troubled.listen()
        left = [queue for queue in QUEUES if troubled.left(queue)]
        quiet = submitted <= troubled.ended() and not left
        time.sleep(0.2)


def table(made: Reckoning) -> Table:
    """Return the reckoning as one table: what happened, then what must be zero."""
    shown = Table(title="What the trouble came to", title_justify="left")
    shown.add_column("")
    shown.add_column("count", justify="right")
    facts: Mapping[str, object] = {
        "jobs": made.jobs,
        **{f"  {state}": count for state, count in sorted(made.ended.items())},
        "hosts killed": made.kills,
        "calls billed": made.paid_calls,
        "billed / told, USD": f"{made.billed_usd:.4f} / {made.told_usd:.4f}",
        "jobs flagged: may have been paid twice": made.flagged,
        "calls answered 429, per job": f"{made.throttled / max(made.jobs, 1):.2f}",
        "events told again, same id": made.repeated_events,
    }
    for name, value in facts.items():
        shown.add_row(name, str(value))
    shown.add_section()
    for name, wrong in {
        "lost": len(made.lost),
        "paid twice, unflagged": len(made.paid_twice_unflagged),
        "poisoned": made.poisoned,
        "events missing": len(made.events_missing),
        "events contradicting": len(made.events_contradicting),
        "pictures missing, wrong or orphaned": len(made.pictures_wrong),
        "cost under-counted": len(made.cost_undercounted),
    }.items():
        colour = "red" if wrong else "green"
        shown.add_row(name, f"[{colour}]{wrong}[/]")
    return shown


def trouble(wish: Wish) -> int:
    """Make the trouble, print the table; 0 when all that must be zero is."""
    what = (
        f"{wish.jobs} jobs on {wish.hosts} hosts, one killed every {wish.kill_every:g} s or so for "
        f"{wish.seconds:g} s, seed {wish.seed}"
    )
    return tried("chaos", what, partial(chaos, wish), table=table, wrong=lambda made: made.wrong)
