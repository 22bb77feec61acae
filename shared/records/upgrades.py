"""Upgrade stored records of earlier shapes."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any
from urllib.parse import unquote, urlsplit

type _Upgrade = Callable[[Mapping[str, Any]], dict[str, Any]]


def _checked(upgrade: _Upgrade) -> _Upgrade:
    """Raise `ValueError` where a document is damaged: its model then tells that it is."""

    @wraps(upgrade)
    def checked(old: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return upgrade(old)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError("is of an earlier version, and damaged") from error

    return checked


@_checked
def upgrade_attempt(old: Mapping[str, Any]) -> dict[str, Any]:
    """Return an attempt that was `charged`, at one cost, as one whose cost is a range."""
    usd, known_by = old.get("cost_usd"), old.get("cost_known_by")
    least = most = old.get("estimate_usd") if usd is None else usd
    if old["charged"] == "no":
        least, most, known_by = 0.0, 0.0, None
    elif known_by != "usage":
        least = 0.0 if old["charged"] == "unknown" and most is not None else most
        known_by = "estimate"
    return {
        **{name: value for name, value in old.items() if name != "charged"},
        "cost_usd": least,
        "cost_usd_at_most": most,
        "cost_known_by": known_by,
    }


@_checked
def upgrade_failure(old: Mapping[str, Any]) -> dict[str, Any]:
    """Return a failure with `categories` as one with a moderation, whose stage is not known."""
    new = {name: value for name, value in old.items() if name != "categories"}
    found = old["categories"]
    return new | ({"moderation": {"stage": None, "categories": found}} if found else {})


@_checked
def upgrade_record(old: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of version 1, whose plans hold the pictures of each task, as version 2."""
    plans, planned, first = [], [], Counter[str | None]()
    for part, plan in enumerate(old["plans"]):
        counts = [task["n"] for task in plan["tasks"]]
        own = {"calls": len(counts), "per_call": max(counts), "pictures": sum(counts)}
        plans.append({name: plan[name] for name in plan if name != "tasks"} | own)
        for task in plan["tasks"]:
            locale = task["locale"]
            planned.append(
                {"part": part, "locale": locale, "first": first[locale], "blobs": task["pictures"]}
            )
            first[locale] += task["n"]
    return {
        **old,
        "version": 2,
        # Each replay counted here too, and `generation` counted nothing else.
        "run": old.get("openings", old.get("runs", 1)),
        "run_started_at": old.get("opened_at", old.get("run_started_at")),
        "plans": plans,
        "tasks": [
            task | {"pictures": [*map(_with_container, task["pictures"])]} | own
            for task, own in zip(old["tasks"], planned, strict=True)
        ],
        "outbox": [
            entry | {"run": entry.get("opening", entry.get("run", 1))} for entry in old["outbox"]
        ],
    }


def _with_container(picture: Mapping[str, Any]) -> dict[str, Any]:
    """Read the container off the URL: it stands right before the blob's name."""
    before = unquote(urlsplit(picture["url"]).path).removesuffix(f"/{picture['blob']}")
    return {**picture, "container": before.rpartition("/")[2]}
