"""Show jobs and their events, download their pictures, and send commands to them."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal

import typer
from rich.text import Text

from ...errors import IllegalStep, ImageJobsError, Rejected
from ...records.record import JobState
from ..clients import ImageJobs
from ..events import Event
from ..jobs import COMMAND_SECONDS, MOST_LISTED, id_of
from ..operators import list_queues
from ..results import NoSuchJob, Receipt, Status, StillRunning
from .access import client
from .output import (
    AsJson,
    console,
    count,
    error_json,
    list_table,
    live,
    now,
    print_error,
    print_json,
    read_count,
    read_seconds,
    status_json,
    status_table,
    styled,
)

#: Pause between two reads of the jobs: the first and the longest, seconds, and its growth.
FIRST_PAUSE: Final = 0.3
LONGEST_PAUSE: Final = 2.0
GROWTH: Final = 1.3

Ids = Annotated[
    list[str], typer.Argument(help="Ids of jobs; `-` reads them from stdin, one on each line.")
]


def status(job_ids: Ids, *, as_json: AsJson = False) -> None:
    """Show the state of jobs. The exit code is 4 if one of them is not known."""
    with client() as jobs:
        found = jobs.status_many(read_ids(job_ids))
    # An error of storage is more important than an unknown job.
    trouble = [e for e in found if isinstance(e, ImageJobsError) and not isinstance(e, NoSuchJob)]
    if as_json:
        for each in found:
            print_json(status_json(each) if isinstance(each, Status) else error_json(each))
    else:
        for each in found:
            if isinstance(each, ImageJobsError) and each not in trouble[:1]:
                print_error(each)
        known = {each.job_id: each for each in found if isinstance(each, Status)}
        if known:
            console().print(status_table(known, now()))
    if trouble:
        raise trouble[0]
    raise typer.Exit(0 if all(isinstance(each, Status) for each in found) else 4)


def list_jobs(
    *,
    limit: Annotated[
        int,
        typer.Option("--limit", "-n", parser=read_count, metavar="NUMBER", help="Most jobs."),
    ] = 20,
    state: Annotated[
        JobState | None, typer.Option("--state", help="Only jobs in this state.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Only jobs of this tenant.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the newest jobs."""
    with client() as jobs:
        found = jobs.newest(limit=limit, state=state, tenant=tenant)
    if not as_json:
        console().print(list_table(found) if found else Text("No jobs.", "dim"))
    for entry in found if as_json else ():
        print_json(entry.model_dump(mode="json"))


def watch(
    job_ids: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of jobs; `-` reads them from stdin; without: all running jobs."),
    ] = None,
    *,
    within: Annotated[
        float | None,
        typer.Option(
            "--within",
            parser=read_seconds,
            metavar="NUMBER",
            help="Limit in seconds; then the exit code is 5.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show jobs in a live table until all have ended. The exit code is 1 if one did not succeed."""
    with client() as jobs:
        if job_ids:
            ids = read_ids(job_ids)
        else:
            running = jobs.newest(limit=MOST_LISTED, state=JobState.RUNNING)
            ids = [each.job_id for each in running]
        if not (ids or as_json):
            console().print("No jobs running.", style="dim")
            return
        ended = follow(jobs, ids, quiet=as_json, within=within)
    if as_json:
        for each in ended:
            print_json(status_json(each) if isinstance(each, Status) else error_json(each))
    succeeded = (isinstance(each, Status) and each.succeeded for each in ended)
    raise typer.Exit(0 if all(succeeded) else 1)


def read_ids(job_ids: Sequence[str]) -> list[str]:
    """Return the given ids; for `-`, those on stdin."""
    if list(job_ids) != ["-"]:
        return list(job_ids)
    return [line.strip() for line in sys.stdin if line.strip()]


def follow(
    jobs: ImageJobs,
    whose: Sequence[str | Receipt],
    *,
    quiet: bool,
    within: float | None = None,
) -> list[Status | Rejected]:
    """Return the states of jobs once all have ended, shown live unless `quiet`.

    Raises what storage raises, and `StillRunning` after `within` seconds.
    """
    began, pause = time.monotonic(), FIRST_PAUSE
    found: dict[str, Status | Rejected | None] = {id_of(each): None for each in whose}
    with live(quiet=quiet) as show:
        while True:
            open_ones = [each for each in whose if not _ended(found[id_of(each)])]
            for each, seen in zip(open_ones, jobs.status_many(open_ones), strict=True):
                found[id_of(each)] = _status_or_none(seen)
            show(status_table(found, now()))
            ended = [each for each in found.values() if each and _ended(each)]
            if len(ended) == len(found):
                return ended
            if within is not None and time.monotonic() - began >= within:
                raise StillRunning(f"{_describe_open(found)} not ended within {within:g} s")
            time.sleep(pause)
            pause = min(pause * GROWTH, LONGEST_PAUSE)


def _describe_open(found: Mapping[str, Status | Rejected | None]) -> str:
    match [job_id for job_id, status in found.items() if not _ended(status)]:
        case [only] if len(found) == 1:
            return f"job {only} has"
        case [_]:
            return f"1 of {len(found)} jobs has"
        case left:
            return f"{len(left)} of {len(found)} jobs have"


def _ended(status: Status | Rejected | None) -> bool:
    return isinstance(status, Rejected) or (status is not None and status.ended)


def _status_or_none(seen: Status | ImageJobsError) -> Status | Rejected | None:
    if isinstance(seen, NoSuchJob):
        return None
    # The fault of an id itself is one of the command line.
    if isinstance(seen, ImageJobsError) and not (isinstance(seen, Rejected) and seen.job_id):
        raise seen
    return seen


OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="DIR", help="Download the pictures to this directory."),
]


