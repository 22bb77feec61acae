"""The whole template, evaluated: a deployment creates nothing twice, and in an order that works."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .bicep import read, sources
from .template import ROLES, evaluate, faults_of_template, needed_by
from .test_bicep import INFRA

ACCOUNT = (
    "/subscriptions/home/resourceGroups/models/providers"
    "/Microsoft.CognitiveServices/accounts/pictures"
)
#: What each choice of an operator changes, in all combinations.
CHOICES: tuple[tuple[dict[str, Any], ...], ...] = (
    ({}, {"foundryAccountId": ACCOUNT}),
    ({}, {"network": "private", "allowedIpRanges": ["203.0.113.7"]}),
    (
        {},
        {"eventSubscribers": []},
        {"eventSubscribers": [{"name": n, "endpoint": "https://a.example"} for n in ("a", "b")]},
    ),
    ({}, {"principalId": "operator", "replyQueues": ["replies", "image-events"]}),
    (
        {},
        {
            "deployments": [
                {"name": "gpt-image-2", "version": "1"},
                {"name": "MAI-Image-2.5", "version": "1", "format": "Microsoft", "rpm": 4},
            ],
            "alwaysReady": {"http": 1, "generate": 1, "sweep": 0},
            "httpIpRanges": ["203.0.113.0/24", "198.51.100.7/32"],
            "signInClientId": "registration",
            "tuning": {"ON_UNKNOWN_OUTCOME": "park"},
            "retention": {"images": 0, "jobs": 0, "inputs": 0, "deadLetters": 0},
        },
    ),
)


def combinations() -> Iterator[dict[str, Any]]:
    """Yield every combination of the choices, the defaults first."""
    for chosen in itertools.product(*CHOICES):
        yield {name: value for each in chosen for name, value in each.items()}


def test_nothing_is_created_twice_whatever_an_operator_chooses() -> None:
    found = {str(given): [*faults_of_template(INFRA, given)] for given in combinations()}
    assert {given: faults for given, faults in found.items() if faults} == {}
    assert len(found) == 48


def test_every_resource_of_the_files_is_evaluated() -> None:
    evaluated = {each.kind for given in combinations() for each in evaluate(INFRA, given)}
    written = {
        declaration.path.partition("@")[0]
        for source in sources(INFRA)
        for declaration in source.of("resource").values()
    }
    assert written <= evaluated


def created(**given: Any) -> list[str]:  # noqa: ANN401 (parameters are of any kind)
    """The ids of what a deployment creates."""
    return [each.id for each in evaluate(INFRA, given) if not each.is_existing]


def test_a_choice_creates_what_it_says() -> None:
    plain = set(created())
    account = "accounts/aif-"
    assert sum(account in each for each in plain) > sum(
        account in each for each in created(foundryAccountId=ACCOUNT)
    )
    private = set(created(network="private")) - plain
    assert sum("/privateEndpoints/" in each for each in private) >= 4
    receivers = [{"name": "shop", "endpoint": "https://a.example"}]
    subscribed = set(created(eventSubscribers=receivers)) - plain
    assert any(each.endswith("/eventSubscriptions/shop") for each in subscribed)


def test_a_subscriber_may_get_the_events_of_one_tenant_and_of_some_types_only() -> None:
    every = {"name": "all", "endpoint": "https://a.example"}
    shop = {**every, "name": "shop", "tenant": "shop", "types": ["image.job.rejected"]}
    filters = {
        each.body["name"]: each.body["properties"]["filter"]
        for each in evaluate(INFRA, {"eventSubscribers": [every, shop]})
        if each.kind == "Microsoft.EventGrid/topics/eventSubscriptions" and not each.is_existing
    }
    of_tenant = [{"operatorType": "StringIn", "key": "data.tenant", "values": ["shop"]}]
    assert filters["shop"] == {
        "includedEventTypes": ["image.job.rejected"],
        "advancedFilters": of_tenant,
    }
    assert not any((filters["all"] or {}).values())


def test_the_app_of_the_template_scales_and_updates_as_the_guide_says() -> None:
    given = {"alwaysReady": {"http": 1, "sweep": 0, "finish": 2}}
    (app,) = (each for each in evaluate(INFRA, given) if each.kind == "Microsoft.Web/sites")
    config = app.body["properties"]["functionAppConfig"]
    assert config["scaleAndConcurrency"]["alwaysReady"] == [
        {"name": "function:finish", "instanceCount": 2},
        {"name": "http", "instanceCount": 1},
    ]
    assert config["scaleAndConcurrency"]["triggers"]["http"]["perInstanceConcurrency"] == 16
    assert config["siteUpdateStrategy"] == {"type": "RollingUpdate"}


@pytest.mark.parametrize(
    ("images", "jobs", "kept"), [(None, None, 0), (0, 90, 0), (365, 90, 365), (30, 365, 365)]
)
def test_a_record_never_goes_before_its_pictures(
    images: int | None, jobs: int | None, kept: int
) -> None:
    times = {"images": images, "jobs": jobs, "inputs": 30, "deadLetters": 90}
    given = {} if images is None else {"retention": times}
    rules = [
        rule
        for each in evaluate(INFRA, given)
        if each.kind == "Microsoft.Storage/storageAccounts/managementPolicies"
        for rule in each.body["properties"]["policy"]["rules"]
    ]
    days = {
        rule["name"].removeprefix("delete-"): rule["definition"]["actions"]["baseBlob"]["delete"][
            "daysAfterModificationGreaterThan"
        ]
        for rule in rules
    }
    assert days["inputs"] == 30
    assert days["jobs-reuse"] == 365
    assert days.get("jobs", 0) == kept


def faults_of_order(folder: Path) -> Iterator[str]:
    """Yield subscriptions of Event Grid whose roles are not granted well before them."""
    main = read(folder / "main.bicep")
    needed = needed_by(main)
    for name, module in main.of("module").items():
        kinds = [each.path for each in read(folder / module.path).of("resource").values()]
        if not any("/eventSubscriptions@" in kind for kind in kinds):
            continue
        if any(kind.startswith(ROLES) for kind in kinds):
            yield f"{name} creates subscriptions and their roles: a new role takes minutes to work"
        # The app takes minutes to create, so what is before it is there in time.
        for each in sorted({"eventAccess", "app"} - needed[name]):
            yield f"{name} does not wait for {each}"
    if "app" in needed["eventAccess"]:
        yield "eventAccess waits for the app"


def test_roles_that_event_grid_checks_are_granted_well_before() -> None:
    assert [*faults_of_order(INFRA)] == []


@pytest.mark.parametrize(
    ("file", "right", "wrong", "told"),
    [
        (
            "main.bicep",
            "      [undeliveredContainer]",
            "      ['pace', undeliveredContainer]",
            "/containers/pace is created 2 times",
        ),
        (
            "main.bicep",
            "queues: union(",
            "queues: concat(['image-jobs'], ",
            "/queues/image-jobs is created 2 times",
        ),
        (
            "modules/access.bicep",
            "Data Reader')\n)\n\n// An operator",
            "Data Reader'),\n  { pace: 'Storage Blob Data Reader' }\n)\n\n// An",
            "the key 'pace' is given twice",
        ),
        (
            "modules/app.bicep",
            "    tuning\n  )",
            "    tuning,\n    { JOBS_QUEUE: 'mine' }\n  )",
            "the key 'JOBS_QUEUE' is given twice",
        ),
        (
            "modules/foundry-access.bicep",
            "  ['5e0bd9bd-7b93-4f28-af87-19fc36ad61bd'],",
            "  ['5E0BD9BD-7b93-4f28-af87-19fc36ad61bd', '5e0bd9bd-7b93-4f28-af87-19fc36ad61bd'],",
            "gets the role",
        ),
        (
            "modules/network.bicep",
            "name: 'endpoints'",
            "name: 'app'",
            "subnets 'app' twice",
        ),
        (
            "main.bicep",
            "name: 'event-access'",
            "name: 'access'",
            "/deployments/access is created 2 times",
        ),
        (
            "modules/event-access.bicep",
            "name: undeliveredContainer",
            "name: 'undeliverable'",
            "/containers/undeliverable is referred to, but nothing creates it",
        ),
    ],
)
def test_a_planted_fault_is_found(
    tmp_path: Path, file: str, right: str, wrong: str, told: str
) -> None:
    copy = planted(tmp_path, file, right, wrong)
    found = [
        fault
        for given in ({"network": "private"}, {"principalId": "operator"})
        for fault in faults_of_template(copy, given)
    ]
    assert any(told in each for each in found), found


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("dependsOn: [eventAccess, app]", "dependsOn: [app]", "does not wait for eventAccess"),
        ("dependsOn: [eventAccess, app]", "dependsOn: [eventAccess]", "does not wait for app"),
        (
            "'modules/subscriptions.bicep'",
            "'modules/both.bicep'",
            "creates subscriptions and their roles",
        ),
    ],
)
def test_a_planted_fault_of_the_order_is_found(
    tmp_path: Path, right: str, wrong: str, told: str
) -> None:
    copy = planted(tmp_path, "main.bicep", right, wrong)
    modules = copy / "modules"
    both = [(modules / f"{name}.bicep").read_text() for name in ("subscriptions", "event-access")]
    (modules / "both.bicep").write_text("\n".join(both))
    assert any(told in each for each in faults_of_order(copy))


def planted(tmp_path: Path, file: str, right: str, wrong: str) -> Path:
    """Return a copy of the infrastructure with a fault in it."""
    copy = tmp_path / "infra"
    shutil.copytree(INFRA, copy)
    path = copy / file
    assert path.read_text().count(right) == 1, right
    path.write_text(path.read_text().replace(right, wrong))
    return copy
