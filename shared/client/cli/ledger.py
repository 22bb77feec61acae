"""Show quota and costs: the pace of each pool, today's budget, and the cost by day and model."""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from ...http_api.limits import (
    BudgetStatus,
    CostReservationStatus,
    PaceStatus,
    describe_budget,
    describe_pace,
    list_reservations,
)
from ...jobs.fields import read_moment
from ...limits.adaptive_rate import Quota
from ...limits.budget import MILLION
from ...records.cost_report import CostSum, add_up, read_columns
from ...records.index_entry import IndexEntry
from ..jobs import MOST_LISTED
from ..operators import Today
from .access import client
from .output import (
    AsJson,
    Table,
    console,
    count,
    dollar_range,
    dollars,
    duration,
    now,
    print_json,
    read_count,
    styled,
    table,
)

#: Calls in progress that are listed; `--json` has all.
MAX_RESERVATIONS: Final = 20


@dataclass(frozen=True, slots=True)
class DayCost:
    """One day's jobs on one model, or on several together."""

    day: date
    models: str
    jobs: int = 0
    pictures: int = 0
    #: US dollars of the jobs whose cost is known: what is certain, and what is possible.
    cost_usd: float = 0.0
    cost_usd_at_most: float = 0.0
    #: Jobs whose cost is not known.
    unpriced: int = 0


def sum_costs(entries: Iterable[IndexEntry], *, today: date, days: int) -> tuple[DayCost, ...]:
    """Add up the jobs of the last `days` days, newest first; a day is UTC's, of acceptance."""
    sums: dict[tuple[date, str], DayCost] = {}
    for entry in entries:
        day, models = entry.accepted_at.date(), ", ".join(entry.models)
        if today - day >= timedelta(days=days):
            continue
        so_far = sums.get((day, models), DayCost(day, models))
        sums[day, models] = replace(
            so_far,
            jobs=so_far.jobs + 1,
            pictures=so_far.pictures + entry.pictures,
            cost_usd=round(so_far.cost_usd + (entry.cost_usd or 0.0), 6),
            cost_usd_at_most=round(so_far.cost_usd_at_most + (entry.cost_usd_at_most or 0.0), 6),
            unpriced=so_far.unpriced + (entry.cost_usd is None),
        )
    return tuple(sums[key] for key in sorted(sums, key=lambda key: (-key[0].toordinal(), key[1])))


