"""The checks of a deployment, against an Azure CLI that answers from a table."""

import copy
import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from shared.catalogue.deployments import Deployment
from shared.client.azure_checks import (
    PROVIDERS,
    CommandFailed,
    check_azure,
    requests_a_minute,
    run_az,
)
from shared.client.operators import Check
from tests.architecture.tree import ROOT

ENVIRON = {
    "APP_NAME": "func-1",
    "APP_URI": "http://app.invalid",
    "AZURE_LOCATION": "swedencentral",
    "AZURE_RESOURCE_GROUP": "image-jobs",
    "FOUNDRY_ACCOUNT_ID": "/subscriptions/s/accounts/a",
}
DEPLOYMENTS = (Deployment(name="gpt-image-2", rpm=12),)
#: What Azure answers, by the words that a command begins with.
ANSWERS: dict[str, Any] = {
    "provider list": [f"Microsoft.{name}" for name in PROVIDERS],
    "functionapp list-flexconsumption-locations": ["East US 2", "Sweden Central"],
    "cognitiveservices model list": ["gpt-image-2", "gpt-4o"],
    "functionapp function list": ["func-1/intake", "func-1/sweep", "func-1/health"],
    "resource show Microsoft.Web/sites": {
        "functionAppConfig": {
            "runtime": {"version": "3.13"},
            "siteUpdateStrategy": {"type": "RollingUpdate"},
        }
    },
    "resource list Microsoft.EventGrid/systemTopics": [{"name": "topic-1"}],
    "eventgrid system-topic event-subscription list": [
        {"name": "manifests", "provisioningState": "Succeeded"}
    ],
    "resource show /subscriptions/s/accounts/a/deployments/gpt-image-2": {
        "rateLimits": [
            {"key": "token", "renewalPeriod": 60, "count": 9},
            {"key": "request", "renewalPeriod": 10, "count": 2},
        ]
    },
    "resource list Microsoft.OperationalInsights/workspaces": [{"name": "log-1"}],
    "resource show Microsoft.OperationalInsights/workspaces": {"customerId": "w"},
    "rest": {"tables": [{"rows": [[7]]}]},
}


class FakeAz:
    """An Azure CLI that is signed in."""

    def __init__(self, **changed: Any) -> None:  # noqa: ANN401 (JSON)
        self.answers = copy.deepcopy(ANSWERS) | {
            name.replace("_", " "): value for name, value in changed.items()
        }

    def __call__(self, *arguments: str) -> Any:  # noqa: ANN401 (JSON)
        command = " ".join(arguments)
        if arguments[0] == "resource":
            given = dict(pairwise(arguments))
            what = given.get("--resource-type") or given["--ids"]
            answer = self.answers[f"resource {arguments[1]} {what}"]
            return {"properties": answer} if arguments[1] == "show" else answer
        (answer,) = [value for words, value in self.answers.items() if command.startswith(words)]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def healthy() -> Iterator[dict[str, str]]:
    """The environment of an app that answers."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {**ENVIRON, "APP_URI": f"http://127.0.0.1:{server.server_port}"}
        server.shutdown()


def checked(environ: dict[str, str], az: FakeAz) -> dict[str, Check]:
    """The checks by their numbers in the page."""
    return {each.what.partition(" ")[0]: each for each in check_azure(environ, DEPLOYMENTS, az)}


def test_everything_is_good_in_a_deployment_as_the_template_makes_it(
    healthy: dict[str, str],
) -> None:
    assert {
        number: each.state for number, each in checked(healthy, FakeAz()).items()
    } == dict.fromkeys(("2", "4", "5", "9", "10", "11", "12", "14", "17"), "good")


@pytest.mark.parametrize(
    ("number", "command", "answer", "state", "message"),
    [
        ("2", "provider list", ["Microsoft.Web"], "bad", "az provider register --namespace"),
        ("4", "functionapp list-flexconsumption-locations", ["East US"], "bad", "swedencentral"),
        ("5", "cognitiveservices model list", ["gpt-4o"], "doubtful", "does not list gpt-image-2"),
        ("10", "functionapp function list", [], "bad", "no health, intake, sweep"),
        (
            "11",
            "resource show Microsoft.Web/sites",
            {"functionAppConfig": {"runtime": {"version": "3.13"}}},
            "doubtful",
            "Recreate: a deployment cuts off calls",
        ),
        (
            "12",
            "eventgrid system-topic event-subscription list",
            [{"name": "manifests", "provisioningState": "Failed"}],
            "bad",
            "the subscription manifests is Failed",
        ),
        (
            "14",
            "resource show /subscriptions/s/accounts/a/deployments/gpt-image-2",
            {"rateLimits": [{"key": "request", "renewalPeriod": 60, "count": 6}]},
            "doubtful",
            "rpm is 12, and Azure allows 6",
        ),
        ("17", "rest", {"tables": [{"rows": [[0]]}]}, "bad", "no metric of the app"),
        ("17", "rest", CommandFailed("Please run 'az login'"), "bad", "Please run 'az login'"),
    ],
)
def test_what_differs_is_told_with_what_it_means(
    number: str, command: str, answer: object, state: str, message: str, healthy: dict[str, str]
) -> None:
    az = FakeAz()
    az.answers[command] = answer
    found = checked(healthy, az)
    assert found[number].state == state
    assert message in found[number].message
    assert {each.state for other, each in found.items() if other != number} == {"good"}


def test_an_app_that_does_not_answer_is_bad() -> None:
    found = checked(ENVIRON, FakeAz())["9"]
    assert (found.state, "does not answer" in found.message) == ("bad", True)


def test_without_the_environment_of_azd_nothing_is_asked() -> None:
    (check,) = check_azure({"APP_NAME": "func-1"}, DEPLOYMENTS, FakeAz())
    assert check.state == "bad"
    assert "APP_URI" in check.message
    assert "azd env get-values" in check.message


def test_a_deployment_without_a_rate_of_requests_has_none() -> None:
    assert requests_a_minute([{"key": "token", "renewalPeriod": 60, "count": 9}]) is None


def test_the_command_is_run_and_its_last_line_is_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "az"
    program.write_text(
        '#!/bin/sh\n[ "$1" = ok ] && echo "[\\"$4\\"]" || { echo no >&2; exit 3; }\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert run_az("ok", "list") == ["json"]
    with pytest.raises(CommandFailed, match=r"^no$"):
        run_az("wrong")
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(CommandFailed, match="not installed"):
        run_az("ok")


def test_the_page_marks_the_commands_that_are_run() -> None:
    page = (ROOT / "docs" / "first-day.md").read_text()
    marked = set(re.findall(r"^\| (\d+) ✔ \|", page, flags=re.MULTILINE))
    run = {each.what.partition(" ")[0] for each in check_azure(ENVIRON, DEPLOYMENTS, FakeAz())}
    # 13 is `image-jobs doctor` itself.
    assert marked == run | {"13"}


def test_the_providers_are_those_of_the_guide() -> None:
    guide = (ROOT / "docs" / "deploy.md").read_text()
    (listed,) = re.findall(r"^for provider in ((?:.|\\\n)+?)\ndo", guide, flags=re.MULTILINE)
    assert tuple(listed.replace("\\", " ").split()) == PROVIDERS
