"""Submit a job, explain its routing, and estimate costs by model, size and quality."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from ...config.settings import Configuration
from ...errors import Rejected
from ...jobs.job import ANY_MODEL
from ...jobs.prompts import localize_prompt
from ...redaction import printable
from ...routing.plan import Plan
from ..batches import MOST_PROMPTS
from ..clients import ImageJobs
from ..results import Quote, Receipt
from ..submission import assume_deployments, make_quote, read_fields
from .access import client, read_app
from .job_options import Fields, add_job_options, read_file
from .jobs import OutOption, fetch, follow
from .output import (
    ASSUMED,
    AsJson,
    console,
    count,
    dollars,
    gallery_link,
    indented,
    list_sizes,
    now,
    planned_cost,
    print_json,
    quote_json,
    status_json,
    styled,
    table,
)


@add_job_options
def submit(
    fields: Fields,
    *,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait until the job has ended.")
    ] = False,
    out: OutOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show prompts, plan and cost, and send nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a job, then send it to the queue.

    With --wait it waits until the job has ended. With --out it downloads the pictures too.
    """
    if dry_run:
        _preview(fields, as_json=as_json)
        return
    with client() as jobs:
        receipt = jobs.submit(_upload_inputs(fields, jobs))
        if not as_json:
            console().print(f"{receipt.job_id}  ", summarize(receipt.quote), soft_wrap=True)
            if link := gallery_link(job=receipt.job_id):
                console().print(link, soft_wrap=True)
        if not wait and out is None:
            if as_json:
                print_json(receipt_json(receipt))
            return
        (status,) = follow(jobs, [receipt], quiet=as_json)
        if isinstance(status, Rejected):
            raise status
        files = fetch(jobs, status, out, quiet=as_json) if out else []
        if as_json:
            print_json({**status_json(status), "files": list(map(str, files))})
    raise typer.Exit(0 if status.succeeded else 1)


@add_job_options
def route(fields: Fields, *, as_json: AsJson = False) -> None:
    """Explain the decisions about a job, without sending it."""
    app, is_assumed = assume_deployments(read_app())
    job = read_fields(fields or "a picture", {}, now=now(), chance="")
    quote = make_quote(job, app, now=now())
    if as_json:
        print_json({**quote_json(quote), "assumed": is_assumed})
        return
    for plan in quote.plans or ():
        console().print(_explain_plan(plan))
    if is_assumed:
        console().print(ASSUMED)


def _preview(fields: Fields, *, as_json: bool) -> None:
    """Show the first prompts of a job, its plan and its cost; storage is not read."""
    app, is_assumed = assume_deployments(read_app())
    job = read_fields(fields, {}, now=now(), chance="")
    quote = make_quote(job, app, now=now())
    locales = (job.locales or (None,))[:MOST_PROMPTS]
    template = app.settings.locale_template
    prompts = [localize_prompt(job.prompt, each, template) for each in locales if job.prompt]
    if as_json:
        print_json({**quote_json(quote), "assumed": is_assumed, "prompts": prompts})
        return
    for prompt in prompts:
        console().print(styled(prompt), soft_wrap=True)
    console().print(summarize(quote))
    if is_assumed:
        console().print(ASSUMED)


def _upload_inputs(fields: Fields, jobs: ImageJobs) -> Fields:
    """Upload the files among the inputs of a job, and return the fields with their blob names."""

    def name(given: str) -> str:
        # What the system can't even look up, such as too long a name, may still name a blob.
        is_file = os.path.isfile(given)  # noqa: PTH113 (Path.is_file raises for such a name)
        return jobs.upload(read_file(Path(given))) if is_file else given

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


def summarize(quote: Quote) -> Text | str:
    """Return model, size, quality and estimate on one line."""
    if quote.plans is None:
        return Text(
            "fields checked; FOUNDRY_DEPLOYMENTS is not set, so only the app can route it", "dim"
        )
    model, size, quality = list_sizes(quote.plans)
    return f"{model}   {size}   {quality}   {planned_cost(quote.plans)}"


