"""The app may do what its code does, and no more: roles held against its calls of storage."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.config.settings import Settings
from tests.architecture.test_index import TRIGGERS
from tests.architecture.tree import imports

from .bicep import read, sources, text
from .evaluation import loops_over, value_in
from .needs import CARRIERS, SIGN, needs_of
from .test_bicep import INFRA, ROOT

ACCESS = INFRA / "modules" / "access.bicep"

#: Roles that may be given, by their ids; the list of what each allows is Microsoft's.
ROLES = {
    "Cognitive Services OpenAI User": "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd",
    "Cognitive Services User": "a97b65f3-24c7-4388-baec-2e87135dc908",
    "EventGrid Data Sender": "d5a91429-5739-47e2-a06b-3470a27159e7",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Blob Delegator": "db58b8e5-c6ad-4a2a-8342-4190687cbf4a",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Queue Data Message Sender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
    "Storage Queue Data Reader": "19e7f393-937e-4f77-808e-94535e297925",
}
BLOBS = {"read", "write", "delete"}
ALLOWS = {
    "Storage Blob Data Reader": {"read"},
    "Storage Blob Data Contributor": BLOBS,
    "Storage Blob Data Owner": {*BLOBS, "tags", "filter"},
    "Storage Queue Data Message Sender": {"add"},
    "Storage Queue Data Contributor": {"add", "peek", "process", "update", "count"},
}


def containers_of_classes() -> dict[str, str]:
    """The setting of the container that each class of the world is opened on."""
    found: dict[str, str] = {}
    worlds = [ROOT / "shared" / part / "world.py" for part in ("stores", "adapters")]
    for node in (node for path in worlds for node in ast.walk(ast.parse(path.read_text()))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id[0].isupper()
        ):
            for each in ast.walk(node):
                if isinstance(each, ast.Attribute) and each.attr.endswith("_container"):
                    found.setdefault(node.func.id, each.attr)
    known = set(Settings.model_fields)
    # Of nested calls the innermost is the one: the others are opened on what it makes.
    return {
        name: setting for name, setting in found.items() if setting in known and name != "World"
    }


def stores_and_adapters() -> Iterator[Path]:
    """The modules that may ask storage for something."""
    for part in ("stores", "adapters"):
        yield from (ROOT / "shared" / part).rglob("*.py")


def modules_of_classes() -> dict[str, Path]:
    """The module that defines each class of the stores and adapters."""
    return {
        node.name: path
        for path in stores_and_adapters()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }


def needs_of_class(name: str) -> set[str]:
    """What the module that defines a class needs, with the services that it builds on."""
    needed, seen, left = set[str](), set[Path](), [modules_of_classes()[name]]
    known = set(stores_and_adapters())
    while left:
        path = left.pop()
        seen.add(path)
        needed |= set(needs_of(ast.parse(path.read_text())))
        imported = {
            (ROOT / Path(*each.name.split(".")[:-1])).with_suffix(".py") for each in imports(path)
        }
        left += [each for each in (imported & known) - seen if each.name not in CARRIERS]
    return needed


def granted(what: str) -> dict[str, str]:
    """The roles of the app on its queues or containers."""
    given: dict[str, str] = value_in(ACCESS, what, replyQueues=["replies"])
    return given


def test_every_call_of_storage_is_one_whose_right_is_known() -> None:
    unknown = {
        f"{path.relative_to(ROOT)} calls {need[1:]}(): say in NEEDS which right that takes"
        for path in stores_and_adapters()
        if path.name not in CARRIERS
        for need in needs_of(ast.parse(path.read_text()))
        if need.startswith("?")
    }
    assert sorted(unknown) == []


def test_the_app_may_do_with_each_container_what_its_code_does() -> None:
    roles = granted("appContainerRoles")
    opened = containers_of_classes()
    assert len(opened) >= 4
    for name, setting in opened.items():
        container = Settings.model_fields[setting].default
        needed = needs_of_class(name) - {SIGN}
        assert container in roles, f"{name} is opened on {container!r}, which access.bicep lacks"
        lacking = needed - ALLOWS[roles[container]]
        assert not lacking, f"{name} needs {lacking} on {container!r}; it is {roles[container]}"


def test_the_app_may_sign_links_as_long_as_its_code_does() -> None:
    signs = any(SIGN in needs_of(ast.parse(path.read_text())) for path in stores_and_adapters())
    assert ("'Storage Blob Delegator')" in ACCESS.read_text()) == signs


def test_a_container_that_is_only_read_can_only_be_read() -> None:
    roles = granted("appContainerRoles")
    opened = containers_of_classes()
    for container in {Settings.model_fields[setting].default for setting in opened.values()}:
        needed = {
            need
            for name, setting in opened.items()
            if Settings.model_fields[setting].default == container
            for need in needs_of_class(name)
        }
        if needed == {"read"}:
            assert roles[container] == "Storage Blob Data Reader", container


def test_the_app_may_move_what_waits_for_its_time() -> None:
    roles = granted("appQueueRoles")
    needed = {"add", "process", "peek"}
    assert needed <= ALLOWS[roles[Settings.model_fields["waiting_queue"].default]]


def test_the_app_may_take_and_put_back_the_messages_of_every_trigger() -> None:
    roles = granted("appQueueRoles")
    starting = {str(each["queueName"]) for each in TRIGGERS.values() if "queueName" in each}
    for queue in starting:
        # Taken, deleted, hidden longer while work goes on, put back after a failure, and counted by
        # the platform that decides how many instances there are.
        needed = {"process", "update", "add", "count"}
        assert needed <= ALLOWS[roles.get(queue, "")], queue


def test_queues_that_the_app_only_sends_to_can_only_be_sent_to() -> None:
    roles = granted("appQueueRoles")
    outgoing = {"replies", str(Settings.model_fields["events_queue"].default)}
    assert {roles[queue] for queue in outgoing} == {"Storage Queue Data Message Sender"}


def ids() -> Iterator[tuple[str, str]]:
    """Every id in the Bicep files, and what stands on its line or the one before."""
    pattern = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
    for path in sorted(INFRA.rglob("*.bicep")):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            for found in pattern.findall(line):
                yield found, "\n".join(lines[max(number - 1, 0) : number + 1])


def test_only_these_roles_are_given_and_each_is_called_by_its_name() -> None:
    names = {value: name for name, value in ROLES.items()}
    seen = [*ids()]
    assert len(seen) >= 8
    for found, context in seen:
        assert found in names, f"{found} is not a role that may be given"
        assert names[found] in context, f"{found} is {names[found]}, which its line does not say"


def test_no_role_reaches_further_than_the_thing_it_is_for() -> None:
    scopes = {
        (source.path.name, name): text(node.named_children[-1])
        for source in sources(INFRA)
        for name, declaration in source.of("resource").items()
        if declaration.path.startswith("Microsoft.Authorization/roleAssignments@")
        for node in declaration.body.named_children
        if node.type == "object_property" and text(node.named_children[0]) == "scope"
    }
    assert scopes == {
        ("access.bicep", "onQueues"): "queues[i]",
        ("access.bicep", "onContainers"): "containers[i]",
        ("access.bicep", "onData"): "data",
        ("access.bicep", "onHost"): "host",
        ("access.bicep", "onInsights"): "insights",
        ("access.bicep", "onTopic"): "topic",
        ("event-access.bicep", "sends"): "manifests",
        ("event-access.bicep", "stores"): "undelivered",
        ("foundry-access.bicep", "grants"): "account",
    }


def test_what_is_granted_is_what_the_tables_say() -> None:
    access = read(ACCESS)
    assert loops_over(access, "onQueues") == loops_over(access, "queues") == "queueGrants"
    assert loops_over(access, "onContainers") == loops_over(access, "containers")
    given: dict[str, Any] = {
        "appPrincipalId": "app",
        "operatorPrincipalId": "",
        "operatorType": "User",
        "replyQueues": ["replies"],
    }
    grants = value_in(ACCESS, "queueGrants", **given)
    looks = {"id": "app", "type": "ServicePrincipal", "on": "replies"}
    looks["role"] = "Storage Queue Data Reader"  # whether the queue of a job exists
    assert grants.pop(grants.index(looks)) == looks
    assert {grant["on"]: grant["role"] for grant in grants} == granted("appQueueRoles")
    assert {grant["id"] for grant in grants} == {"app"}
    with_operator = value_in(ACCESS, "queueGrants", **given | {"operatorPrincipalId": "me"})
    assert {grant["id"] for grant in with_operator} == {"app", "me"}


def test_nothing_that_holds_data_takes_keys() -> None:
    locks = {
        "storage.bicep": "allowSharedKeyAccess: false",
        "foundry.bicep": "disableLocalAuth: true",
        "topics.bicep": "disableLocalAuth: true",
        "monitoring.bicep": "DisableLocalAuth: true",
    }
    for name, lock in locks.items():
        assert lock in (INFRA / "modules" / name).read_text(), name
    outputs = [
        f"{source.path.name}: {name}"
        for source in sources(INFRA)
        for name in source.of("output")
        if re.search(r"key|secret|password|sas", name, re.IGNORECASE)
    ]
    assert outputs == []


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        ("async def f(c): await c.upload_blob('x', b'', tags={})", {"write", "tags"}),
        ("async def f(c): await c.set_blob_tags({})", {"tags"}),
        ("async def f(c): c.find_blobs_by_tags('a=1')", {"filter"}),
        ("async def f(c): await c.undelete_blob()", {"?undelete_blob"}),
        ("async def f(c): await c.get_user_delegation_key(a, b)", {SIGN}),
        ("async def f(q): await q.update_message(m)", {"update"}),
        ("async def f(self): await self._blobs.stage('x', 'b', body)", {"write"}),
        ("async def f(blobs): blobs.url('x'), await blobs.read('x')", {"read"}),
        ("async def f(self): await self.blobs.undelete('x')", {"?undelete"}),
    ],
)
def test_a_call_that_needs_more_than_was_given_is_found(code: str, needed: set[str]) -> None:
    assert set(needs_of(ast.parse(code))) == needed


def test_a_role_that_was_taken_away_is_missed(tmp_path: Path) -> None:
    for name in ("access.bicep", "layout.bicep"):
        (tmp_path / name).write_text((INFRA / "modules" / name).read_text())
    path = tmp_path / "access.bicep"
    right = "(writtenContainers), name => name, name => 'Storage Blob Data Contributor'"
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, right.replace("Contributor", "Reader")))
    roles = value_in(path, "appContainerRoles", replyQueues=[])
    assert roles["jobs"] == "Storage Blob Data Reader"
    lacking = needs_of_class("JobRecords") - ALLOWS[roles["jobs"]]
    assert lacking == {"delete", "write"}
