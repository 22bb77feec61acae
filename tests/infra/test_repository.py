"""Workflows, forms, editors and the template's own files: whole, valid and in agreement."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure_functions_doctor.doctor import Doctor
from check_jsonschema.builtin_schemas import (  # type: ignore[import-untyped] # it has no types
    get_builtin_schema,
)
from jsonschema import Draft7Validator

from local.stack.settings import settings

from .test_bicep import INFRA, ROOT

#: What the azd gallery asks of a template, as microsoft/template-validation-action checks it.
GALLERY = (
    *("README.md", "LICENSE", "SECURITY.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md"),
    *("azure.yaml", "infra/main.bicep", "infra/main.parameters.json"),
    *(".github/workflows/azure-dev.yml", ".github/ISSUE_TEMPLATE/bug.yml"),
    *(".devcontainer/devcontainer.json", ".vscode/launch.json", ".vscode/tasks.json"),
    *(".vscode/extensions.json", ".vscode/settings.json", ".funcignore"),
    *("local.settings.json.example", "host.json", "requirements.txt"),
)
SCHEMAS = {
    "vendor.github-workflows": ".github/workflows/*.yml",
    "vendor.dependabot": ".github/dependabot.yml",
    "vendor.github-issue-forms": ".github/ISSUE_TEMPLATE/[!c]*.yml",
    "vendor.github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def faults_of_schema(schema: str, files: list[Path]) -> list[str]:
    """What GitHub's own schema says against files."""
    checks = Draft7Validator(get_builtin_schema(schema))
    return [
        f"{path.name}: {error.message}"
        for path in files
        for error in checks.iter_errors(as_json(path))
    ]


def as_json(path: Path) -> Any:  # noqa: ANN401 (a JSON document)
    """What a YAML file holds; `on` stays a word, as YAML 1.2 has it."""
    document = yaml.safe_load(path.read_text())
    return {"on" if key is True else key: value for key, value in document.items()}


