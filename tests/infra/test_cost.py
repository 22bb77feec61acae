"""What the idle system costs, from billing rules and from what the template creates.

Prices are list prices of East US in US dollars, from azure.microsoft.com/pricing/details, the pages
functions, monitor, private-link and dns, mid-2026. A month has 730 hours, as on Microsoft's pages.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.host.ncrontab import parse
from tests.architecture.test_index import TRIGGERS

from .evaluation import value_in
from .template import evaluate
from .test_bicep import INFRA, ROOT

HOURS = 730
#: Flex Consumption, on demand: the shortest billed run, the free grant, prices.
SHORTEST_RUN_SECONDS = 1.0
FREE_GB_SECONDS, FREE_RUNS = 100_000, 250_000
GB_SECOND, MILLION_RUNS = 0.000026, 0.40
#: The baseline of an instance that is always ready; for it there is no free grant.
READY_GB_SECOND = 0.000004
#: A log alert, by minutes between two evaluations.
ALERT = {5: 1.50, 15: 0.50, 60: 0.50}
ENDPOINT_HOUR, DNS_ZONE = 0.01, 0.50

GUIDE = (ROOT / "docs" / "deploy.md").read_text()


def template(**given: Any) -> list[Any]:  # noqa: ANN401 (parameters are of any kind)
    """The resources that a deployment creates."""
    return [each for each in evaluate(INFRA, given) if not each.is_existing]


def memory_gb() -> float:
    """The memory of an instance by default."""
    (app,) = (each for each in template() if each.kind == "Microsoft.Web/sites")
    scale = app.body["properties"]["functionAppConfig"]["scaleAndConcurrency"]
    return float(scale["instanceMemoryMB"]) / 1024


def runs_a_month(expression: str) -> int:
    """How often a timer starts in a month."""
    schedule, start = parse(expression), datetime(2026, 11, 2, tzinfo=UTC)
    time, runs = schedule.after(start - timedelta(seconds=1)), 0
    while time < start + timedelta(days=1):
        time, runs = schedule.after(time), runs + 1
    return runs * HOURS // 24


def timers() -> float:
    """The timers of the app, on demand."""
    schedules = [str(each["schedule"]) for each in TRIGGERS.values() if "schedule" in each]
    runs = sum(map(runs_a_month, schedules))
    gb_seconds = runs * SHORTEST_RUN_SECONDS * memory_gb()
    paid = max(0, gb_seconds - FREE_GB_SECONDS) * GB_SECOND
    return paid + max(0, runs - FREE_RUNS) / 1e6 * MILLION_RUNS


def ready() -> float:
    """One instance that is always ready."""
    return HOURS * 3600 * memory_gb() * READY_GB_SECOND


def alerts() -> float:
    """The alerts."""
    minutes = {"PT5M": 5, "PT15M": 15, "PT1H": 60}
    return sum(
        ALERT[minutes[each.body["properties"]["evaluationFrequency"]]]
        for each in template()
        if each.kind == "Microsoft.Insights/scheduledQueryRules"
    )


def private_network() -> float:
    """The endpoints and zones of a private network."""
    kinds = [each.kind for each in template(network="private")]
    endpoints = kinds.count("Microsoft.Network/privateEndpoints")
    return (
        endpoints * HOURS * ENDPOINT_HOUR
        + kinds.count("Microsoft.Network/privateDnsZones") * DNS_ZONE
    )


@pytest.mark.parametrize(
    ("row", "cost"),
    [
        ("function app without warm instances", timers()),
        ("each warm instance of 2 GB", ready()),
        ("alerts", alerts()),
        ("`NETWORK=private`: four endpoints, five zones", private_network()),
    ],
)
def test_the_guide_says_what_the_billing_rules_give(row: str, cost: float) -> None:
    written = re.search(rf"^\| {re.escape(row)} \| (\d+)", GUIDE, flags=re.MULTILINE)
    assert written, f"the guide has no row {row!r}"
    assert int(written[1]) == math.ceil(cost), f"{row}: {cost:.2f} USD"


def test_the_free_grant_is_what_the_guide_says() -> None:
    gb_seconds = round((runs_a_month("30 * * * * *") + runs_a_month("0 */5 * * * *")) * memory_gb())
    assert f"{gb_seconds:,} GB-s" in GUIDE
    assert f"{FREE_GB_SECONDS:,} GB-s" in GUIDE


def test_what_an_idle_app_logs_stays_far_below_the_free_amount() -> None:
    cap = value_in(INFRA / "modules" / "monitoring.bicep", "dailyQuotaGb")
    assert f"at most {cap} GB a day" in GUIDE
