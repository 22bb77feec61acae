"""Evaluates the whole template: the list of all that one deployment creates, module by module."""

import hashlib
import ipaddress
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tree_sitter import Node

from .azure_types import OF_BICEP
from .bicep import Declaration, Source, members, read
from .evaluation import Evaluation, GivenTwice, Unknown

ROLES: Final = "Microsoft.Authorization/roleAssignments"


@dataclass(frozen=True, slots=True)
class Group:
    """A resource group."""

    subscription: str
    name: str

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.name}"


HOME: Final = Group("home", "image-jobs")


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of a deployment; an existing one is only referred to."""

    file: str
    kind: str
    id: str
    body: dict[str, Any]
    is_existing: bool = False


def id_under(scope: str, kind: str, names: Sequence[str]) -> str:
    """Return a resource id: the type of a child and its names alternate."""
    provider, *types = kind.split("/")
    pairs = "/".join(f"{each}/{name}" for each, name in zip(types, names, strict=True))
    return f"{scope}/providers/{provider}/{pairs}"


@dataclass(frozen=True, slots=True)
class Template(Evaluation):
    """One file, with its resources and modules."""

    group: Group = HOME

    def resources(self) -> Iterator[Resource]:
        """Yield every resource of the file and of its modules, as a list with its repetitions."""
        for declaration in self.source.declarations:
            for local, body in self._rounds(declaration):
                if declaration.kind == "resource":
                    yield self._resource(declaration, body, local)
                elif declaration.kind == "module":
                    module = self._module(declaration, body, local)
                    kind = "Microsoft.Resources/deployments"
                    named = id_under(module.group.id, kind, [self.value(body["name"], local)])
                    yield Resource(self.source.path.name, kind, named, {})
                    yield from module.resources()

    def declared(self, declaration: Declaration) -> Any:  # noqa: ANN401 (Bicep's values are of any kind)
        """Return a value; of a resource what is known of it, of a module its outputs."""
        if declaration.kind not in {"resource", "module"}:
            return Evaluation.declared(self, declaration)
        found = [self._reference(declaration, *each) for each in self._rounds(declaration)]
        is_list = declaration.value.type == "for_statement"
        return found if is_list else next(iter(found), None)

    def call(self, name: str, given: Sequence[Any]) -> Any:  # noqa: ANN401, PLR0911 (likewise; a case for each function)
        """Return what a function returns, also one that asks for the place of the deployment."""
        match name:
            case "resourceGroup":
                group = Group(*given) if given else self.group
                return {"id": group.id, "name": group.name, "location": "here", "group": group}
            case "resourceId":
                return id_under(self.group.id, given[0], given[1:])
            case "subscriptionResourceId":
                return id_under(f"/subscriptions/{self.group.subscription}", given[0], given[1:])
            case "guid":
                return str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join(given)))
            case "uniqueString":
                return hashlib.sha256("|".join(given).encode()).hexdigest()[:13]
            case "cidrSubnet":
                network, prefix, number = given
                return str([*ipaddress.ip_network(network).subnets(new_prefix=prefix)][number])
            case "environment" | "tenant":
                return Unknown(f"{name}()")
            case "utcNow":
                return "2026-11-01"
            case "loadTextContent":
                return (self.source.path.parent / given[0]).read_text()
        return Evaluation.call(self, name, given)

    def _rounds(
        self, declaration: Declaration
    ) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Node]]]:
        """Yield the names and the members of each resource that a loop and its condition leave."""
        if declaration.kind not in {"resource", "module"}:
            return
        node = declaration.value
        is_loop = node.type == "for_statement"
        for local in self.loop(node, {}) if is_loop else [{}]:
            inner = node.named_children[-1] if is_loop else node
            if inner.type == "if_statement":
                if not self.value(inner.named_children[0], local):
                    continue
                inner = inner.named_children[-1]
            yield local, members(inner)

    def _names(
        self, body: Mapping[str, Node], local: Mapping[str, Any]
    ) -> tuple[str, tuple[str, ...]]:
        """Return the scope of a resource, and its name after those of its parents."""
        own = str(self.value(body["name"], local))
        if "parent" in body:
            parent = self.value(body["parent"], local)
            return self.group.id, (*parent["names"], own)
        scope = self.value(body["scope"], local)["id"] if "scope" in body else self.group.id
        return scope, (own,)

    def _reference(
        self, declaration: Declaration, local: Mapping[str, Any], body: Mapping[str, Node]
    ) -> dict[str, Any]:
        if declaration.kind == "module":
            module = self._module(declaration, body, local)
            outputs = module.source.of("output")
            return {
                "outputs": {name: module.value(each.value, {}) for name, each in outputs.items()}
            }
        scope, names = self._names(body, local)
        found = id_under(scope, declaration.path.partition("@")[0], names)
        known = {"id": found, "name": names[-1], "names": names}
        return known | {each: Unknown(f"{found}.{each}") for each in ("identity", "properties")}

    def _resource(
        self, declaration: Declaration, body: Mapping[str, Node], local: Mapping[str, Any]
    ) -> Resource:
        scope, names = self._names(body, local)
        kind = declaration.path.partition("@")[0]
        given = {name: node for name, node in body.items() if name not in OF_BICEP}
        values = {name: self.value(node, local) for name, node in given.items()}
        file = self.source.path.name
        return Resource(file, kind, id_under(scope, kind, names), values, declaration.is_existing)

    def _module(
        self, declaration: Declaration, body: Mapping[str, Node], local: Mapping[str, Any]
    ) -> "Template":
        source = read(self.source.path.parent / declaration.path)
        parameters = self.value(body["params"], local) if "params" in body else {}
        group = self.value(body["scope"], local)["group"] if "scope" in body else self.group
        return Template(source, parameters, group)


def evaluate(folder: Path, parameters: Mapping[str, Any]) -> list[Resource]:
    """Return all that a deployment with these parameters creates or refers to."""
    main = read(folder / "main.bicep")
    given = {"environmentName": "test", "principalId": "", **parameters}
    return [*Template(main, given).resources()]


def faults_of_template(folder: Path, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yield what Azure would refuse of a deployment with these parameters."""
    try:
        found = evaluate(folder, parameters)
    except GivenTwice as error:
        yield str(error)
        return
    created = [each for each in found if not each.is_existing]
    for name, count in Counter(each.id.lower() for each in created).items():
        if count > 1:
            yield f"{name} is created {count} times"
    yield from _faults_of_roles(created)
    for each in created:
        for path in _repeated_names(each.body):
            yield f"{each.file}: {each.id} has {path} twice"
    known = {each.id.lower() for each in created}
    for each in found:
        # What another resource group has was there before.
        if each.is_existing and each.id.startswith(HOME.id) and each.id.lower() not in known:
            yield f"{each.file}: {each.id} is referred to, but nothing creates it"