def ledger(
    *,
    days: Annotated[
        int,
        typer.Option(
            "--days", parser=read_count, metavar="NUMBER", help="Number of days up to today, UTC."
        ),
    ] = 7,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="COLUMNS", help="Report by day, tenant, model, tag:NAME."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="With --by: a day or a time.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="With --by: before this.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="With --by: print CSV.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show quota and costs: the pace of each pool, today's budget, cost by day and model.

    With --by, report what the calls of a time cost: `--by tenant,tag:campaign --since 2026-11-01`.
    """
    if by is not None:
        first = now().date() - timedelta(days=days - 1)
        begin = _read_time("--since", since or f"{first}")
        end = _read_time("--until", until) if until else now()
        _report(by, begin, end, as_csv=as_csv, as_json=as_json)
        return
    if since or until or as_csv:
        raise typer.BadParameter("--since, --until and --csv need --by")
    _show_ledger(days, as_json=as_json)


def _show_ledger(days: int, *, as_json: bool) -> None:
    with client() as jobs:
        entries = jobs.newest(limit=MOST_LISTED)
        pools, today = jobs.operator.pools(), jobs.operator.today()
    time = now()
    costs = sum_costs(entries, today=time.date(), days=days)
    paces = {}
    for name, pool in pools.items():
        quota = Quota(pool.pace.rate.configured)  # as configured at the app's last call
        paces[name] = (quota, describe_pace(pool, quota, now=time))
    if as_json:
        print_json(
            {
                "pools": {
                    name: {"quota_rpm": quota.rpm, **pace.model_dump(mode="json")}
                    for name, (quota, pace) in paces.items()
                },
                "budget": _budget_json(today),
                "costs": [asdict(each) for each in costs],
            }
        )
        return
    if paces:
        console().print(_pools_table(paces, time), "")
    _print_budget(today, time)
    console().print(_costs_table(costs))
    total = dollar_range(
        sum(each.cost_usd for each in costs), sum(each.cost_usd_at_most for each in costs)
    )
    unpriced = sum(each.unpriced for each in costs)
    more = f", and {count(unpriced, 'job')} of unknown cost" if unpriced else ""
    console().print(Text.assemble((total, "bold"), f" in {count(days, 'day')}{more}"))
    if len(entries) == MOST_LISTED:
        console().print(f"Only the newest {MOST_LISTED:,} jobs were counted.", style="yellow")


def _read_time(option: str, text: str) -> datetime:
    """Return the time that an option names: a day begins at midnight UTC."""
    try:
        moment = read_moment(text)
    except ValueError:
        raise typer.BadParameter(
            f"{option}: {text!r} is not a time; write 2026-11-30 or 2026-11-30T18:00:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _report(by: str, since: datetime, until: datetime, *, as_csv: bool, as_json: bool) -> None:
    """Print what the calls of a time cost, by the given columns."""
    try:
        columns = read_columns(by)
    except ValueError as error:
        raise typer.BadParameter(f"--by: {error}") from None
    with client() as jobs:
        calls = jobs.operator.calls(since=since, until=until)
    sums, (total,) = add_up(calls, columns), add_up(calls, ()) or (CostSum(()),)
    rows = [dict(zip(columns, each.facts, strict=True)) | _amounts(each) for each in sums]
    if as_json:
        period = {"since": since.isoformat(), "until": until.isoformat()}
        print_json({**period, "costs": rows, "total": _amounts(total)})
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, [*columns, *_amounts(total)], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    else:
        figures = ("calls", "certain, USD", "possible, USD", "unpriced")
        shown = table(*columns, *figures, right=figures)
        for each in (*sums, replace(total, facts=("total", *[""] * (len(columns) - 1)))):
            usd = (dollars(each.certain / MILLION), dollars(each.at_most / MILLION))
            shown.add_row(*each.facts, f"{each.calls}", *usd, f"{each.unpriced}")
        console().print(shown)


def _amounts(costs: CostSum) -> dict[str, Any]:
    return {
        "calls": costs.calls,
        "cost_usd": costs.certain / MILLION,
        "cost_usd_at_most": costs.at_most / MILLION,
        "unpriced": costs.unpriced,
    }


def _harmless(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula: tags are a caller's text."""
    is_formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if is_formula else value


def _describe(today: Today) -> BudgetStatus:
    return describe_budget(
        today.ledger, day=today.day, limit_usd=today.limit_usd, tenants=today.tenants
    )


def _budget_json(today: Today) -> dict[str, Any]:
    status = _describe(today)
    holds = [hold.model_dump(mode="json") for hold in list_reservations(today.ledger)]
    return {**status.model_dump(mode="json"), "holds": holds}


def _pools_table(paces: Mapping[str, tuple[Quota, PaceStatus]], time: datetime) -> Table:
    figures = ("calls a minute", "configured", "waiting", "next call")
    rows = table("pool", *figures, "", right=figures)
    for name, (quota, pace) in paces.items():
        rows.add_row(
            name,
            f"{pace.rate_rpm:,.1f}",
            f"{quota.rpm:,g}",
            f"{pace.waiting:,}",
            _time_until(time, pace.next_call_at),
            Text("; ").join(_list_problems(pace, time)),
        )
    return rows


def _list_problems(pace: PaceStatus, time: datetime) -> Iterator[Text]:
    if pace.stopped_until:
        yield styled(f"throttled, none for {_time_until(time, pace.stopped_until)}", "yellow")
    for each in pace.circuits:
        until = (
            f"tried again in {_time_until(time, each.until)}"
            if each.until
            else "the next call tries"
        )
        text = f"{each.deployment or 'all'}: {each.reason}, {each.message} ({until})"
        yield styled(text, "red")


def _print_budget(today: Today, time: datetime) -> None:
    status = _describe(today)
    if status.calls is None:
        console().print("No daily budget is configured (DAILY_BUDGET_USD).", "")
        return
    figures = ("certain", "possible", "reserved", "limit", "left")
    rows = table("today's budget", *figures, "", right=figures)
    amounts = map(dollars, (status.cost_usd, status.cost_usd_at_most, status.reserved_usd))
    limits = ["not known here"] * 2
    if status.limit_usd is not None:
        limits = [dollars(status.limit_usd), dollars(status.left_usd)]
    calls = f"for {count(status.calls, 'call')} in progress" if status.calls else ""
    rows.add_row(f"{status.day}", *amounts, *limits, calls)
    for each in status.tenants:
        amounts = map(dollars, (each.cost_usd, each.cost_usd_at_most, each.reserved_usd))
        limits = [dollars(each.limit_usd), dollars(each.left_usd)] if each.limit_usd else ["", ""]
        rows.add_row(f"  {each.tenant}", *amounts, *limits, "")
    console().print(rows, "")
    if holds := list_reservations(today.ledger):
        console().print(_reservations_table(holds[:MAX_RESERVATIONS], time))
        more = len(holds) - MAX_RESERVATIONS
        console().print(*([f"and {more:,} more"] if more > 0 else []), "", sep="\n")


def _reservations_table(holds: Sequence[CostReservationStatus], time: datetime) -> Table:
    rows = table("reserved for", "USD", "over in", right=("USD", "over in"))
    for hold in holds:
        is_late = hold.until < time
        left = Text("must be over", "yellow") if is_late else _time_until(time, hold.until)
        rows.add_row(hold.job_id, dollars(hold.usd), left)
    return rows


def _costs_table(costs: Sequence[DayCost]) -> Table:
    figures = ("jobs", "pictures", "certain, USD", "possible, USD")
    rows = table("day", "model", *figures, "", right=figures)
    for each in costs:
        unknown = f"and {count(each.unpriced, 'job')} of unknown cost" if each.unpriced else ""
        amounts = (dollars(each.cost_usd), dollars(each.cost_usd_at_most))
        counts = (f"{each.jobs:,}", f"{each.pictures:,}")
        rows.add_row(f"{each.day}", each.models, *counts, *amounts, Text(unknown, "yellow"))
    return rows


def _time_until(time: datetime, moment: datetime) -> str:
    """Return the time until a moment as text."""
    seconds = (moment - time).total_seconds()
    return duration(seconds) if seconds > 0 else "now"
