"""Code, laptop and page name the same settings, and host.json agrees with them."""

import ast
import json
import re
from datetime import timedelta

import pytest

from shared.config.settings import Settings, read_settings

from .tree import ROOT

#: What the platform reads, not the app; the laptop may set it as Azure does.
OF_THE_HOST = re.compile(r"AzureWebJobs\w*|AzureFunctionsJobHost__\w+|FUNCTIONS_\w+|PYTHON\w*")
A_SETTING = re.compile(
    r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|WEBHOOKS|TENANTS|CALLERS|ImageStorage(?:__\w+)?|AzureWebJobs\w+"
)


def of_the_code() -> set[str]:
    """Every variable the app reads."""
    return {str(field.alias) for field in Settings.model_fields.values()}


def of_the_page() -> set[str]:
    """Every variable that begins a row of a table in docs/settings.md (members of JSON do not)."""
    page = ROOT / "docs" / "settings.md"
    if not page.exists():
        pytest.skip("docs/settings.md is not written yet")
    named = re.findall(r"^\|\s*`([^`]+)`", page.read_text(), flags=re.MULTILINE)
    return {name for name in named if A_SETTING.fullmatch(name)}


def of_the_laptop() -> set[str]:
    """Every variable that local/stack/settings.py names."""
    module = ROOT / "local" / "stack" / "settings.py"
    if not module.exists():
        pytest.skip("local/stack/settings.py is not written yet")
    texts = {
        node.value
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in texts if A_SETTING.fullmatch(text)}


def as_set(default: object) -> str:
    """A default as one would set it."""
    if default is None or default == ():
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_every_setting_has_its_row_on_the_page() -> None:
    assert sorted(of_the_code() - of_the_page()) == []


def test_the_page_names_no_setting_that_nothing_reads() -> None:
    unread = of_the_page() - of_the_code()
    assert [name for name in sorted(unread) if not OF_THE_HOST.fullmatch(name)] == []


def test_the_page_gives_the_defaults_of_the_code() -> None:
    of_the_page()
    page = (ROOT / "docs" / "settings.md").read_text()
    rows = re.findall(r"^\|\s*`([^`]+)`\s*\|\s*(?:`([^`]*)`)?\s*\|", page, flags=re.MULTILINE)
    given = {name: default for name, default in rows if name in of_the_code()}
    defaults = {
        str(field.alias): "" if field.is_required() else as_set(field.default)
        for field in Settings.model_fields.values()
    }
    assert given == defaults


def test_the_laptop_sets_nothing_that_nothing_reads() -> None:
    unread = of_the_laptop() - of_the_code()
    assert [name for name in sorted(unread) if not OF_THE_HOST.fullmatch(name)] == []


def test_the_laptop_sets_all_that_is_needed() -> None:
    needed = {str(each.alias) for each in Settings.model_fields.values() if each.is_required()}
    assert sorted((needed | {"ImageStorage"}) - of_the_laptop()) == []


def test_a_paid_call_ends_before_the_platform_ends_the_worker() -> None:
    settings = read_settings({"ImageStorage": "x", "FOUNDRY_DEPLOYMENTS": "[]"})
    host = json.loads((ROOT / "host.json").read_text())
    hours, minutes, seconds = map(int, host["functionTimeout"].split(":"))
    limit = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    assert settings.call_deadline < limit
    # A function that is timed out takes its neighbours along, so even the slowest call that can be
    # configured, with all it may take to store its pictures, ends well before that.
    most = [
        each.le
        for name in ("call_deadline_seconds", "storing_margin_seconds")
        for each in Settings.model_fields[name].metadata
        if hasattr(each, "le")
    ]
    assert timedelta(seconds=sum(most)) + timedelta(minutes=1) <= limit


def test_messages_are_neither_encoded_nor_poisoned_early() -> None:
    queues = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]
    assert queues["messageEncoding"] == "none"
    # Crashes and scale-ins spend it too: fewer tries would bury healthy jobs.
    assert queues["maxDequeueCount"] >= 5
