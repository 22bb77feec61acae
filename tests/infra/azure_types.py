"""Holds resources of Bicep files against Microsoft's own types, as azure_types.json keeps them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from tree_sitter import Node

from .bicep import Declaration, Source, inside, literal, members

#: What Bicep itself takes in the body of any resource.
OF_BICEP: Final = frozenset({"parent", "scope", "dependsOn"})
PRIMITIVES: Final = frozenset({"string", "int", "bool", "any", "object"})
#: Node of the grammar, and the types that a value of it can be.
OF_NODE: Final = {
    "string": {"string"},
    "number": {"int"},
    "boolean": {"bool"},
}


@cache
def snapshot() -> dict[str, Any]:
    """Return the types of all resources."""
    text = Path(__file__).with_name("azure_types.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def faults_of_types(source: Source) -> Iterator[str]:
    """Yield what no such resource has, what it must have, and values that it does not take."""
    for declaration in source.of("resource").values():
        kind, _, version = declaration.path.partition("@")
        known = snapshot().get(kind)
        where = source.at(declaration.node)
        if known is None:
            yield f"{where}: the type {kind!r} is not known: add it to tests/infra/snapshot.py"
        elif version != known["version"]:
            yield f"{where}: {kind} has the version {known['version']}, not {version}"
        elif not declaration.is_existing:
            yield from _Checked(source, known["types"]).body(declaration, known["body"])


@dataclass(frozen=True, slots=True)
class _Checked:
    """One resource, held against its types."""

    source: Source
    types: dict[str, Any]

    def body(self, declaration: Declaration, shape: dict[str, Any]) -> Iterator[str]:
        yield from self.object(declaration.body, shape, more=OF_BICEP)

    def object(
        self, node: Node, shape: dict[str, Any], *, more: frozenset[str] = frozenset()
    ) -> Iterator[str]:
        given = members(node)
        known = dict(shape["members"])
        if "by" in shape:
            told = given.get(shape["by"])
            case = literal(told)
            if case is None and told is not None:
                return  # which case it is stands only at the deployment
            if case not in shape["cases"]:
                cases = ", ".join(shape["cases"])
                yield f"{self.source.at(node)}: {shape['by']} is {case!r}; there are {cases}"
                return
            known |= shape["cases"][case]["members"]
        for name, value in given.items():
            kind = known.get(name, shape.get("rest"))
            if name in more:
                continue
            if kind is None:
                yield f"{self.source.at(value)}: there is no {name!r} here"
            elif kind == "-":
                yield f"{self.source.at(value)}: {name!r} can only be read"
            else:
                yield from self.value(value, kind.removeprefix("!"), name)
        for name, kind in known.items():
            if kind.startswith("!") and name not in given:
                yield f"{self.source.at(node)}: {name!r} is missing"

    def value(self, node: Node, kind: str, name: str) -> Iterator[str]:
        if node.type == "ternary_expression":
            for branch in node.named_children[1:]:
                yield from self.value(branch, kind, name)
            return
        if node.type == "for_statement" and not kind.endswith("[]"):
            yield f"{self.source.at(node)}: {name!r} is a {kind}, not a list"
            return
        if node.type in {"array", "for_statement"} and kind.endswith("[]"):
            items = node.named_children if node.type == "array" else [inside(node)]
            for item in items:
                yield from self.value(item, kind.removesuffix("[]").strip("()"), name)
            return
        node = inside(node)
        if node.type == "object" and kind in self.types:
            yield from self.object(node, self.types[kind])
        elif node.type in {"object", "array"} and kind not in {"any", "object"}:
            yield f"{self.source.at(node)}: {name!r} is a {kind}"
        elif node.type in OF_NODE:
            yield from self.scalar(node, kind, name)

    def scalar(self, node: Node, kind: str, name: str) -> Iterator[str]:
        choices = {choice.strip() for choice in kind.split("|")}
        value = literal(node)
        if choices & (OF_NODE[node.type] | {"any"}):
            return
        if node.type == "string" and not choices & (PRIMITIVES | set(self.types)):
            if value is None or value in choices or any(each.endswith("[]") for each in choices):
                return
            yield f"{self.source.at(node)}: {name!r} is {value!r}; there are {kind}"
            return
        yield f"{self.source.at(node)}: {name!r} is a {kind}"
