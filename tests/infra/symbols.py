"""Whether every name in a Bicep file stands for something, and is used."""

from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from .bicep import Declaration, Source, descendants, line, literal, members, read, text

#: Bicep's own functions, as far as infra/ may use them.
FUNCTIONS: Final = frozenset(
    [
        "array",
        "base64",
        "bool",
        "cidrHost",
        "cidrSubnet",
        "concat",
        "contains",
        "dateTimeAdd",
        "deployment",
        "empty",
        "endsWith",
        "environment",
        "filter",
        "first",
        "flatten",
        "format",
        "groupBy",
        "guid",
        "indexOf",
        "int",
        "intersection",
        "items",
        "join",
        "json",
        "last",
        "length",
        "loadJsonContent",
        "loadTextContent",
        "map",
        "mapValues",
        "max",
        "min",
        "newGuid",
        "objectKeys",
        "objectValues",
        "padLeft",
        "parseCidr",
        "range",
        "reduce",
        "replace",
        "resourceGroup",
        "resourceId",
        "skip",
        "sort",
        "split",
        "startsWith",
        "string",
        "subscription",
        "subscriptionResourceId",
        "substring",
        "take",
        "tenant",
        "toLogicalZone",
        "toLower",
        "toObject",
        "toUpper",
        "trim",
        "union",
        "uniqueString",
        "uri",
        "utcNow",
    ]
)
#: `any` silences the compiler, so it is not among them. Functions that tell secrets are refused.
TELLS_SECRETS: Final = ("listKeys", "listAccountSas", "listServiceSas", "list")
#: Names of the language itself.
LANGUAGE: Final = frozenset({"sys", "az"})

_DECORATORS: Final = frozenset(
    [
        "allowed",
        "batchSize",
        "description",
        "discriminator",
        "export",
        "maxLength",
        "maxValue",
        "metadata",
        "minLength",
        "minValue",
        "sealed",
        "secure",
    ]
)
_TYPES: Final = frozenset({"string", "int", "bool", "object", "array"})


def declared(source: Source) -> dict[str, str]:
    """Return what each name of a file stands for."""
    own = {each.name: each.kind for each in source.declarations if each.kind != "output"}
    return own | dict.fromkeys(source.imports, "import")


def _bound(node: Node) -> set[str]:
    """Return the names that a loop or lambda makes for what is inside it."""
    if node.type == "lambda_expression":
        return {text(child) for child in node.named_children[:-1] if child.type == "identifier"}
    if node.type == "for_statement":
        first = node.named_children[0]
        if first.type == "for_loop_parameters":
            return {text(child) for child in first.named_children}
        return {text(first)}
    if node.type == "user_defined_function":
        return {
            text(parameter.named_children[0])
            for child in node.named_children
            if child.type == "parameters"
            for parameter in child.named_children
        }
    return set()


def uses(node: Node, local: frozenset[str] = frozenset()) -> Iterator[tuple[str, Node]]:
    """Yield each name that is used and stands for nothing nearer, with its place."""
    local |= _bound(node)
    for position, child in enumerate(node.named_children):
        if child.type == "identifier":
            is_name_of = (
                (node.type in {"object_property", "call_expression"} and position == 0)
                or (node.type == "lambda_expression" and position == 0)
                or (node.type == "for_statement" and position == 0)
                or (node.type == "user_defined_function" and position == 0)
            )
            if not is_name_of and text(child) not in local:
                yield text(child), child
        elif child.type not in {"property_identifier", "parameters", "for_loop_parameters"}:
            yield from uses(child, local)


def _used_in(declaration: Declaration) -> Iterator[tuple[str, Node]]:
    for child in declaration.node.named_children[1:]:
        if child.type == "identifier":
            yield text(child), child
        else:
            yield from uses(child, frozenset(_bound(declaration.node)))


def faults_of_symbols(source: Source) -> Iterator[str]:
    """Yield names that nothing declares, names that nothing uses, and functions there are not."""
    known = declared(source)
    used: set[str] = set()
    for declaration in source.declarations:
        for name, node in _used_in(declaration):
            used.add(name)
            if name not in known | dict.fromkeys(LANGUAGE | _TYPES):
                yield f"{source.at(node)}: nothing is called {name!r}"
        for decorator in declaration.decorators:
            name = text(decorator.named_children[0].named_children[0])
            if name not in _DECORATORS:
                yield f"{source.at(decorator)}: there is no decorator @{name}"
    exported = {
        each.name
        for each in source.declarations
        if any(text(decorator).startswith("@export") for decorator in each.decorators)
    }
    for name, kind in known.items():
        if kind in {"param", "var", "type", "func", "import"} and name not in used | exported:
            yield f"{source.path.name}: the {kind} {name!r} is not used"
    yield from _faults_of_calls(source)
    yield from _faults_of_imports(source)


def _faults_of_calls(source: Source) -> Iterator[str]:
    for node in descendants(source.root):
        if node.type == "call_expression" and node.named_children[0].type == "identifier":
            name = text(node.named_children[0])
            is_decorator = node.parent is not None and node.parent.type == "decorator"
            if name in TELLS_SECRETS:
                yield f"{source.at(node)}: {name}() tells a secret; give a role instead"
            elif not is_decorator and name not in FUNCTIONS | set(source.of("func")):
                yield f"{source.at(node)}: there is no function {name!r}"
            elif name == "loadTextContent":
                file = literal(node.named_children[1].named_children[0])
                if file is None or not (source.path.parent / file).is_file():
                    yield f"{source.at(node)}: there is no file {file!r}"


def _faults_of_imports(source: Source) -> Iterator[str]:
    for name, file in source.imports.items():
        path = source.path.parent / file
        if not path.is_file():
            yield f"{source.path.name}: there is no file {file!r} to import {name!r} from"
        elif name not in declared(read(path)):
            yield f"{source.path.name}: {file!r} exports no {name!r}"


def faults_of_modules(source: Source) -> Iterator[str]:
    """Yield parameters that a module lacks or does not have, and outputs it does not give."""
    outputs: dict[str, set[str]] = {}
    for name, declaration in source.of("module").items():
        path = source.path.parent / declaration.path
        if not path.is_file():
            yield f"{source.at(declaration.node)}: there is no module {declaration.path!r}"
            continue
        module = read(path)
        outputs[name] = set(module.of("output"))
        given = set(members(members(declaration.body).get("params")))
        wanted = module.of("param")
        where = f"{source.at(declaration.node)}: {declaration.path}"
        for each in sorted(given - set(wanted)):
            yield f"{where} has no parameter {each!r}"
        for each in sorted(set(wanted) - given):
            if wanted[each].is_required:
                yield f"{where} needs the parameter {each!r}"
    for node in descendants(source.root):
        owner, output = _output_read(node)
        if owner in outputs and output not in outputs[owner]:
            yield f"{source.path.name}:{line(node)}: the module {owner!r} has no output {output!r}"


def _output_read(node: Node) -> tuple[str, str]:
    """Return module and output of `module.outputs.output`, or two empty texts."""
    if node.type == "member_expression":
        inner = node.named_children[0]
        if inner.type == "member_expression" and text(inner.named_children[1]) == "outputs":
            return text(inner.named_children[0]), text(node.named_children[1])
    return "", ""
