"""The pages of an operator are as true as the infrastructure they speak of."""

import json
import re
import subprocess

import pytest

from shared.config.settings import Settings
from tests.architecture.test_index import TRIGGERS

from .evaluation import value_in
from .template import evaluate
from .test_bicep import INFRA, ROOT

DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
OPERATE = (ROOT / "docs" / "operate.md").read_text()
FIRST_DAY = (ROOT / "docs" / "first-day.md").read_text()
PARAMETERS = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
ALERTS = value_in(
    INFRA / "modules" / "alerts.bicep",
    "alerts",
    oldestMessageSeconds=1800,
    waitingLateSeconds=120,
    dailySpendUsd=50,
)

#: Given by azd itself, or kept by it.
OF_AZD = {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"}
OF_AZD |= {"BUDGET_START"}


def variables() -> dict[str, str]:
    """The variables that parameters read, and their defaults."""
    found = [re.fullmatch(r"\$\{(\w+)(?:=(.*))?\}", each["value"]) for each in PARAMETERS.values()]
    return {match[1]: match[2] or "" for match in found if match and match[1] not in OF_AZD}


def test_every_alert_has_its_section_in_the_runbook() -> None:
    sections = set(re.findall(r"^## (.+)$", RUNBOOK, flags=re.MULTILINE))
    assert [alert["name"] for alert in ALERTS if alert["name"] not in sections] == []


def test_the_text_of_an_alert_links_to_its_section() -> None:
    rules = (INFRA / "modules" / "alerts.bicep").read_text()
    assert "docs/runbook.md#${alert.name}'" in rules


def test_every_alert_begins_with_a_command() -> None:
    """What helps an operator first is a command to paste, not a story."""
    for alert in ALERTS:
        section = RUNBOOK.partition(f"\n## {alert['name']}\n")[2].partition("\n## ")[0]
        first = next(line for line in section.splitlines() if line.strip())
        assert first == "```sh", alert["name"]
        assert re.match(r"image-jobs \w+", section.partition("```sh\n")[2]), alert["name"]


def test_what_the_design_asks_to_be_woken_by_is_an_alert() -> None:
    names = {alert["name"] for alert in ALERTS}
    assert names >= {"dead-letters", "parked", "circuit-open", "oldest-message", "spend"}
    assert "unknown-outcomes" in names


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["name"])
def test_an_alert_asks_one_table_for_one_value(alert: dict[str, str]) -> None:
    assert alert["query"].startswith(
        ("AppMetrics | where Name == ", 'AppTraces | where Message has "alarm: ')
    )
    assert re.search(r"\bValue = ", alert["query"])
    assert re.fullmatch(r"PT\d+[MH]|P1D", alert["window"])


def test_links_within_the_runbook_lead_somewhere() -> None:
    sections = set(re.findall(r"^## (.+)$", RUNBOOK, flags=re.MULTILINE))
    assert [each for each in re.findall(r"\]\(#([\w-]+)\)", RUNBOOK) if each not in sections] == []


def test_the_page_lists_every_variable_with_its_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", DEPLOY, flags=re.MULTILINE)
    told = dict(rows)
    assert set(told) == set(variables())
    plain = {name: default for name, default in variables().items() if default not in {"", "null"}}
    assert {name: told[name].strip("`") for name in plain} == plain


def test_what_the_pages_call_a_setting_is_one() -> None:
    known = {str(field.alias) for field in Settings.model_fields.values()}
    (row,) = (line for line in DEPLOY.splitlines() if line.startswith("| `TUNING` |"))
    tuned = re.findall(r'"([A-Z_]+)":', row)
    assert tuned
    assert set(tuned) <= known


def test_the_runbook_lists_the_metrics_that_are_told() -> None:
    source = (ROOT / "shared" / "adapters" / "telemetry.py").read_text()
    told = set(re.findall(r'"(image_jobs\.\w+)",', source)) - {"image_jobs.what"}
    listed = set(re.findall(r"^\| `(image_jobs\.\w+)` \|", RUNBOOK, flags=re.MULTILINE))
    assert listed == told


def test_outputs_that_commands_read_are_given() -> None:
    main = (INFRA / "main.bicep").read_text()
    outputs = set(re.findall(r"^output (\w+)", main, flags=re.MULTILINE)) | {"AZURE_RESOURCE_GROUP"}
    pages = (DEPLOY, RUNBOOK, OPERATE)
    read = [names for page in pages for names in re.findall(r"eval .*?'\^\(([\w|]+)\)='", page)]
    assert len(read) >= len(pages)
    assert {name for names in read for name in names.split("|")} <= outputs


def test_the_guide_registers_the_providers_of_everything_that_is_created() -> None:
    (listed,) = re.findall(r"^for provider in ((?:.|\\\n)+?)\ndo", DEPLOY, flags=re.MULTILINE)
    registered = {f"Microsoft.{name}" for name in listed.replace("\\", " ").split()}
    created = {each.kind.partition("/")[0] for each in evaluate(INFRA, {"network": "private"})}
    # Registered in every subscription. Microsoft.App is where instances join a subnet.
    created -= {"Microsoft.Authorization", "Microsoft.Resources"}
    assert registered == created | {"Microsoft.App"}


PAGES = {"deploy": DEPLOY, "runbook": RUNBOOK, "operate": OPERATE, "first-day": FIRST_DAY}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_links_between_the_pages_lead_somewhere(page: str) -> None:
    for name, section in re.findall(r"\]\((\w+[\w-]*\.md)#([\w-]+)\)", page):
        headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / name).read_text(), flags=re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}
        assert section in anchors, f"{name} has no section {section}"


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_the_commands_of_a_page_are_a_shells(page: str) -> None:
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", page, flags=re.MULTILINE | re.DOTALL)
    cells = [
        row.replace("\\|", "|")
        for row in re.findall(r"^\| \d+(?: ✔)? \| .*?`(.+?)` \|", page, re.MULTILINE)
    ]
    assert blocks
    for command in (*blocks, *cells):
        done = subprocess.run(  # noqa: S603 (bash reads, and runs nothing)
            ["bash", "-n", "-c", command],  # noqa: S607 (on PATH, as for the scripts)
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_the_first_day_has_twenty_commands_and_each_says_what_follows() -> None:
    rows = re.findall(
        r"^\| (\d+)(?: ✔)? \| (.+) \| (.+) \| (.+) \|$", FIRST_DAY, flags=re.MULTILINE
    )
    assert [int(number) for number, *_ in rows] == [*range(1, 21)]
    assert all("`" in command and seen and otherwise for _, command, seen, otherwise in rows)
    (functions,) = (seen for number, _, seen, _ in rows if number == "10")
    assert functions == str(len(TRIGGERS))


def test_the_pages_disable_functions_that_the_app_has() -> None:
    named = set(re.findall(r"AzureWebJobs\.(\w+)\.Disabled", OPERATE + RUNBOOK))
    assert "generate" in named
    assert named <= set(TRIGGERS)
