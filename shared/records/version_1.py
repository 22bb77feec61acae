"""Upgrade records of version 1, whose plans hold the pictures of each task."""

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit


def upgrade(old: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of version 1 as one of version 2."""
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
