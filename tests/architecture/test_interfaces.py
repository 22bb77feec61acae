"""The printed descriptions of the app's two interfaces are valid, and describe this app."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from local.contracts.operations import OPERATIONS
from shared.http_api.problems import STATUSES
from shared.vocabulary import EventType

from .test_index import TRIGGERS
from .tree import ROOT

SCHEMAS = ROOT / "docs" / "schemas"
OPENAPI: dict[str, Any] = json.loads((SCHEMAS / "openapi.json").read_text("utf-8"))
ASYNCAPI: dict[str, Any] = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text("utf-8"))
#: For probes and people, not for callers; OpenAI describes its own API.
UNDESCRIBED = {"health", "gallery", "gallery_file", "openai"}


def test_the_description_of_http_is_openapi() -> None:
    OpenAPIV31SpecValidator(OPENAPI).validate()


def test_every_function_over_http_is_described_and_no_other() -> None:
    functions = {
        # OpenAPI has no word for a parameter with slashes in it.
        name: (
            str(trigger["route"]).replace("{*", "{"),
            {str(method).lower() for method in trigger["methods"]} - {"head"},
        )
        for name, trigger in TRIGGERS.items()
        if trigger["type"] == "httpTrigger" and name not in UNDESCRIBED
    }
    described = {each.name: (each.path.removeprefix("/api/"), {each.method}) for each in OPERATIONS}
    assert described == functions


def test_every_code_of_a_problem_is_one_that_an_operation_may_answer_with() -> None:
    documented = {code for each in OPERATIONS for code in each.problems}
    assert documented <= STATUSES.keys()
    # A message is poisoned on a queue alone; the rest may happen anywhere.
    anywhere = {"unknown_caller", "for_operators", "unavailable", "unreadable"}
    assert STATUSES.keys() - documented == {"poisoned"} | anywhere


def test_the_description_of_queues_is_asyncapi() -> None:
    schema = ROOT / "node_modules/@asyncapi/specs/schemas/3.0.0.json"
    if not schema.exists() and not os.environ.get("CI"):
        pytest.skip("node_modules is missing: make setup")
    found = Draft7Validator(json.loads(schema.read_text("utf-8"))).iter_errors(ASYNCAPI)
    assert [error.message for error in found] == []


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolved(reference: str) -> object:
    name, _, path = reference.partition("#/")
    if name:
        return Path(SCHEMAS / name).exists()
    found: Any = ASYNCAPI
    for step in path.split("/"):
        found = found.get(step, {})
    return found


def test_every_reference_of_the_description_of_queues_leads_somewhere() -> None:
    found = {*references(ASYNCAPI)}
    assert len(found) > len(EventType)
    assert {each for each in found if not resolved(each)} == set()