def test_all_that_a_template_has_is_there() -> None:
    assert [name for name in GALLERY if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_github_reads_is_as_github_wants_it(schema: str) -> None:
    files = sorted(ROOT.glob(SCHEMAS[schema]))
    assert files
    assert faults_of_schema(schema, files) == []


def test_a_mistake_in_a_workflow_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "ci.yml"
    wrong.write_text(WORKFLOWS[-1].read_text().replace("runs-on:", "run-on:", 1))
    assert any("run-on" in each for each in faults_of_schema("vendor.github-workflows", [wrong]))


def unpinned(text: str) -> list[str]:
    """Actions of a workflow that are not pinned by commit, with their version beside."""
    pinned = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+(?:\.\d+)*")
    uses = re.findall(r"uses:\s*+(?!\./)(.+)", text)
    return [each for each in uses if not pinned.fullmatch(each.strip())]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_workflows_may_do_little(path: Path) -> None:
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert unpinned(text) == []
    assert workflow["permissions"].get("contents") == "read"
    assert all("timeout-minutes" in job or "uses" in job for job in workflow["jobs"].values())
    assert "secrets." not in text  # OIDC needs none


def test_an_action_that_is_pinned_by_tag_is_found() -> None:
    assert unpinned("      - uses: actions/checkout@v5\n") == ["actions/checkout@v5"]


def test_a_push_is_checked_as_a_desk_checks() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert "bash .ci/run" in text
    assert "python-version-file: .python-version" in text
    assert "az bicep build" in text
    assert "az bicep lint" in text


def test_nothing_is_deployed_before_its_checks_and_an_approval() -> None:
    checks = as_json(ROOT / ".github" / "workflows" / "ci.yml")
    assert "workflow_call" in checks["on"]
    assert not any("continue-on-error" in job for job in checks["jobs"].values())
    workflow = as_json(ROOT / ".github" / "workflows" / "azure-dev.yml")
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["check"] == {"uses": "./.github/workflows/ci.yml"}
    deploy = workflow["jobs"]["deploy"]
    assert (deploy["needs"], deploy["environment"]) == ("check", "production")
    assert "always()" not in deploy["if"]


def test_dependencies_are_audited() -> None:
    steps = as_json(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["audit"]["steps"]
    commands = " ".join(step.get("run", "") for step in steps)
    assert "pip-audit" in commands
    assert {"requirements.txt", "requirements-dev.txt"} <= set(commands.split())
    assert "npm audit" in commands


def test_azd_deploys_the_app_that_bicep_makes() -> None:
    project = yaml.safe_load((ROOT / "azure.yaml").read_text())
    ((name, service),) = project["services"].items()
    plain = {"project": ".", "language": "python", "host": "function"}
    assert service == plain | {"remoteBuild": True}
    app = (INFRA / "modules" / "app.bicep").read_text()
    assert f"'azd-service-name': '{name}'" in app
    main = (INFRA / "main.bicep").read_text()
    assert "'azd-env-name': environmentName" in main


#: Variables that azd itself reads.
READ_BY_AZD = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"}
READ_BY_AZD |= {"AZURE_RESOURCE_GROUP"}
#: Parameters that a workflow does not give: azd knows the identity that signs in.
NOT_GIVEN = {"AZURE_PRINCIPAL_ID"}


def faults_of_deployment(workflow: str) -> list[str]:
    """What the workflow gives too much or too little, and defaults that differ from azd's."""
    given: dict[str, str] = yaml.safe_load(workflow)["jobs"]["deploy"]["env"]
    parameters = (INFRA / "main.parameters.json").read_text()
    named = dict(re.findall(r"\$\{(\w+)(?:=([^}]*))?\}", parameters))
    faults = [f"no parameter reads {name}" for name in given.keys() - READ_BY_AZD - named.keys()]
    missing = named.keys() - NOT_GIVEN - given.keys()
    faults += [f"{name} is not given, so a push sets its default" for name in missing]
    for name, value in given.items():
        default = named.get(name, "")
        right = f"${{{{ vars.{name} || '{default}' }}}}" if default else f"${{{{ vars.{name} }}}}"
        if name != "AZURE_PRINCIPAL_TYPE" and value != right:
            faults.append(f"{name} is {value!r}, not {right!r}")
    return sorted(faults)


DEPLOYMENT = (ROOT / ".github" / "workflows" / "azure-dev.yml").read_text()


def test_a_push_deploys_with_every_variable_that_an_operator_can_set() -> None:
    assert faults_of_deployment(DEPLOYMENT) == []


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("      RETENTION: ${{ vars.RETENTION || 'null' }}\n", "", "RETENTION is not given"),
        ("      ALERT_EMAIL:", "      ALARM_EMAIL:", "no parameter reads ALARM_EMAIL"),
        ("vars.NETWORK || 'public'", "vars.NETWORK", "NETWORK is"),
    ],
)
def test_a_variable_that_a_push_would_undo_is_found(right: str, wrong: str, told: str) -> None:
    assert DEPLOYMENT.count(right) == 1
    assert any(told in each for each in faults_of_deployment(DEPLOYMENT.replace(right, wrong)))


def test_one_python_everywhere() -> None:
    python = (ROOT / ".python-version").read_text().strip()
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["image"].endswith(f":{python}")
    runtime = re.search(
        r"name: 'python'\s+version: '([\d.]+)'", (INFRA / "modules" / "app.bicep").read_text()
    )
    assert runtime is not None
    assert runtime[1] == python


def test_the_example_of_local_settings_is_what_the_laptop_sets() -> None:
    example = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    laptop = settings("UseDevelopmentStorage=true", "http://127.0.0.1:10100")
    assert set(example) == set(laptop)
    differing = {name for name in laptop if example[name] != laptop[name]}
    assert differing <= {"FOUNDRY_DEPLOYMENTS"}


def test_no_api_version_is_a_preview() -> None:
    previews = [
        f"{path.name}: {found}"
        for path in INFRA.rglob("*.bicep")
        for found in re.findall(r"@\d{4}-\d{2}-\d{2}-\w+", path.read_text())
    ]
    assert previews == []


