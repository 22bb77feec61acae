"""Reads Bicep files: what each declares, and where, by way of tree-sitter's grammar."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER: Final = Parser(Language(tree_sitter_bicep.language()))

#: Node of the grammar, and what it declares.
_KINDS: Final = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "type_declaration": "type",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
    "user_defined_function": "func",
}


def text(node: Node | None) -> str:
    """Return the source of a node."""
    return (node.text or b"").decode() if node else ""


def literal(node: Node | None) -> str | None:
    """Return the value of a string that has no interpolation; None for anything else."""
    if node is None or node.type != "string":
        return None
    if any(child.type == "interpolation" for child in node.named_children):
        return None
    return "".join(text(child) for child in node.named_children).replace("\\'", "'")


def line(node: Node) -> int:
    """Return where a node begins, counted from 1."""
    return node.start_point[0] + 1


def members(node: Node | None) -> dict[str, Node]:
    """Return the members of an object whose keys are known, by key."""
    found: dict[str, Node] = {}
    for child in node.named_children if node and node.type == "object" else []:
        if child.type == "object_property":
            key, value = child.named_children[0], child.named_children[-1]
            name = literal(key) if key.type == "string" else text(key)
            if name is not None:
                found[name] = value
    return found


def inside(node: Node) -> Node:
    """Return what a parenthesis, a loop or a condition holds in the end."""
    while node.type in {"parenthesized_expression", "for_statement", "if_statement"}:
        node = node.named_children[-1]
    return node


def descendants(node: Node) -> Iterator[Node]:
    """Yield the node and all below it."""
    yield node
    for child in node.children:
        yield from descendants(child)


@dataclass(frozen=True, slots=True)
class Declaration:
    """A parameter, variable, type, resource, module, output or function."""

    kind: str
    name: str
    node: Node
    decorators: tuple[Node, ...]

    @property
    def value(self) -> Node:
        """What it is, or what it is by default."""
        return self.node.named_children[-1]

    @property
    def body(self) -> Node:
        """The object of a resource or module, out of its loop and condition."""
        return inside(self.value)

    @property
    def is_existing(self) -> bool:
        """Whether a resource is only referred to."""
        return any(child.type == "existing" for child in self.node.children)

    @property
    def path(self) -> str:
        """Type and version of a resource, or the file of a module."""
        return next(
            (literal(child) or "" for child in self.node.named_children if child.type == "string"),
            "",
        )

    @property
    def type_name(self) -> str:
        """The type a parameter or output is declared with."""
        return text(self.node.named_children[1]) if len(self.node.named_children) > 1 else ""

    @property
    def is_required(self) -> bool:
        """Whether a parameter must be given."""
        return not self.has_default and not self.type_name.endswith("?")

    @property
    def has_default(self) -> bool:
        """Whether a parameter has a default."""
        return any(text(child) == "=" for child in self.node.children)

    @property
    def description(self) -> str:
        """Its `@description`, or nothing."""
        for decorator in self.decorators:
            call = decorator.named_children[0]
            if text(call.named_children[0]) == "description":
                return literal(call.named_children[1].named_children[0]) or ""
        return ""


@dataclass(frozen=True)
class Source:
    """One Bicep file."""

    path: Path
    root: Node

    @cached_property
    def declarations(self) -> tuple[Declaration, ...]:
        """All it declares, in order."""
        found: list[Declaration] = []
        decorators: list[Node] = []
        for node in self.root.named_children:
            if node.type == "decorators":
                decorators += [each for each in node.named_children if each.type == "decorator"]
            elif node.type in _KINDS:
                name = text(node.named_children[0])
                found.append(Declaration(_KINDS[node.type], name, node, tuple(decorators)))
                decorators = []
        return tuple(found)

    @cached_property
    def imports(self) -> dict[str, str]:
        """Names that come from other files, and the files."""
        found: dict[str, str] = {}
        for node in self.root.named_children:
            if node.type == "import_functionality":
                *names, file = node.named_children
                found |= {text(name): literal(file) or "" for name in names}
        return found

    def of(self, kind: str) -> dict[str, Declaration]:
        """All declarations of a kind, by name."""
        return {each.name: each for each in self.declarations if each.kind == kind}

    def at(self, node: Node) -> str:
        """Name a place as one reads it in a message."""
        return f"{self.path.name}:{line(node)}"


def read(path: Path) -> Source:
    """Read a file; a fault of its syntax is found by `faults_of_syntax`, not here."""
    return _parsed(path, path.read_bytes())


@cache
def _parsed(path: Path, content: bytes) -> Source:
    return Source(path, _PARSER.parse(content).root_node)


def sources(folder: Path) -> tuple[Source, ...]:
    """Read every Bicep file of a folder and below."""
    return tuple(read(path) for path in sorted(folder.rglob("*.bicep")))


def faults_of_syntax(source: Source) -> Iterator[str]:
    """Yield where the text is no Bicep."""
    for node in descendants(source.root):
        if node.is_error or node.is_missing:
            yield f"{source.at(node)}: not understood: {text(node)[:60]!r}"
