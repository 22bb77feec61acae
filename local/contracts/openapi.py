"""The app's HTTP as an OpenAPI 3.1 document, from the table of operations and the models."""

import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from local.contracts.operations import ANYWHERE, HEADERS, OPERATIONS, Answer, Operation
from shared.batches.reader import MAX_JOBS
from shared.events.data import Data
from shared.http_api.problems import PROBLEM_TYPE, STATUSES, TITLES, Problem
from shared.http_api.queries import JSON_TYPES, KEY_HEADER
from shared.jobs.job import Job

_REFERENCE: Final = "#/components/schemas/{model}"


def openapi(rules: dict[str, Any]) -> dict[str, Any]:
    """Return the document; `rules` are the rules between the fields of a job."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Image Jobs",
            "version": "1",
            "summary": "Submit jobs for pictures and follow them.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [
            {
                "url": "https://{app}.azurewebsites.net",
                "variables": {"app": {"default": "image-jobs"}},
            }
        ],
        "security": [{"functionKey": []}, {"functionKey": [], "callerKey": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "functionKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-functions-key",
                    "description": "A function key of the app, or its host key.",
                },
                "callerKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": KEY_HEADER,
                    "description": "A key of `CALLERS`, where the app has this setting.",
                },
            },
            "headers": {
                name: {"description": meaning, "schema": {"type": "string"}}
                for name, meaning in HEADERS.items()
            },
            "responses": {
                "Unauthorized": {"description": "The key is missing or wrong."},
                **{
                    f"Problem{status}": _problem(status)
                    for status in sorted({int(status) for status in STATUSES.values()})
                },
            },
            "schemas": _schemas(rules),
        },
    }


def _paths() -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return paths


def _operation(operation: Operation) -> dict[str, Any]:
    responses = {str(status): _answer(answer) for status, answer in operation.answers.items()}
    codes = (*operation.problems, *ANYWHERE)
    for status in sorted({int(STATUSES[code]) for code in codes}):
        problem = {"$ref": f"#/components/responses/Problem{status}"}
        if str(status) in responses:  # either a document or a problem
            responses[str(status)]["content"] |= _problem(status)["content"]
        else:
            responses[str(status)] = problem
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": _codes(codes),
        "responses": dict(sorted(responses.items())),
    }
    if operation.keyed:
        described["responses"]["401"] = {"$ref": "#/components/responses/Unauthorized"}
    else:
        described["security"] = []
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.body and "/" in operation.body:
        types = operation.body.split(", ")
        described["requestBody"] = {"required": True, "content": {each: {} for each in types}}
    elif operation.body:
        schema = {"$ref": _REFERENCE.format(model=operation.body)}
        described["requestBody"] = {
            "required": True,
            "content": {JSON_TYPES[0]: {"schema": schema}},
        }
    return described


def _codes(codes: Iterable[str]) -> str:
    return "Codes of its problems: " + ", ".join(f"`{code}`" for code in codes) + "."


def _answer(answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.meaning}
    if answer.headers:
        described["headers"] = {
            name: {"$ref": f"#/components/headers/{name}"} for name in answer.headers
        }
    if answer.of:
        schema = {"$ref": _REFERENCE.format(model=answer.of.__name__)}
        described["content"] = {"application/json": {"schema": schema}}
    if answer.media:
        described["content"] = {answer.media: {"schema": {}}}
    return described


def _problem(status: int) -> dict[str, Any]:
    meanings = [f"`{code}`: {TITLES[code]}" for code, found in STATUSES.items() if found == status]
    return {
        "description": f"{HTTPStatus(status).phrase}. " + " ".join(meanings),
        "content": {PROBLEM_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
    }


def _schemas(rules: dict[str, Any]) -> dict[str, Any]:
    answers = [answer for operation in OPERATIONS for answer in operation.answers.values()]
    documents: dict[str, type[Data]] = {
        answer.of.__name__: answer.of for answer in answers if answer.of
    }
    models: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        (Job, "validation"),
        (Problem, "serialization"),
        *((documents[name], "serialization") for name in sorted(documents)),
    ]
    _, found = models_json_schema(models, ref_template=_REFERENCE)
    schemas: dict[str, Any] = found["$defs"]
    schemas["Job"].pop("required", None)
    schemas["Job"] |= rules
    for name in _named(schemas["Job"], schemas):
        schemas[name]["properties"] = {
            field: _optional(schema) for field, schema in schemas[name]["properties"].items()
        }
    schemas["Jobs"] = {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_JOBS,
        "items": {
            "type": "object",
            "description": "A Job. Each is validated separately.",
            "additionalProperties": True,
        },
    }
    return dict(sorted(schemas.items()))


def _named(schema: dict[str, Any], schemas: dict[str, Any]) -> set[str]:
    """Return the names of a schema's title and of all schemas that it refers to."""
    inside = re.findall(rf'"{re.escape(_REFERENCE.format(model=""))}(\w+)"', json.dumps(schema))
    return {schema["title"], *(name for each in inside for name in _named(schemas[each], schemas))}


def _optional(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field with its default in words.

    Generators of types, such as openapi-typescript, take a field with a default as always present.
    That is right for a response, but not for a request.
    """
    described = dict(schema)
    default = described.pop("default", None)
    if default not in (None, [], {}):
        text = described.get("description", "")
        described["description"] = f"{text} Default: `{json.dumps(default)}`.".strip()
    return described


def printed(rules: dict[str, Any]) -> str:
    """Return the document as the text of its file."""
    return json.dumps(openapi(rules), indent=2, ensure_ascii=False) + "\n"
