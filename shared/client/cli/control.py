"""Orders from a terminal: cancel, release, fail, replay."""

from typing import Annotated, Literal

import typer

from ..jobs import COMMAND_SECONDS
from ..results import Status
from .output import AsJson, client, console, now, print_json, status_json, status_table
from .watch import Ids, named

Reason = Annotated[str, typer.Option("--reason", help="Kept in the record, told in the event.")]
Within = Annotated[float, typer.Option("--within", help="Seconds for it to be carried out.")]


def cancel(
    job_ids: Ids,
    *,
    drop: Annotated[
        bool, typer.Option("--drop", help="Pictures that are being made are dropped, too.")
    ] = False,
    reason: Reason = "",
    within: Within = COMMAND_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Cancel what was not paid for yet."""
    result: Literal["keep", "drop"] = "drop" if drop else "keep"
    with client() as jobs:
        ids = named(job_ids)
        found = [jobs.cancel(each, result=result, reason=reason, within=within) for each in ids]
    _show(found, as_json=as_json)


def release(job_ids: Ids, *, within: Within = COMMAND_SECONDS, as_json: AsJson = False) -> None:
    """Let parked jobs go on, though a call of theirs may have been paid for."""
    with client() as jobs:
        found = [jobs.release(each, within=within) for each in named(job_ids)]
    _show(found, as_json=as_json)


def fail(
    job_ids: Ids, *, reason: Reason = "", within: Within = COMMAND_SECONDS, as_json: AsJson = False
) -> None:
    """End parked jobs as failed."""
    with client() as jobs:
        found = [jobs.fail(each, reason=reason, within=within) for each in named(job_ids)]
    _show(found, as_json=as_json)


def replay(
    job_ids: Ids,
    *,
    remake: Annotated[
        bool, typer.Option("--remake", help="Make pictures that are there again, under new names.")
    ] = False,
    within: Within = COMMAND_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Begin failed, parked or cancelled jobs again; what is there is kept, and not paid twice."""
    pictures: Literal["keep", "remake"] = "remake" if remake else "keep"
    with client() as jobs:
        found = [jobs.replay(each, pictures=pictures, within=within) for each in named(job_ids)]
    _show(found, as_json=as_json)


def _show(found: list[Status], *, as_json: bool) -> None:
    if as_json:
        for each in found:
            print_json(status_json(each))
    else:
        console().print(status_table({each.job_id: each for each in found}, now()))
