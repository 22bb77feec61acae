"""Works out what a Bicep expression comes to, as far as it needs nothing of Azure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tree_sitter import Node

from .bicep import Declaration, Source, read, text


class GivenTwice(ValueError):
    """A key of an object is given twice, so one of the values is lost."""


class _Repeated(ValueError):
    """The same, before it is known where."""


class Unknown(str):
    """A value that only Azure knows, such as an address; its text says of what it is."""

    __slots__ = ()


_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "+": lambda left, right: left + right,
    ">": lambda left, right: left > right,
    "??": lambda left, right: right if left is None else left,
}


def _union(*given: Any) -> Any:  # noqa: ANN401 (Bicep's values are of any kind)
    if isinstance(given[0], dict):
        return _distinct((key, value) for each in given for key, value in (each or {}).items())
    return list(dict.fromkeys(map(_hashed, [item for each in given for item in each])))


def _distinct(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Repeated(f"the key {key!r} is given twice")
        found[key] = value
    return found


def _hashed(value: Any) -> Any:  # noqa: ANN401 (likewise)
    return _Row(value) if isinstance(value, dict) else value


class _Row(dict[str, Any]):
    """An object that can be told apart in a union."""

    def __hash__(self) -> int:  # type: ignore[override] # a dict has none
        return hash(repr(sorted(self.items(), key=str)))


_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "concat": lambda *lists: [item for each in lists for item in each],
    "empty": lambda value: not value,
    "filter": lambda values, keep: [each for each in values if keep(each)],
    "flatten": lambda lists: [item for each in lists for item in each],
    "items": lambda value: [{"key": key, "value": value[key]} for key in sorted(value)],
    "join": lambda values, between: between.join(values),
    "last": lambda values: values[-1],
    "max": max,
    "min": min,
    "map": lambda values, change: [change(each) for each in values],
    "objectKeys": sorted,
    "objectValues": lambda value: [value[key] for key in sorted(value)],
    "replace": lambda text, old, new: text.replace(old, new),
    "split": lambda whole, by: whole.split(by),
    "string": str,
    "toObject": lambda values, key, value: _distinct((key(each), value(each)) for each in values),
    "union": _union,
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The values of one file, for the parameters given."""

    source: Source
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def of(self, name: str) -> Any:  # noqa: ANN401 (Bicep's values are of any kind)
        """Return the value of a parameter, a variable or an imported variable."""
        if name in self.parameters:
            return self.parameters[name]
        if name in self.source.imports:
            file = self.source.path.parent / self.source.imports[name]
            return Evaluation(read(file)).of(name)
        declared = {each.name: each for each in self.source.declarations}
        if name not in declared:
            raise LookupError(f"{self.source.path.name}: {name!r} has no value here")
        return self.declared(declared[name])

    def declared(self, declaration: Declaration) -> Any:  # noqa: ANN401 (Bicep's values are of any kind)
        """Return the value of a declaration: a parameter without one is null."""
        if declaration.kind == "param" and not declaration.has_default:
            return None
        return self.value(declaration.value, {})

    def call(self, name: str, given: Sequence[Any]) -> Any:  # noqa: ANN401 (likewise)
        """Return what a function of Bicep returns."""
        return _FUNCTIONS[name](*given)

    def value(self, node: Node, local: Mapping[str, Any]) -> Any:  # noqa: ANN401 (likewise)
        """Return the value of a node, where `local` are the names of loops and lambdas."""
        try:
            return self._value(node, local)
        except _Repeated as error:
            raise GivenTwice(f"{self.source.at(node)}: {error}") from error

    def _value(self, node: Node, local: Mapping[str, Any]) -> Any:  # noqa: ANN401, C901, PLR0911, PLR0912 (a case for each kind of node)
        children = [each for each in node.named_children if each.type != "comment"]
        match node.type:
            case "string":
                return "".join(
                    str(self.value(child.named_children[0], local))
                    if child.type == "interpolation"
                    else text(child)
                    for child in children
                )
            case "number":
                return int(text(node))
            case "boolean":
                return text(node) == "true"
            case "null":
                return None
            case "identifier":
                name = text(node)
                return local[name] if name in local else self.of(name)
            case "parenthesized_expression":
                return self.value(children[0], local)
            case "array":
                return [self.value(child, local) for child in children]
            case "object":
                return self._object(node, local)
            case "ternary_expression":
                return self.value(children[1 if self.value(children[0], local) else 2], local)
            case "unary_expression":
                return not self.value(children[0], local)
            case "for_statement":
                return [self.value(children[-1], each) for each in self.loop(node, local)]
            case "binary_expression":
                left, right = (self.value(child, local) for child in children)
                operator = text(next(each for each in node.children if not each.is_named))
                return _OPERATORS[operator](left, right)
            case "member_expression":
                return self._member(self.value(children[0], local), text(children[1]))
            case "subscript_expression":
                return self.value(children[0], local)[self.value(children[1], local)]
            case "lambda_expression":
                name = text(children[0])
                return lambda given: self.value(children[1], {**local, name: given})
            case "call_expression":
                listed = (each for each in children[1].named_children if each.type != "comment")
                given = [self.value(each, local) for each in listed]
                return self.call(text(children[0]), given)
        raise LookupError(f"{self.source.at(node)}: {node.type} can't be worked out")

    def loop(self, node: Node, local: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the names of each round of a loop: its item, and its number where it is named."""
        first, over = node.named_children[:2]
        named = first.named_children if first.type == "for_loop_parameters" else [first]
        names = [text(each) for each in named]
        rounds = enumerate(self.value(over, local))
        return [{**local, **dict(zip(names, (item, n), strict=False))} for n, item in rounds]

    def _object(self, node: Node, local: Mapping[str, Any]) -> dict[str, Any]:
        members = [each for each in node.named_children if each.type == "object_property"]
        return _distinct(
            (
                self.value(key, local) if key.type == "string" else text(key),
                self.value(rest[-1], local),
            )
            for key, *rest in (each.named_children for each in members)
        )

    @staticmethod
    def _member(owner: Any, name: str) -> Any:  # noqa: ANN401 (likewise)
        if isinstance(owner, Unknown):
            return Unknown(f"{owner}.{name}")
        return owner.get(name) if isinstance(owner, dict) else None


def loops_over(source: Source, resource: str) -> str:
    """Return what a resource is made for each of."""
    value = source.of("resource")[resource].value
    return text(value.named_children[1]) if value.type == "for_statement" else ""


def value_in(file: Path, name: str, **parameters: Any) -> Any:  # noqa: ANN401 (likewise)
    """Return the value of a name in a file."""
    return Evaluation(read(file), parameters).of(name)
