"""Configuration of the host: host.json, app settings, connections."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

#: Default functionTimeout of every plan except Consumption (seconds).
DEFAULT_TIMEOUT = 1800.0

_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d+)?)")
_PERCENT = re.compile(r"%([^%]+)%")


class Misconfigured(ValueError):
    """A setting is missing or wrong: the function, or the host, cannot start."""


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """`extensions.queues` of host.json; times in seconds."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: float = 0.0
    max_polling_interval: float = 60.0
    encoding: Literal["base64", "none"] = "base64"


@dataclass(frozen=True, slots=True)
class HostOptions:
    """The supported options of host.json; `timeout` in seconds, None: unlimited."""

    queues: QueueOptions = QueueOptions()
    route_prefix: str = "api"
    timeout: float | None = DEFAULT_TIMEOUT


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a storage account is, and the identity that uses it."""

    connection_string: str | None = None
    queue_url: str | None = None
    blob_url: str | None = None
    client_id: str | None = None


def seconds_of(text: str) -> float:
    """Return a .NET time span, `[d.]hh:mm:ss[.fff]`, in seconds."""
    found = _SPAN.fullmatch(text)
    if not found:
        raise Misconfigured(f"{text!r} is not a time span: write hh:mm:ss, such as 00:00:30")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def read_host_json(directory: Path, settings: Mapping[str, str]) -> HostOptions:
    """Read host.json of the app in this directory; a setting AzureFunctionsJobHost__a__b wins."""
    try:
        document: dict[str, Any] = json.loads((directory / "host.json").read_text("utf-8"))
    except FileNotFoundError:
        raise Misconfigured(f"{directory} has no host.json: it is not a function app") from None
    except ValueError as error:
        raise Misconfigured(f"{directory / 'host.json'} is not valid JSON: {error}") from None
    if document.get("version") != "2.0":
        raise Misconfigured(f'host.json has version {document.get("version")!r}: it must be "2.0"')
    _override(document, settings)
    extensions = document.get("extensions", {})
    timeout = document.get("functionTimeout")
    return HostOptions(
        queues=_queue_options(extensions.get("queues", {})),
        route_prefix=extensions.get("http", {}).get("routePrefix", "api").strip("/"),
        timeout=DEFAULT_TIMEOUT
        if timeout is None
        else None
        if timeout == "-1"
        else seconds_of(timeout),
    )


def _override(document: dict[str, Any], settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        prefix, *path = name.split("__")
        if prefix == "AzureFunctionsJobHost" and path:
            part = document
            for key in path[:-1]:
                part = part.setdefault(key, {})
            part[path[-1]] = value


def _queue_options(document: Mapping[str, Any]) -> QueueOptions:
    batch = int(document.get("batchSize", 16))
    if not 1 <= batch <= 32:  # noqa: PLR2004 - what one receive can give
        raise Misconfigured(f"batchSize {batch} of host.json must be 1 to 32")
    encoding = document.get("messageEncoding", "base64").lower()
    if encoding not in {"base64", "none"}:
        raise Misconfigured(f"messageEncoding {encoding!r} of host.json must be base64 or none")
    return QueueOptions(
        batch_size=batch,
        new_batch_threshold=int(document.get("newBatchThreshold", batch // 2)),
        max_dequeue_count=int(document.get("maxDequeueCount", 5)),
        visibility_timeout=seconds_of(document.get("visibilityTimeout", "00:00:00")),
        max_polling_interval=max(0.1, seconds_of(document.get("maxPollingInterval", "00:01:00"))),
        encoding=encoding,
    )


def apply_local_settings(directory: Path) -> None:
    """Add the `Values` of local.settings.json to the environment; existing ones win."""
    path = directory / "local.settings.json"
    if path.exists():
        for name, value in json.loads(path.read_text("utf-8")).get("Values", {}).items():
            os.environ.setdefault(name, str(value))


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """Replace each `%NAME%` by its app setting."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in settings:
            raise Misconfigured(f"'%{found[1]}%' does not resolve to a value: no such app setting")
        return settings[found[1]]

    return _PERCENT.sub(value, text)


def connection(name: str, settings: Mapping[str, str]) -> Connection:
    """Return the connection of a binding: a connection string, or service URIs and an identity.

    An exact setting wins over `NAME__…`; the prefix AzureWebJobs is optional in both.
    """
    for prefix in (f"AzureWebJobs{name}", name) if name else ("AzureWebJobsStorage",):
        if settings.get(prefix):
            return Connection(connection_string=settings[prefix])
        account = settings.get(f"{prefix}__accountName")
        urls = {
            kind: settings.get(f"{prefix}__{kind}ServiceUri")
            or settings.get(f"{prefix}__serviceUri")
            or (f"https://{account}.{kind}.core.windows.net" if account else None)
            for kind in ("queue", "blob")
        }
        if any(urls.values()):
            who = settings.get(f"{prefix}__clientId")
            return Connection(queue_url=urls["queue"], blob_url=urls["blob"], client_id=who)
    name = name or "AzureWebJobsStorage"
    raise Misconfigured(
        f"connection {name!r} has no app setting: set {name} (a connection string) or "
        f"{name}__queueServiceUri (an identity's)"
    )


def is_disabled(function: str, settings: Mapping[str, str]) -> bool:
    """Return whether `AzureWebJobs.<function>.Disabled` disables a function."""
    names = (f"AzureWebJobs{mark}{function}{mark}Disabled" for mark in (".", "__", "_"))
    return any(settings.get(name, "").lower() in {"true", "1"} for name in names)
