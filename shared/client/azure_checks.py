"""Check a deployment in Azure, by read-only commands of the Azure CLI: docs/first-day.md."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..catalogue.deployments import Deployment
from ..errors import ImageJobsError
from .operators import Check

#: Outputs of the deployment that the checks need.
NEEDED: Final = (
    "APP_NAME",
    "APP_URI",
    "AZURE_LOCATION",
    "AZURE_RESOURCE_GROUP",
    "FOUNDRY_ACCOUNT_ID",
)
#: Resource providers of the template: docs/deploy.md.
PROVIDERS: Final = (
    *("App", "CognitiveServices", "Consumption", "EventGrid", "Insights", "ManagedIdentity"),
    *("Network", "OperationalInsights", "Storage", "Web"),
)
#: The longest wait for the health check, seconds: an app without instances starts for it.
COLD_START: Final = 60.0
#: Longest run of one command, seconds.
LONGEST_COMMAND: Final = 120.0
METRICS: Final = (
    "AppMetrics | where TimeGenerated > ago(1h) and Name startswith 'image_jobs.' | count"
)


class CommandFailed(ImageJobsError):
    """A command of the Azure CLI failed."""


type Az = Callable[..., Any]
#: State and message of a check.
type Finding = tuple[Literal["good", "doubtful", "bad"], str]


def run_az(*arguments: str) -> Any:  # noqa: ANN401 (JSON)
    """Run a command of the Azure CLI and return its JSON; raises `CommandFailed`."""
    command = ["az", *arguments, "--output", "json"]
    try:
        done = subprocess.run(  # noqa: S603 (no shell, fixed commands)
            command, capture_output=True, check=False, text=True, timeout=LONGEST_COMMAND
        )
    except FileNotFoundError as error:
        raise CommandFailed("the Azure CLI `az` is not installed, or not on PATH") from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"no answer within {LONGEST_COMMAND:g} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise CommandFailed(lines[-1] if lines else f"exit code {done.returncode}")
    return json.loads(done.stdout or "null")


def check_azure(
    environ: Mapping[str, str], deployments: Sequence[Deployment], az: Az = run_az
) -> Iterator[Check]:
    """Yield a check for each command of docs/first-day.md that can be run, by its number there.

    `environ` has the outputs of the deployment, as `azd env get-values` prints them.
    """
    if missing := [name for name in NEEDED if not environ.get(name)]:
        message = (
            f'not set: {", ".join(missing)}. Run: set -a; eval "$(azd env get-values)"; set +a'
        )
        yield Check("environment of azd", "bad", message)
        return
    azure = _Deployment(environ, deployments, az)
    for what, check in azure.checks().items():
        try:
            yield Check(what, *check())
        except CommandFailed as error:
            yield Check(what, "bad", str(error))


@dataclass(frozen=True, slots=True)
class _Deployment:
    environ: Mapping[str, str]
    deployments: Sequence[Deployment]
    az: Az

    def checks(self) -> Mapping[str, Callable[[], Finding]]:
        return {
            "2 resource providers": self.check_providers,
            "4 region of the app": self.check_region,
            "5 models in the region": self.check_models,
            "9 health": self.check_health,
            "10 functions": self.check_functions,
            "11 runtime and updates": self.check_runtime,
            "12 events of files": self.check_subscriptions,
            "14 quota of the deployments": self.check_quota,
            "17 telemetry": self.check_telemetry,
        }

    def check_providers(self) -> Finding:
        registered = "[?registrationState=='Registered'].namespace"
        found = set(self.az("provider", "list", "--query", registered))
        missing = [name for name in PROVIDERS if f"Microsoft.{name}" not in found]
        if missing:
            commands = [f"az provider register --namespace Microsoft.{name}" for name in missing]
            return "bad", f"not registered; run: {'; '.join(commands)}"
        return "good", ""

    def check_region(self) -> Finding:
        listed = self.az("functionapp", "list-flexconsumption-locations", "--query", "[].name")
        region = self.environ["AZURE_LOCATION"]
        if region in {name.lower().replace(" ", "") for name in listed}:
            return "good", region
        return "bad", f"{region} has no Flex Consumption; choose another region"

    def check_models(self) -> Finding:
        region = self.environ["AZURE_LOCATION"]
        query = ("--location", region, "--query", "[].model.name")
        known = {name.lower() for name in self.az("cognitiveservices", "model", "list", *query)}
        wanted = {each.model or each.name for each in self.deployments}
        if missing := sorted(name for name in wanted if name.lower() not in known):
            return "doubtful", f"{region} does not list {', '.join(missing)}"
        return "good" if wanted else "doubtful", _names(wanted)

    def check_health(self) -> Finding:
        url, began = f"{self.environ['APP_URI']}/api/health", time.monotonic()
        try:
            urllib.request.urlopen(url, timeout=COLD_START).close()  # noqa: S310 (the app's address)
        except urllib.error.HTTPError as error:
            with error:
                return "bad", f"{url} answers {error.code}"
        except OSError as error:
            return "bad", f"{url} does not answer: {error}"
        return "good", f"answers in {(time.monotonic() - began) * 1000:.0f} ms"

    def check_functions(self) -> Finding:
        app = self.environ["APP_NAME"]
        group = self.environ["AZURE_RESOURCE_GROUP"]
        command = ("functionapp", "function", "list", "-g", group, "-n", app, "--query", "[].name")
        names = {name.rpartition("/")[2] for name in self.az(*command)}
        if missing := sorted({"intake", "sweep", "health"} - names):
            message = f"no {', '.join(missing)}: the app does not start; see its newest exception"
            return "bad", message
        return "good", f"{len(names)} functions"

    def check_runtime(self) -> Finding:
        site = self.show("Microsoft.Web/sites", self.environ["APP_NAME"], "2024-11-01")
        config = site["functionAppConfig"]
        version = config["runtime"]["version"]
        strategy = (config.get("siteUpdateStrategy") or {}).get("type", "Recreate")
        if strategy != "RollingUpdate":
            message = f"Python {version}, {strategy}: a deployment cuts off calls, so drain first"
            return "doubtful", message
        return "good", f"Python {version}, {strategy}"

    def check_subscriptions(self) -> Finding:
        group = self.environ["AZURE_RESOURCE_GROUP"]
        states = {
            each["name"]: each["provisioningState"]
            for topic in self.list("Microsoft.EventGrid/systemTopics")
            for each in self.az(
                *("eventgrid", "system-topic", "event-subscription", "list"),
                *("-g", group, "--system-topic-name", topic["name"]),
            )
        }
        if states.get("manifests") != "Succeeded":
            state = states.get("manifests", "missing")
            message = f"the subscription manifests is {state}: run `azd provision` again"
            return "bad", message
        return "good", ""

    def check_quota(self) -> Finding:
        """Compare the rate that the app keeps with the rate that Azure allows."""
        if not self.deployments:
            return "doubtful", "FOUNDRY_DEPLOYMENTS is not set here"
        wrong = []
        for each in self.deployments:
            place = f"{self.environ['FOUNDRY_ACCOUNT_ID']}/deployments/{each.name}"
            shown = self.az("resource", "show", "--ids", place, "--api-version", "2025-06-01")
            allowed = requests_a_minute(shown["properties"].get("rateLimits") or [])
            if allowed is None:
                wrong.append(f"{each.name}: Azure reports no rate of requests")
            elif allowed != each.rpm:
                wrong.append(f"{each.name}: rpm is {each.rpm:g}, and Azure allows {allowed:g}")
        return "doubtful" if wrong else "good", "; ".join(wrong)

    def check_telemetry(self) -> Finding:
        counted = 0
        for each in self.list("Microsoft.OperationalInsights/workspaces"):
            kind = "Microsoft.OperationalInsights/workspaces"
            workspace = self.show(kind, each["name"], "2025-02-01")["customerId"]
            url = f"https://api.loganalytics.azure.com/v1/workspaces/{workspace}/query"
            given = ("--url", url, "--resource", "https://api.loganalytics.io")
            body = json.dumps({"query": METRICS})
            reply = self.az("rest", "--method", "post", *given, "--body", body)
            counted += reply["tables"][0]["rows"][0][0]
        if not counted:
            return "bad", "no metric of the app within an hour: the alerts are blind"
        return "good", f"{counted} metrics within an hour"

    def list(self, kind: str) -> Any:  # noqa: ANN401 (JSON)
        group = self.environ["AZURE_RESOURCE_GROUP"]
        return self.az("resource", "list", "-g", group, "--resource-type", kind)

    def show(self, kind: str, name: str, version: str) -> Any:  # noqa: ANN401 (JSON)
        """Return the properties of a resource."""
        place = ("-g", self.environ["AZURE_RESOURCE_GROUP"], "-n", name, "--resource-type", kind)
        return self.az("resource", "show", *place, "--api-version", version)["properties"]


def requests_a_minute(limits: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the rate of requests in `rateLimits` of a deployment; None if it has none."""
    for limit in limits:
        if limit["key"] == "request":
            return float(limit["count"]) * 60 / float(limit["renewalPeriod"])
    return None


def _names(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "FOUNDRY_DEPLOYMENTS is not set here"
