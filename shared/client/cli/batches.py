"""Check and submit a file of jobs; show the state of any batch."""

import sys
import uuid
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ...batches.record import BatchRecord, BatchState
from ...redaction import printable
from ..batches import ManifestCheck, SubmittedBatch
from ..clients import ImageJobs
from ..results import NoSuchJob
from .access import client
from .job_options import read_file
from .output import (
    ASSUMED,
    AsJson,
    console,
    count,
    dollar_range,
    dollars,
    gallery_link,
    live,
    print_json,
    read_seconds,
    styled,
)

#: Faults shown; --json has all of them.
MOST_SHOWN = 20

Wait = Annotated[bool, typer.Option("--wait", "-w", help="Wait until the last job has ended.")]
Within = Annotated[
    float | None,
    typer.Option(
        "--within", parser=read_seconds, metavar="NUMBER", help="Limit of --wait, seconds."
    ),
]


def batch(
    file: Annotated[Path, typer.Argument(help="Jobs as .json, .jsonl or .csv (docs/batches.md).")],
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check", "--dry-run", help="Show faults, cost and first prompts, and send nothing."
        ),
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Send the file even if entries have faults.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Send even if this file was already sent.")
    ] = False,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Who all jobs of the file are for.")
    ] = None,
    wait: Wait = False,
    within: Within = None,
    as_json: AsJson = False,
) -> None:
    """Start a batch: each entry of the file is a job. A file with faults is not sent."""
    manifest = read_file(file)
    with client() as jobs:
        try:
            checked = jobs.check_manifest(manifest, file.name, tenant=tenant)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        good = not (checked.faults or checked.file_faults)
        if check or not (good or anyway):
            if not as_json:
                for prompt in checked.prompts:
                    console().print(styled(prompt), soft_wrap=True)
            _show_checked(checked, as_json=as_json)
            raise typer.Exit(0 if good else 2)
        if not as_json:
            _show_checked(checked, as_json=False)
        anew = uuid.uuid4().hex if again else ""
        sent = jobs.submit_batch(manifest, file.name, anew=anew, tenant=tenant)
        if not wait:
            _show_sent(sent, as_json=as_json)
            return
        record = _followed(jobs, sent.batch_id, within=within, quiet=as_json)
    raise typer.Exit(_ended(record, as_json=as_json))


def follow(
    batch_id: Annotated[str, typer.Argument(help="Id of a batch, from a file or over HTTP.")],
    *,
    wait: Wait = False,
    within: Within = None,
    as_json: AsJson = False,
) -> None:
    """Show the state of a batch."""
    with client() as jobs:
        record = jobs.batch(batch_id)
        if record is None:
            raise NoSuchJob(f"there is no batch {batch_id!r}, or none yet")
        if wait:
            record = _followed(jobs, batch_id, within=within, quiet=as_json)
            raise typer.Exit(_ended(record, as_json=as_json))
    if as_json:
        print_json(record.model_dump(mode="json"))
    else:
        console().print(_line(batch_id, record), soft_wrap=True)


def _ended(record: BatchRecord, *, as_json: bool) -> int:
    """Print a completed batch and return its exit code."""
    if as_json:
        print_json(record.model_dump(mode="json"))
    counts = record.counts
    return 0 if counts.succeeded == counts.entries and not record.file_faults else 1


def _show_checked(checked: ManifestCheck, *, as_json: bool) -> None:
    if as_json:
        faults = [each.model_dump() for each in checked.faults]
        faults += [{"field": "", **each.model_dump()} for each in checked.file_faults]
        print_json(
            {
                "entries": checked.entries,
                "estimate_usd": checked.estimate_usd,
                "assumed": checked.assumed,
                "prompts": checked.prompts,
                "faults": faults,
            }
        )
        return
    lines = [str(each) for each in (*checked.file_faults, *checked.faults)]
    for line in lines[:MOST_SHOWN]:
        sys.stderr.write(f"{printable(line)}\n")
    if len(lines) > MOST_SHOWN:
        sys.stderr.write(f"… and {count(len(lines) - MOST_SHOWN, 'more fault')}\n")
    faulty = len({each.entry for each in checked.faults})
    cost = f"~{dollars(checked.priced_usd)}"
    if checked.unpriced:
        cost += f" + {count(checked.unpriced, 'job')} of unknown cost"
    entries = count(checked.entries, "entry", "entries")
    console().print(f"{entries}, {faulty:,} with faults, {cost}")
    if checked.assumed:
        console().print(ASSUMED)


def _show_sent(sent: SubmittedBatch, *, as_json: bool) -> None:
    if as_json:
        print_json({"batch_id": sent.batch_id, "container": sent.container, "blob": sent.name})
        return
    console().print(f"{sent.batch_id}   {sent.container}/{sent.name}", soft_wrap=True)
    if link := gallery_link(page="batch", batch=sent.batch_id):
        console().print(link, soft_wrap=True)


def _followed(jobs: ImageJobs, batch_id: str, *, within: float | None, quiet: bool) -> BatchRecord:
    with live(quiet=quiet) as show:

        def seen(record: BatchRecord | None) -> None:
            show(_line(batch_id, record))

        return jobs.wait_for_batch(batch_id, within=within, seen=seen)


def _line(batch_id: str, record: BatchRecord | None) -> Text:
    if record is None:
        return styled(f"{batch_id}   not begun", "dim")
    counts = record.counts
    words = [f"{record.reading.entries:,} read", f"{counts.entries:,} ended"]
    ends = ("succeeded", "failed", "parked", "cancelled", "rejected")
    words += [f"{found:,} {end}" for end in ends if (found := getattr(counts, end))]
    words.append(count(counts.images, "picture"))
    words.append(dollar_range(counts.known_usd, counts.known_usd_at_most))
    if counts.unpriced:
        words.append(f"{count(counts.unpriced, 'job')} of unknown cost")
    if record.waits_for:
        words.append(f"waits for entry {record.waits_for:,}")
    style = "green" if record.state is BatchState.COMPLETED else "cyan"
    text = styled(f"{batch_id}   {record.state}", style)
    return text.append(f"   {', '.join(words)}", style="default")