def _faults_of_roles(created: Sequence[Resource]) -> Iterator[str]:
    """Yield grants that are the same but for their names: Azure refuses the second."""
    grants = Counter(
        (
            each.id.partition(f"/providers/{ROLES}")[0],
            each.body["properties"]["principalId"],
            each.body["properties"]["roleDefinitionId"].rpartition("/")[2].lower(),
        )
        for each in created
        if each.kind == ROLES
    )
    for (scope, principal, role), count in grants.items():
        if count > 1:
            yield f"{principal} gets the role {role} on {scope} {count} times"


def _repeated_names(value: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 (Bicep's values are of any kind)
    """Yield where a list within a resource has two objects of one name."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _repeated_names(each, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        named = [each["name"] for each in value if isinstance(each, dict) and "name" in each]
        yield from (f"{path} {name!r}" for name, count in Counter(named).items() if count > 1)
        for each in value:
            yield from _repeated_names(each, path)


def needed_by(main: Source) -> dict[str, set[str]]:
    """Return for each resource and module of a file what is deployed before it."""
    names = set(main.of("resource")) | set(main.of("module"))
    direct = {
        each.name: {name for name in _identifiers(each.node) if name in names and name != each.name}
        for each in main.declarations
        if each.name in names
    }
    for _ in names:  # until nothing is added
        direct = {
            name: needed.union(*(direct[each] for each in needed))
            for name, needed in direct.items()
        }
    return direct


def _identifiers(node: Node) -> Iterator[str]:
    if node.type == "identifier" and node.text:
        yield node.text.decode()
    for child in node.named_children:
        yield from _identifiers(child)
