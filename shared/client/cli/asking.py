"""Asking for pictures, and asking what would become of a job."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding

from ...plans import Plan
from ..answers import Quote, Receipt
from ..preparing import job_from, quoted, supposed
from ..synchronous import ImageJobs
from .connection import app_alone, client
from .getting import OutOption, fetch
from .job_options import Fields, asks_for_a_job
from .showing import (
    SUPPOSED,
    AsJson,
    console,
    dollars,
    now,
    print_json,
    quote_json,
    sizes_of,
    status_json,
)
from .watching import follow


@asks_for_a_job
def submit(
    fields: Fields,
    *,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Stay until the job has ended.")
    ] = False,
    out: OutOption = None,
    as_json: AsJson = False,
) -> None:
    """Ask for pictures: check the job, then put it on the queue.

    With --wait it stays until the job has ended, with --out it fetches the pictures too.
    """
    with client() as jobs:
        receipt = jobs.submit(_uploaded(fields, jobs))
        if not as_json:
            console().print(_receipt(receipt), soft_wrap=True)
        if not wait and out is None:
            if as_json:
                print_json(receipt_json(receipt))
            return
        (status,) = follow(jobs, [receipt], quiet=as_json)
        files = fetch(jobs, status, out, quiet=as_json) if out else []
        if as_json:
            print_json({**status_json(status), "files": list(map(str, files))})
    raise typer.Exit(0 if status.succeeded else 1)


@asks_for_a_job
def route(fields: Fields, *, as_json: AsJson = False) -> None:
    """Explain what the app would decide about a job, and send nothing."""
    app, is_supposed = supposed(app_alone())
    job = job_from(fields or "a picture", {}, now=now(), chance="")
    quote = quoted(job, app, prompt_characters=len(job.prompt or ""), now=now())
    if as_json:
        print_json({**quote_json(quote), "supposed": is_supposed})
        return
    for plan in quote.plans or ():
        console().print(_explained(plan))
    if is_supposed:
        console().print(SUPPOSED)


def _uploaded(fields: Fields, jobs: ImageJobs) -> Fields:
    """Put the files among a job's inputs where the app finds them."""

    def name(said: str) -> str:
        path = Path(said)
        return jobs.upload(path.read_bytes()) if path.is_file() else said

    found = dict(fields)
    if "inputs" in fields:
        found["inputs"] = [name(each) for each in fields["inputs"]]
    if "mask" in fields:
        found["mask"] = name(fields["mask"])
    return found


def receipt_json(receipt: Receipt) -> dict[str, object]:
    """Return a receipt as JSON."""
    return {
        "job_id": receipt.job_id,
        "fingerprint": receipt.fingerprint,
        "digest": receipt.digest,
        "inserted_at": receipt.inserted_at.isoformat(),
        **quote_json(receipt.quote),
    }


def _receipt(receipt: Receipt) -> str:
    return f"{receipt.job_id}   {in_short(receipt.quote)}"


def in_short(quote: Quote) -> str:
    """Say in one line what will be made, and for how much."""
    if quote.plans is None:
        return "[dim]fields checked; FOUNDRY_DEPLOYMENTS is not set here, so the app routes it[/]"
    model, size, quality = sizes_of(quote.plans)
    return f"{model}   {size}   {quality}   about {dollars(quote.estimate_usd)}"


def _explained(plan: Plan) -> RenderableType:
    head = f"[bold]{plan.model}   {plan.width}x{plan.height}   {plan.quality or '-'}[/]"
    lines = [f"• {reason}" for reason in plan.reasons]
    lines += [
        f"[yellow]≠ {made.field}: {made.asked or 'nothing'} → {made.decided}[/] ({made.reason})"
        for made in plan.adjustments
    ]
    lines += [f"[red]! {warning}[/]" for warning in plan.warnings]
    lines += [
        f"$ {dollars(plan.estimate_usd)}: {plan.estimate_basis}",
        f"→ {_calls(plan)} of {', '.join(plan.deployments)}, with "
        + ", ".join(f"{name}={value}" for name, value in plan.parameters.items()),
    ]
    return Group(head, *(Padding(line, (0, 0, 0, 2), expand=False) for line in lines))


def _calls(plan: Plan) -> str:
    return "one call" if len(plan.tasks) == 1 else f"{len(plan.tasks)} calls"
