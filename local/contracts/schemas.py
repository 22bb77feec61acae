"""Write what is derived from the code: schemas, interface descriptions, tables, the house.

`python -m local.contracts.schemas` writes the files; with `--check` it only compares them.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from local.contracts import asyncapi, house, openapi, states
from local.contracts.operations import ANYWHERE, OPERATIONS
from local.contracts.tables import printed_tables, table
from shared.batches.events import BatchCompletedData, BatchEventType, Result
from shared.catalogue.models import read_builtin
from shared.events.projection import DATA
from shared.http_api.problems import STATUSES, TITLES
from shared.jobs.fields import TENANT_NAME, TRACEPARENT
from shared.jobs.job import Job
from shared.vocabulary import FAILURES, REJECTIONS, EventType

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = Path("docs/messages.md")
HTTP_PAGE: Final = Path("docs/http.md")
STATES_PAGE: Final = Path("docs/states.md")
HOUSE: Final = Path("docs/house.svg")
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


#: The rules between the fields of a job.
_RULES: Final[dict[str, Any]] = {
    # A null means that the field is left out.
    "oneOf": [
        {"required": [name], "properties": {name: {"type": "string"}}}
        for name in ("prompt", "prompt_blob", "template")
    ],
    "dependentRequired": {"mask": ["inputs"]},
    # A validator in strict mode wants a property that is required to be named beside it.
    "not": {"required": ["model", "models"], "properties": {"model": {}, "models": {}}},
    "dependentSchemas": {
        "compression": {
            "required": ["format"],
            "properties": {"format": {"const": "jpeg"}},
        }
    },
}


def job_schema() -> dict[str, Any]:
    """Return the schema of a job message: the model's, and the rules between fields."""
    schema = Job.model_json_schema()
    schema.pop("required")
    return {"$schema": _DIALECT, **schema, "title": "Job", **_RULES}


def event_schema(event_type: EventType) -> dict[str, Any]:
    """Return the schema of a job's event."""
    return _event_schema(event_type.value, DATA[event_type])


def batch_schema() -> dict[str, Any]:
    """Return the schema of a batch's event."""
    return _event_schema(BatchEventType.COMPLETED.value, BatchCompletedData)


def result_schema() -> dict[str, Any]:
    """Return the schema of a line of a result manifest."""
    schema = Result.model_json_schema(mode="serialization")
    return {"$schema": _DIALECT, **schema, "title": "Result"}


def _event_schema(event_type: str, model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of an event in CloudEvents' structured JSON."""
    data = model.model_json_schema(mode="serialization")
    definitions = data.pop("$defs", {})
    text = {"type": "string", "minLength": 1}
    return {
        "$schema": _DIALECT,
        "title": event_type,
        "type": "object",
        "additionalProperties": False,
        "required": [
            *("specversion", "id", "type", "source", "subject", "time"),
            *("datacontenttype", "data"),
        ],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "format": "uuid"},
            "type": {"const": event_type},
            "source": text,
            "subject": text,
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "traceparent": {"type": "string", "pattern": TRACEPARENT},
            "tenant": {"type": "string", "pattern": TENANT_NAME},
            "data": data,
        },
        "$defs": definitions,
    }


def schemas() -> dict[Path, str]:
    """Return the text of every schema, by its path."""
    folder = Path("docs/schemas")
    printed = {"job": job_schema(), "batch-result": result_schema()} | {
        event_type.value: event_schema(event_type) for event_type in EventType
    }
    printed[BatchEventType.COMPLETED.value] = batch_schema()
    return {
        folder / f"{name}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in printed.items()
    }


def interfaces() -> dict[Path, str]:
    """Return the descriptions of the HTTP interface and of the queues, by their paths."""
    folder = Path("docs/schemas")
    return {
        folder / "openapi.json": openapi.printed(_RULES),
        folder / "asyncapi.yaml": asyncapi.printed(),
    }


def page(text: str) -> str:
    """Return `docs/messages.md` with new tables."""
    return printed_tables(
        text,
        {
            "fields": table("field | type | default | meaning", _fields()),
            "options": table("option | values | models", _options()),
            "rejections": table("code | meaning", _codes(REJECTIONS)),
            "failures": table("code | meaning", _codes(FAILURES)),
        },
    )


def http_page(text: str) -> str:
    """Return `docs/http.md` with new tables."""
    operations = (
        f" `{each.method.upper()} {each.path}` | {each.summary} | "
        f"{', '.join(str(status) for status in sorted(each.answers))} "
        for each in OPERATIONS
    )
    documented = {*ANYWHERE, *(code for each in OPERATIONS for code in each.problems)}
    problems = (
        f" {int(status)} | `{code}` | {TITLES[code]} "
        for code, status in sorted(STATUSES.items(), key=lambda item: item[1])
        if code in documented
    )
    return printed_tables(
        text,
        {
            "operations": table("request | what for | answers", operations),
            "problems": table("status | code | meaning", problems),
        },
    )


def states_page(text: str) -> str:
    """Return `docs/states.md` with new diagrams."""
    return printed_tables(text, {"tasks": states.task_diagram(), "jobs": states.job_diagram()})


def _codes(meanings: Mapping[Any, str]) -> Iterator[str]:
    return (f" `{code}` | {meaning} " for code, meaning in meanings.items())


def _options() -> Iterator[str]:
    catalogue = read_builtin()
    models = catalogue.models.values()
    options = {name: option for model in models for name, option in model.options.items()}
    for name, option in options.items():
        only = ", for edits" if option.edits_only else ""
        takers = ", ".join(catalogue.takers(name))
        yield f" `{name}` | {option.allowed.replace(chr(39), '`')}{only} | {takers} "


def _fields() -> Iterator[str]:
    for name, schema in Job.model_json_schema()["properties"].items():
        default = schema.get("default")
        shown = "" if default in (None, [], {}) else f"`{json.dumps(default)}`"
        yield f" `{name}` | {_kind(schema)} | {shown} | {schema['description']} "


def _kind(schema: Mapping[str, Any]) -> str:
    """Return a schema in the words of a table."""
    if ways := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(_kind(way) for way in ways if way.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if {"minimum", "maximum"} <= schema.keys():
        return f"{schema['minimum']} to {schema['maximum']}"
    if schema.get("format") == "date-time":
        return "time"
    kind = str(schema.get("type", "object")).replace("string", "text").replace("array", "list")
    for bound in ("maxLength", "maxItems", "maxProperties"):
        if bound in schema:
            unit = " characters" if bound == "maxLength" else ""
            kind += f", up to {schema[bound]:,}{unit}"
    return kind


def expected() -> dict[Path, str]:
    """Return the expected text of every derived file, by its path in the repository."""
    pages = {PAGE: page, HTTP_PAGE: http_page, STATES_PAGE: states_page}
    return (
        schemas()
        | interfaces()
        | {HOUSE: house.printed()}
        | {path: renew((ROOT / path).read_text("utf-8")) for path, renew in pages.items()}
    )


def stale() -> list[Path]:
    """Return the derived files that are missing, out of date or no longer derived."""
    wanted = expected()
    wrong = [path for path, text in wanted.items() if _text(ROOT / path) != text]
    there = {path.relative_to(ROOT) for path in (ROOT / "docs/schemas").glob("*")}
    return sorted([*wrong, *(there - wanted.keys())])


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def main(arguments: list[str]) -> int:
    """Write or compare the files; return 1 when one of them is out of date."""
    if arguments == ["--check"]:
        for path in stale():
            print(f"{path} is out of date: run python -m local.contracts.schemas")
        return 1 if stale() else 0
    for path, text in expected().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