#: What the doctor warns of, and why that is as it should be.
EXPLAINED = {
    "check_programming_model_v2": "it looks for @app; ours are blueprints, which it sees elsewhere",
    "check_native_dependency_risk": "cryptography, by azure-identity: azd builds on Azure's Linux",
    "check_app_insights": "it reads local settings; app.bicep sets the connection string",
}


def diagnosis(folder: Path) -> dict[str, str]:
    """What azure-functions-doctor finds wrong with a Functions project, by rule."""
    python = (ROOT / ".python-version").read_text().strip()
    doctor = Doctor(
        str(folder), profile="deploy", target_python=python, hosting_plan="flex-consumption"
    )
    return {
        item["rule_id"]: item["status"]
        for section in doctor.run_all_checks()
        for item in section["items"]
        if item["status"] not in {"pass", "skip"}
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What would be deployed, and the infrastructure beside it."""
    listed = subprocess.run(  # noqa: S603 (a script of this project)
        [str(ROOT / "scripts" / "package"), "--list"], capture_output=True, check=True, text=True
    ).stdout.split()
    infra = [path.relative_to(ROOT).as_posix() for path in INFRA.rglob("*") if path.is_file()]
    for name in [*listed, *infra, ".funcignore"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def test_the_doctor_finds_nothing_but_what_is_explained(project: Path) -> None:
    assert diagnosis(project) == dict.fromkeys(EXPLAINED, "warn")


def test_the_doctor_finds_a_planted_mistake(project: Path) -> None:
    host = json.loads((project / "host.json").read_text())
    host["extensionBundle"]["version"] = "[2.*, 3.0.0)"
    (project / "host.json").write_text(json.dumps(host))
    shutil.rmtree(project / "shared")  # it reads every file many times
    assert set(diagnosis(project)) - set(EXPLAINED) == {"check_extension_bundle_v4"}


#: What host.json may hold: no schema of it is published as a package.
HOST = {
    "version": r"2\.0",
    "telemetryMode": "OpenTelemetry",
    "functionTimeout": r"\d\d:\d\d:\d\d",
    "extensionBundle.id": r"Microsoft\.Azure\.Functions\.ExtensionBundle",
    "extensionBundle.version": r"\[4\.\*, 5\.0\.0\)",
    "extensions.queues.messageEncoding": "none|base64",
    "extensions.queues.batchSize": r"[1-9]|[12]\d|3[0-2]",
    "extensions.queues.newBatchThreshold": r"\d+",
    "extensions.queues.maxDequeueCount": r"\d+",
    "extensions.queues.visibilityTimeout": r"\d\d:\d\d:\d\d",
    "extensions.queues.maxPollingInterval": r"\d\d:\d\d:\d\d",
    "extensions.http.routePrefix": r"[a-z]*",
    "logging.logLevel.*": "Trace|Debug|Information|Warning|Error|Critical|None",
}


def faults_of_host(value: Any, path: str = "") -> list[str]:  # noqa: ANN401 (a JSON document)
    """What is wrong with host.json: members there are not, and values they do not take."""
    if isinstance(value, dict):
        return [
            fault
            for key, each in value.items()
            for fault in faults_of_host(each, f"{path}.{key}".lstrip("."))
        ]
    pattern = HOST.get(path, HOST.get("logging.logLevel.*") if "logLevel." in path else None)
    if pattern is None:
        return [f"there is no {path}"]
    return [] if re.fullmatch(pattern, str(value)) else [f"{path} is {value!r}"]


def test_host_json_holds_what_the_host_knows() -> None:
    assert faults_of_host(json.loads((ROOT / "host.json").read_text())) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [("batchSize", 33), ("newBatchTreshold", 8), ("visibilityTimeout", "30 s")],
)
def test_a_mistake_in_host_json_is_found(path: str, value: object) -> None:
    host = json.loads((ROOT / "host.json").read_text())
    host["extensions"]["queues"][path] = value
    assert len(faults_of_host(host)) == 1


def test_the_workbook_and_the_linter_of_bicep_are_json() -> None:
    for name in ("workbook.json", "bicepconfig.json", "main.parameters.json"):
        json.loads((INFRA / name).read_text())
