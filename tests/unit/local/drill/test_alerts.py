"""The alerts of the infrastructure, read and evaluated as Azure Monitor does."""

import pytest

from local.drill.alerts import BICEP, evaluate, read_alerts
from local.drill.monitor import Row, read_columns
from tests.infra.evaluation import value_in

PARAMETERS = {"oldestMessageSeconds": 1800.0, "waitingLateSeconds": 120.0, "dailySpendUsd": 50.0}
ALERTS = {each.name: each for each in read_alerts(BICEP.read_text(), PARAMETERS)}
CIRCUIT = "generate: alarm: circuit opened pool=p deployment=all reason="


def metric(name: str, value: float, **properties: str) -> Row:
    point = {"name": f"image_jobs.{name}", "value": value}
    return Row("AppMetrics", read_columns({"metrics": [point], "properties": properties}), 0.0)


def line(message: str) -> Row:
    return Row("AppTraces", read_columns({"message": message}), 0.0)


def test_every_alert_is_read_as_bicep_has_it() -> None:
    plain = {name: int(value) for name, value in PARAMETERS.items()}
    rows = value_in(BICEP, "alerts", **plain)
    assert [each["name"] for each in rows] == list(ALERTS)
    for row in rows:
        alert = ALERTS[row["name"]]
        assert (alert.query, alert.severity) == (row["query"], row["severity"])
        assert alert.threshold == row["threshold"]
        assert alert.text == f"{row['text']} What to do: docs/runbook.md#{row['name']}"


def test_windows_are_minutes() -> None:
    windows = {name: alert.window for name, alert in ALERTS.items()}
    assert (windows["parked"], windows["unknown-outcomes"], windows["spend"]) == (15, 60, 1440)


FIRING = {
    "dead-letters": [metric("dead_letters", 1, reason="failed")],
    "parked": [metric("jobs", 1, outcome="parked")],
    "unknown-outcomes": [
        metric("calls", 2, outcome="unknown"),
        metric("calls", 1, outcome="unknown"),
    ],
    "circuit-open": [metric("calls", 1, outcome="unauthorised")],
    "foundry-down": [line(f"{CIRCUIT}unavailable")],
    "storage-blocked": [line("generate: Alarm: storage blocked container=images")],
    "oldest-message": [
        metric("oldest_message_age", 3, queue="a"),
        metric("oldest_message_age", 1801, queue="b"),
    ],
    "waiting-late": [metric("waiting_lateness", 0), metric("waiting_lateness", 121)],
    "silence": [metric("calls", 1, outcome="done")],
    "spend": [metric("cost_at_most", 30), metric("cost_at_most", 20.1)],
}
QUIET = {
    "dead-letters": [metric("dead_letters", 9, reason="rejected")],
    "parked": [metric("jobs", 9, outcome="succeeded")],
    "unknown-outcomes": [metric("calls", 2, outcome="unknown"), metric("calls", 9, outcome="done")],
    "circuit-open": [metric("calls", 9, outcome="throttled")],
    "foundry-down": [line(f"{CIRCUIT}blocked"), line("alarm: circuit closed reason=unavailable")],
    "storage-blocked": [line("alarm: storage blockedness"), metric("calls", 1, outcome="done")],
    "oldest-message": [metric("oldest_message_age", 1800, queue="a")],
    "waiting-late": [metric("waiting_lateness", 120), metric("waiting", 999)],
    "silence": [metric("oldest_message_age", 0, queue="a")],
    "spend": [metric("cost_at_most", 50), metric("cost", 50)],
}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_fires_for_what_it_names_and_for_nothing_else(name: str) -> None:
    assert ALERTS[name].fires(FIRING[name])
    assert not ALERTS[name].fires(QUIET[name])


@pytest.mark.parametrize("name", ALERTS)
def test_an_app_without_telemetry_is_silent_and_nothing_else(name: str) -> None:
    assert ALERTS[name].fires([]) == (name == "silence")


@pytest.mark.parametrize(
    "query",
    [
        "AppMetrics | take 5",
        'AppMetrics | where Name startswith "image_jobs"',
        'AppMetrics | where Name == "a" or Name == "b" | summarize Value = sum(Sum)',
        "AppMetrics | summarize Value = avg(Sum)",
        "AppMetrics | summarize Value = sum(Sum) by Name",
        "AppMetrics | summarize Value = count() | project Value = Value * 2",
    ],
)
def test_an_operator_that_is_not_known_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match="not part of the queries of alerts"):
        evaluate(query, [])


def test_a_window_is_a_duration() -> None:
    with pytest.raises(ValueError, match="window 'quarter'"):
        read_alerts(BICEP.read_text().replace("'PT1H'", "'quarter'"), PARAMETERS)
