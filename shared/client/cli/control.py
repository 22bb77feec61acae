"""Send commands to jobs: cancel, release, fail and replay."""

from typing import Annotated, Literal

import typer

from ..jobs import COMMAND_SECONDS
from ..results import Status
from .output import AsJson, client, console, now, print_json, status_json, status_table
from .watch import Ids, read_ids

Reason = Annotated[str, typer.Option("--reason", help="Stored in the record and the event.")]
Within = Annotated[float, typer.Option("--within", help="Seconds to wait for the app.")]


def cancel(
    job_ids: Ids,
    *,
    drop: Annotated[
        bool, typer.Option("--drop", help="Drop pictures of calls in progress too.")
    ] = False,
    reason: Reason = "",
    within: Within = COMMAND_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Cancel jobs: no further call is made."""
    result: Literal["keep", "drop"] = "drop" if drop else "keep"
    with client() as jobs:
        ids = read_ids(job_ids)
        found = [jobs.cancel(each, result=result, reason=reason, within=within) for each in ids]
    _show(found, as_json=as_json)


def release(job_ids: Ids, *, within: Within = COMMAND_SECONDS, as_json: AsJson = False) -> None:
    """Continue parked jobs, even if one of their calls may have been paid already."""
    with client() as jobs:
        found = [jobs.release(each, within=within) for each in read_ids(job_ids)]
    _show(found, as_json=as_json)


def fail(
    job_ids: Ids, *, reason: Reason = "", within: Within = COMMAND_SECONDS, as_json: AsJson = False
) -> None:
    """End parked jobs as failed."""
    with client() as jobs:
        found = [jobs.fail(each, reason=reason, within=within) for each in read_ids(job_ids)]
    _show(found, as_json=as_json)


def replay(
    job_ids: Ids,
    *,
    remake: Annotated[
        bool, typer.Option("--remake", help="Make existing pictures again, under new names.")
    ] = False,
    within: Within = COMMAND_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Start failed, parked or cancelled jobs again; existing pictures are kept, not paid twice."""
    pictures: Literal["keep", "remake"] = "remake" if remake else "keep"
    with client() as jobs:
        found = [jobs.replay(each, pictures=pictures, within=within) for each in read_ids(job_ids)]
    _show(found, as_json=as_json)


def _show(found: list[Status], *, as_json: bool) -> None:
    if as_json:
        for each in found:
            print_json(status_json(each))
    else:
        console().print(status_table({each.job_id: each for each in found}, now()))
