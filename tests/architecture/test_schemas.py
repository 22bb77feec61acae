"""What docs/ derives from the code is current, valid, and agrees with the code."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from local.contracts.schemas import (
    HTTP_PAGE,
    PAGE,
    STATES_PAGE,
    event_schema,
    http_page,
    job_schema,
    page,
    schemas,
    stale,
    states_page,
)
from shared.batches.events import BatchEventType
from shared.events.cloud_events import to_json
from shared.jobs.job import Job
from shared.jobs.parsing import Message, read_job
from shared.vocabulary import EventType
from tests.builders.messages import messages, read
from tests.simulation.scene import run

from .tree import ROOT

TEXT = (ROOT / PAGE).read_text("utf-8")
EXAMPLES = re.findall(r"^```json (\S+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((ROOT / f"docs/schemas/{name}.schema.json").read_text("utf-8"))
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_the_schemas_the_tables_and_the_picture_of_the_house_are_current() -> None:
    assert stale() == [], "run python -m local.contracts.schemas"


@pytest.mark.parametrize("path", sorted(schemas()), ids=lambda path: path.name)
def test_a_printed_schema_is_a_json_schema(path: Path) -> None:
    Draft202012Validator.check_schema(json.loads((ROOT / path).read_text("utf-8")))


def test_every_table_of_the_page_is_printed() -> None:
    emptied = re.sub(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", r"\1\3", TEXT, flags=re.DOTALL)
    assert emptied.count("<!-- /") == 4
    assert page(emptied) == TEXT


def test_the_tables_of_the_page_of_http_are_printed() -> None:
    text = (ROOT / HTTP_PAGE).read_text("utf-8")
    emptied = re.sub(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", r"\1\3", text, flags=re.DOTALL)
    assert len(emptied) < len(text)
    assert http_page(emptied) == text


def test_the_diagrams_of_the_states_are_printed() -> None:
    text = (ROOT / STATES_PAGE).read_text("utf-8")
    emptied = re.sub(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", r"\1\3", text, flags=re.DOTALL)
    assert text.count("stateDiagram-v2") == 2
    assert states_page(emptied) == text


def test_the_page_names_every_type_of_event() -> None:
    rows = re.findall(r"^\| `(image\.\S+)` \|.*\((\S+)\) \|$", TEXT, re.MULTILINE)
    assert [name for name, _ in rows] == [*EventType, *BatchEventType]
    assert all((ROOT / PAGE.parent / link).exists() for _, link in rows)


def test_the_page_has_examples() -> None:
    assert {name for name, _ in EXAMPLES} == {"job", "image.job.rejected"}


@pytest.mark.parametrize(("name", "text"), EXAMPLES)
def test_an_example_of_the_page_is_valid(name: str, text: str) -> None:
    validator(name).validate(json.loads(text))
    if name == "job":
        read_job(Message(text.encode(), "m", datetime(2026, 11, 30, tzinfo=UTC)))


async def test_an_event_is_valid_by_its_schema_with_every_attribute_it_may_have() -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    job = {"prompt": "a fox", "tenant": "shop", "traceparent": trace, "publish_pictures": True}
    scene = await run(job, {**job, "n": 11}, PUBLISH_ACCEPTED="true")
    events = [json.loads(to_json(event)) for event in scene.world.events]
    told = ["accepted", "rejected", "succeeded"]
    assert [each["type"] for each in events if each["type"] != "image.picture.stored"] == [
        f"image.job.{each}" for each in told
    ]
    for event in events:
        validator(event["type"]).validate(event)
        assert event["tenant"] == "shop"


@given(messages())
def test_what_is_read_as_a_job_is_valid_by_its_schema(message: dict[str, Any]) -> None:
    schema = Draft202012Validator(job_schema())
    schema.validate(message)
    schema.validate(json.loads(read(message).to_json()))


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"prompt": None},
        {"prompt": None, "prompt_blob": None},
        {"prompt": "a", "prompt_blob": "b"},
        {"prompt": "a", "n": 11},
        {"prompt": "a", "id": "x"},
        {"prompt": "a", "compression": 3},
        {"prompt": "a", "compression": 3, "format": "png"},
        {"prompt": "a", "mask": "m"},
        {"prompt_blob": "a/../b"},
        {"prompt": "a", "tags": {"a b": "c"}},
        {"prompt": "a", "size": []},
        {"prompt": "a", "job_id": "-"},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(message: dict[str, Any]) -> None:
    assert not Draft202012Validator(job_schema()).is_valid(message)


def test_every_field_of_a_job_is_described() -> None:
    described = job_schema()["properties"]
    assert set(described) == set(Job.model_fields)
    assert all(field["description"].endswith(".") for field in described.values())


def test_an_event_has_nothing_but_what_its_schema_names() -> None:
    for event_type in EventType:
        assert event_schema(event_type)["properties"]["data"]["additionalProperties"] is False
