"""What pictures would cost: size by quality by model."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ...configuration import Configuration
from ...errors import Rejected
from ...plans import Plan
from ..preparing import job_from, quoted, supposed
from .connection import app_alone
from .job_options import Fields, asks_for_a_job
from .showing import SUPPOSED, AsJson, console, dollars, now, print_json, table

#: Shown when no size was asked for.
SIZES: Final = ("1024x1024", "1536x1024", "3840x2160")


@dataclass(frozen=True, slots=True)
class Line:
    """One size, quality and model: its plans, or why there are none."""

    model: str
    size: str
    quality: str
    plans: tuple[Plan, ...] = ()
    refused: str = ""


@asks_for_a_job
def estimate(fields: Fields, *, as_json: AsJson = False) -> None:
    """Estimate what a job costs: a line a model, size and quality; all where none is given."""
    app, is_supposed = supposed(app_alone())
    lines = [*lines_of(fields, app, now())]
    if as_json:
        print_json({"supposed": is_supposed, "lines": [_json(line) for line in lines]})
        return
    columns = ("model", "size", "quality", "legacy", "bucket", "pictures", "USD", "s", "")
    rows = table(*columns, right=("legacy", "bucket", "pictures", "USD", "s"))
    for line in lines:
        rows.add_row(line.model, line.size, line.quality, *_cells(line))
    console().print(rows)
    console().print(
        "Output tokens of one picture, both ways of counting; USD of the whole job, by the higher; "
        "seconds of one call.",
        style="dim",
    )
    if is_supposed:
        console().print(SUPPOSED)


def lines_of(fields: Fields, app: Configuration, now: datetime) -> Iterator[Line]:
    """Yield a line for each model, size and quality."""
    asked = {"prompt": "a picture", **fields}
    models = asked.pop("models", None) or [asked.pop("model", "auto")]
    asked.pop("model", None)
    if models == ["auto"]:
        models = list(dict.fromkeys(each.model or each.name for each in app.deployments))
    sizes = asked.pop("size", SIZES)
    for model in models:
        for size in [sizes] if isinstance(sizes, str) else sizes:
            known = app.catalogue.models.get(model)
            levels: list[str] = [level.name for level in known.qualities] if known else []
            for quality in [asked["quality"]] if "quality" in asked else levels or ["auto"]:
                yield _line({**asked, "model": model, "size": size, "quality": quality}, app, now)


def _line(fields: dict[str, Any], app: Configuration, now: datetime) -> Line:
    line = Line(fields["model"], fields["size"], fields["quality"])
    job = job_from(fields, {}, now=now, chance="")
    try:
        quote = quoted(job, app, prompt_characters=len(job.prompt or ""), now=now)
    except Rejected as rejection:
        return Line(line.model, line.size, line.quality, refused=str(rejection))
    return Line(line.model, line.size, line.quality, plans=quote.plans or ())


def _cells(line: Line) -> tuple[str, ...]:
    if line.refused:
        return ("", "", "", "", "", f"[red]{line.refused}[/]")
    (plan,) = line.plans
    made = f"{plan.width}x{plan.height}"
    return (
        _count(plan.tokens.legacy),
        _count(plan.tokens.bucket),
        str(sum(task.n for task in plan.tasks)),
        dollars(plan.estimate_usd),
        f"{plan.expected_seconds:.0f}",
        "" if made == line.size else f"[yellow]{made}[/]",
    )


def _count(tokens: int | None) -> str:
    return "-" if tokens is None else f"{tokens:,}"


def _json(line: Line) -> dict[str, Any]:
    told: dict[str, Any] = {"model": line.model, "size": line.size, "quality": line.quality}
    if line.refused:
        return {**told, "refused": line.refused}
    (plan,) = line.plans
    return {
        **told,
        "width": plan.width,
        "height": plan.height,
        "tokens": plan.tokens.model_dump(),
        "pictures": sum(task.n for task in plan.tasks),
        "calls": len(plan.tasks),
        "estimate_usd": plan.estimate_usd,
        "estimate_basis": plan.estimate_basis,
        "expected_seconds": plan.expected_seconds,
        "lane": plan.lane,
    }