def _explain_plan(plan: Plan) -> RenderableType:
    head = styled(f"{plan.model}   {plan.width}x{plan.height}   {plan.quality or '-'}", "bold")
    lines = [styled(f"• {reason}") for reason in plan.reasons]
    for made in plan.adjustments:
        change = styled(f"≠ {made.field}: {made.asked or 'nothing'} → {made.decided}", "yellow")
        lines.append(Text.assemble(change, printable(f" ({made.reason})")))
    lines += [styled(f"! {warning}", "red") for warning in plan.warnings]
    calls = count(plan.calls, "call")
    parameters = ", ".join(f"{name}={value}" for name, value in plan.parameters.items())
    lines += [
        styled(f"$ {dollars(plan.estimate_usd)}: {plan.estimate_basis}"),
        styled(f"→ {calls} of {', '.join(plan.deployments)}, with {parameters}"),
    ]
    return Group(head, *map(indented, lines))


#: Fields of a plan in the JSON of an estimate.
PUBLISHED: Final = {
    *("width", "height", "tokens", "pictures", "calls"),
    *("estimate_usd", "estimate_basis", "expected_seconds"),
}
#: Sizes of an estimate without --size.
SIZES: Final = ("1024x1024", "1536x1024", "3840x2160")


@dataclass(frozen=True, slots=True)
class Line:
    """One size, quality and model: its plans, or the reason for a rejection."""

    model: str
    size: str
    quality: str
    plans: tuple[Plan, ...] = ()
    rejected: str = ""


@add_job_options
def estimate(fields: Fields, *, as_json: AsJson = False) -> None:
    """Estimate the cost of a job, with a line for each model, size and quality."""
    app, is_assumed = assume_deployments(read_app())
    lines = [*list_lines(fields, app, now())]
    if as_json:
        print_json({"assumed": is_assumed, "lines": [_json(line) for line in lines]})
        return
    columns = ("model", "size", "quality", "legacy", "bucket", "pictures", "USD", "s", "")
    rows = table(*columns, right=("legacy", "bucket", "pictures", "USD", "s"))
    for line in lines:
        rows.add_row(line.model, line.size, line.quality, *_cells(line))
    console().print(rows)
    console().print(
        "Output tokens of one picture: Azure bills the bucket count where there is one; USD of the "
        "whole job; seconds of one call.",
        style="dim",
    )
    if is_assumed:
        console().print(ASSUMED)


def list_lines(fields: Fields, app: Configuration, now: datetime) -> Iterator[Line]:
    """Yield a line for each model, size and quality."""
    asked = {"prompt": "a picture", **fields}
    models = asked.pop("models", None) or [asked.pop("model", "auto")]
    asked.pop("model", None)
    if models[0] in ANY_MODEL:
        models = list(dict.fromkeys(each.model or each.name for each in app.deployments))
    sizes = asked.pop("size", SIZES)
    for model in models:
        for size in [sizes] if isinstance(sizes, str) else sizes:
            known = app.catalogue.models.get(model)
            levels: list[str] = [level.name for level in known.qualities] if known else []
            for quality in [asked["quality"]] if "quality" in asked else levels or ["auto"]:
                yield _line({**asked, "model": model, "size": size, "quality": quality}, app, now)


def _line(fields: dict[str, Any], app: Configuration, now: datetime) -> Line:
    asked = (fields["model"], fields["size"], fields["quality"])
    job = read_fields(fields, {}, now=now, chance="")
    try:
        quote = make_quote(job, app, now=now)
    except Rejected as rejection:
        return Line(*asked, rejected=str(rejection))
    return Line(*asked, plans=quote.plans or ())


def _cells(line: Line) -> tuple[Text | str, ...]:
    if line.rejected:
        return ("", "", "", "", "", styled(line.rejected, "red"))
    (plan,) = line.plans
    made = f"{plan.width}x{plan.height}"
    return (
        _count(plan.tokens.legacy),
        _count(plan.tokens.bucket),
        str(plan.pictures),
        dollars(plan.estimate_usd),
        f"{plan.expected_seconds:.0f}",
        "" if made == line.size else Text(made, "yellow"),
    )


def _count(tokens: int | None) -> str:
    return "-" if tokens is None else f"{tokens:,}"


def _json(line: Line) -> dict[str, Any]:
    asked = {"model": line.model, "size": line.size, "quality": line.quality}
    if line.rejected:
        return {**asked, "rejected": line.rejected}
    (plan,) = line.plans
    return {**asked, **plan.model_dump(mode="json", include=PUBLISHED)}