def get(job_ids: Ids, *, out: OutOption = None, as_json: AsJson = False) -> None:
    """Download the pictures that jobs have so far, to DIR/JOB/….

    Each picture is verified against the record; a file is written whole or not at all.
    """
    with client() as jobs:
        for job_id in read_ids(job_ids):
            status = jobs.status(job_id)
            files = fetch(jobs, status, out or Path(), quiet=as_json)
            if as_json:
                print_json({"job_id": job_id, "files": list(map(str, files))})
            elif not files:
                console().print(f"{job_id} is {status.state} and has no pictures")


def fetch(jobs: ImageJobs, status: Status, out: Path, *, quiet: bool) -> list[Path]:
    """Download the pictures of a job and return the paths."""
    files = []
    for image in status.images:
        path = out / file_name(image.blob)
        jobs.save(image, path)
        files.append(path)
        if not quiet:
            console().print(
                f"{path}   {image.width}x{image.height}   {image.bytes / 1e6:.1f} MB",
                soft_wrap=True,
            )
    return files


def file_name(blob: str) -> Path:
    """Return the file name of a blob: its name without the folder `default`."""
    parts = [part for part in PurePosixPath(blob).parts if part not in {"/", "..", "default"}]
    return Path(*parts)


Reason = Annotated[str, typer.Option("--reason", help="Stored in the record and the event.")]
Within = Annotated[
    float,
    typer.Option(
        "--within", parser=read_seconds, metavar="NUMBER", help="Seconds to wait for the app."
    ),
]


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
    _carry_out(
        lambda jobs, each: jobs.cancel(each, result=result, reason=reason, within=within),
        job_ids,
        as_json=as_json,
    )


def release(job_ids: Ids, *, within: Within = COMMAND_SECONDS, as_json: AsJson = False) -> None:
    """Continue parked jobs, even if one of their calls may have been paid already."""
    _carry_out(lambda jobs, each: jobs.release(each, within=within), job_ids, as_json=as_json)


def fail(
    job_ids: Ids, *, reason: Reason = "", within: Within = COMMAND_SECONDS, as_json: AsJson = False
) -> None:
    """End parked jobs as failed."""
    _carry_out(
        lambda jobs, each: jobs.fail(each, reason=reason, within=within), job_ids, as_json=as_json
    )


def approve(
    job_ids: Ids, *, reason: Reason = "", within: Within = COMMAND_SECONDS, as_json: AsJson = False
) -> None:
    """Approve the pictures of jobs that await review."""
    _carry_out(
        lambda jobs, each: jobs.approve(each, reason=reason, within=within),
        job_ids,
        as_json=as_json,
    )


def reject(
    job_ids: Ids, *, reason: Reason = "", within: Within = COMMAND_SECONDS, as_json: AsJson = False
) -> None:
    """Reject the pictures of jobs that await review: the jobs fail, the pictures stay."""
    _carry_out(
        lambda jobs, each: jobs.reject(each, reason=reason, within=within), job_ids, as_json=as_json
    )


