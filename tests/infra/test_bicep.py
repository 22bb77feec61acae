"""The Bicep files are Bicep, fit together, and fit Azure's types; planted mistakes are found."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .azure_types import faults_of_types
from .bicep import faults_of_syntax, sources
from .symbols import faults_of_modules, faults_of_symbols

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"


def faults(folder: Path) -> Iterator[str]:
    """Everything that can be said against the Bicep files of a folder."""
    for source in sources(folder):
        yield from faults_of_syntax(source)
        yield from faults_of_symbols(source)
        yield from faults_of_modules(source)
        yield from faults_of_types(source)
        for declaration in (*source.of("param").values(), *source.of("output").values()):
            if not declaration.description.endswith((".", ".'")):
                name = declaration.name
                yield f"{source.path.name}: {name!r} has no @description that is a sentence"


def test_there_is_something_to_check() -> None:
    read = sources(INFRA)
    assert len(read) > 10
    assert sum(len(source.of("resource")) for source in read) > 30


def test_nothing_is_wrong_with_the_bicep_files() -> None:
    assert [*faults(INFRA)] == []


@pytest.fixture
def infra(tmp_path: Path) -> Path:
    """The files, to plant a mistake in."""
    shutil.copytree(INFRA, tmp_path / "infra")
    return tmp_path / "infra"


@pytest.mark.parametrize(
    ("file", "right", "wrong", "told"),
    [
        ("main.bicep", "var tags = {", "var tags = = {", "not understood"),
        (
            "main.bicep",
            "token: token }\n}\n\nmodule hostStorage",
            "token: tokn }\n}\n\nmodule hostStorage",
            "nothing is called 'tokn'",
        ),
        ("main.bicep", "var tags = {", "var unneeded = 1\nvar tags = {", "'unneeded' is not used"),
        ("main.bicep", "token: token\n    amount", "amount", "needs the parameter 'token'"),
        (
            "main.bicep",
            "amount: monthlyBudget",
            "amonut: monthlyBudget",
            "has no parameter 'amonut'",
        ),
        ("main.bicep", "app.outputs.uri", "app.outputs.url", "has no output 'url'"),
        ("main.bicep", "modules/budget.bicep", "modules/budgets.bicep", "there is no module"),
        (
            "main.bicep",
            "labelledContainers, readC",
            "labeledContainers, readC",
            "exports no 'labeledContainers'",
        ),
        ("modules/app.bicep", "httpsOnly: true", "httpOnly: true", "there is no 'httpOnly'"),
        ("modules/app.bicep", "httpsOnly: true", "httpsOnly: 'yes'", "'httpsOnly' is a bool"),
        (
            "modules/app.bicep",
            "httpsOnly: true",
            "httpsOnly: true\n    state: 'Running'",
            "'state' can only be read",
        ),
        (
            "modules/app.bicep",
            "parent: app\n  name: 'appsettings'",
            "parent: app\n  name: 'appsetings'",
            "there are appsettings",
        ),
        ("modules/app.bicep", "sites@2024-11-01' = {", "sites@2021-02-01' = {", "not 2021-02-01"),
        ("modules/app.bicep", "join(", "jion(", "there is no function 'jion'"),
        ("modules/storage.bicep", "kind: 'StorageV2'", "tags: tags", "'kind' is missing"),
        ("modules/storage.bicep", "bypass: 'AzureServices'", "bypass: 7", "'bypass' is a"),
        (
            "modules/storage.bicep",
            "defaultAction: network == 'private' ? 'Deny'",
            "defaultAction: network == 'private' ? 'Denied'",
            "there are Allow | Deny",
        ),
        (
            "modules/storage.bicep",
            "days: undeleteDays }\n    container",
            "dayz: undeleteDays }\n    container",
            "there is no 'dayz'",
        ),
        (
            "modules/foundry.bicep",
            "version: deployment.?version",
            "versions: deployment.?version",
            "there is no 'versions'",
        ),
        (
            "modules/subscriptions.bicep",
            "endpointType: 'StorageQueue'",
            "endpointType: 'StorageQueues'",
            "endpointType is 'StorageQueues'",
        ),
        (
            "modules/subscriptions.bicep",
            "queueName: jobQueues.MANIFESTS_QUEUE",
            "queue: jobQueues.MANIFESTS_QUEUE",
            "there is no 'queue'",
        ),
        (
            "modules/alerts.bicep",
            "severity: alert.severity",
            "gravity: alert.severity",
            "there is no 'gravity'",
        ),
        ("modules/workbook.bicep", "../workbook.json", "../workbooks.json", "there is no file"),
        ("modules/budget.bicep", "@description('Who is notified.')", "", "no @description"),
        (
            "modules/monitoring.bicep",
            "= insights.properties.ConnectionString",
            "= listKeys(workspace.id, '2025-02-01').primarySharedKey",
            "listKeys() tells a secret",
        ),
        (
            "modules/monitoring.bicep",
            "@minValue(30)",
            "@minimumValue(30)",
            "no decorator @minimumValue",
        ),
    ],
)
def test_a_planted_mistake_is_found(
    infra: Path, file: str, right: str, wrong: str, told: str
) -> None:
    path = infra / file
    text = path.read_text()
    assert text.count(right) == 1, f"{right!r} is {text.count(right)} times in {file}"
    path.write_text(text.replace(right, wrong))
    found = [*faults(infra)]
    assert any(told in each for each in found), found