def print_events(
    queue: Annotated[str, typer.Argument(help="A reply queue: the `reply_to` of your jobs.")],
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for more events, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the events of a reply queue, one on each line, and delete each one after that."""
    with client() as jobs:
        settings = jobs.app.settings
        if queue == settings.events_queue:
            raise typer.BadParameter(
                f"{queue!r} is the app's events queue, whose events belong to its receivers; "
                "name the reply queue of your jobs"
            )
        if queue in list_queues(settings):
            raise typer.BadParameter(
                f"{queue!r} is a queue of the app itself; name the reply queue of your jobs"
            )
        with closing(jobs.events(queue, idle=None if follow else 0)) as events:
            try:
                for event in events:
                    print_json(asdict(event)) if as_json else print_event(event)
                    # The event is deleted when the next one is asked for.
                    sys.stdout.flush()
            except KeyboardInterrupt:
                if not follow:
                    raise


def print_event(event: Event) -> None:
    """Print an event on one line: when, about what, its type, and what happened."""
    data = event.data
    about = event.job_id or data.get("pool") or data.get("container")
    facts = [
        f"{event.time:%H:%M:%S}" if event.time else None,
        about,
        event.type,
        count(len(event.images), "picture") if event.images else None,
        ": ".join(str(data[name]) for name in ("code", "message") if data.get(name)),
    ]
    console().print(styled("  ".join(str(each) for each in facts if each)), soft_wrap=True)


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
    _carry_out(
        lambda jobs, each: jobs.replay(each, pictures=pictures, within=within),
        job_ids,
        as_json=as_json,
    )


def erase(
    job_ids: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of jobs; `-` reads them from stdin, one on each line."),
    ] = None,
    *,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Instead of ids: all jobs of this tenant.")
    ] = None,
    tag: Annotated[
        str | None, typer.Option("--tag", metavar="NAME:VALUE", help="All jobs with this tag.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before many are erased.")] = False,
    within: Within = COMMAND_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Delete the personal data of jobs that have ended; ids and costs stay.

    The exit code is 1 if one of them could not be erased, such as a job that runs.
    """
    if bool(job_ids) == bool(tenant or tag):
        raise typer.BadParameter("give ids, or select jobs with --tenant or --tag")
    name, _, value = (tag or "").partition(":")
    if tag and not (name and value):
        raise typer.BadParameter(f"--tag: {tag!r} is not a tag; write customer:42")
    if not (job_ids or yes):
        typer.confirm(f"Erase all jobs {_describe_selection(tenant, tag)}?", abort=True, err=True)
    with client() as jobs:
        if job_ids:
            ids = read_ids(job_ids)
            found: Sequence[Status | ImageJobsError] = [
                _erase_one(jobs, each, within=within) for each in ids
            ]
        else:
            found = jobs.erase_many(tenant=tenant, tag=(name, value) if tag else None)
    for each in found:
        if isinstance(each, ImageJobsError):
            print_error(each)
        elif as_json:
            print_json(status_json(each))
        else:
            _print_erased(each)
    if not (found or as_json):
        console().print("No jobs to erase.", style="dim")
    raise typer.Exit(1 if any(isinstance(each, ImageJobsError) for each in found) else 0)


def _describe_selection(tenant: str | None, tag: str | None) -> str:
    of_tenant = f"of the tenant {tenant!r}" if tenant else ""
    return " ".join(filter(None, [of_tenant, f"with the tag {tag!r}" if tag else ""]))


def _erase_one(jobs: ImageJobs, job_id: str, *, within: float) -> Status | ImageJobsError:
    try:
        return jobs.erase(job_id, within=within)
    except IllegalStep as error:
        return error


def _print_erased(status: Status) -> None:
    if erased := status.record.erased:
        lines = [f"{status.job_id} is erased"]
        lines += [f"  deleted: {name}" for name in erased.deleted]
        lines += [f"  kept: {each}" for each in erased.kept]
        lines += [f"  events went to: {', '.join(erased.receivers)}"]
        console().print("\n".join(lines), soft_wrap=True, markup=False, highlight=False)


def _carry_out(
    command: Callable[[ImageJobs, str], Status], job_ids: Sequence[str], *, as_json: bool
) -> None:
    """Give a command for each job, and show the jobs after it."""
    with client() as jobs:
        found = [command(jobs, each) for each in read_ids(job_ids)]
    _show(found, as_json=as_json)


def _show(found: list[Status], *, as_json: bool) -> None:
    if as_json:
        for each in found:
            print_json(status_json(each))
    else:
        console().print(status_table({each.job_id: each for each in found}, now()))
