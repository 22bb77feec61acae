"""What a client knows of the app: the app's own settings, of which it needs only a few.

The names are those of `docs/settings.md`. Storage is required. With `FOUNDRY_DEPLOYMENTS` (and
`MODEL_CATALOGUE`, where the app has its own models) jobs are routed before they are sent.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..catalogue.models import extend_catalogue, read_builtin
from ..config.settings import CONNECTION, Configuration, read_settings, resolve_deployments
from ..errors import Misconfigured

#: The client calls no model, so where its deployments are does not matter.
NOWHERE: Final = "https://endpoint.invalid"


def read_configuration(environ: Mapping[str, str]) -> Configuration:
    """Return what the client knows of the app; `Misconfigured` has a line a wrong variable."""
    given = {name: value for name, value in environ.items() if value}
    settings = read_settings({"FOUNDRY_DEPLOYMENTS": "[]", "FOUNDRY_ENDPOINT": NOWHERE} | given)
    catalogue = read_builtin()
    if settings.model_catalogue:
        catalogue = extend_catalogue(catalogue, _read_text(settings.model_catalogue))
    deployments = resolve_deployments(settings, catalogue) if settings.foundry_deployments else ()
    return Configuration(settings, catalogue, deployments)


def merge_arguments(
    environ: Mapping[str, str],
    *,
    connection_string: str | None,
    account: str | None,
    deployments: Sequence[str | Mapping[str, Any]] | None,
) -> Mapping[str, str]:
    """Return the environment, overridden by the arguments."""
    merged = dict(environ)
    if connection_string or account:
        merged = {name: merged[name] for name in merged if name.partition("__")[0] != CONNECTION}
    if connection_string and account:
        raise Misconfigured("give the connection string or the account's name, not both")
    if connection_string:
        merged[CONNECTION] = connection_string
    if account:
        for kind in ("queue", "blob"):
            url = f"https://{account}.{kind}.core.windows.net"
            merged[f"{CONNECTION}__{kind}ServiceUri"] = url
    if deployments is not None:
        rows = [{"name": each} if isinstance(each, str) else dict(each) for each in deployments]
        merged["FOUNDRY_DEPLOYMENTS"] = json.dumps(rows)
    return merged


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"MODEL_CATALOGUE: {path!r} can't be read: {error}") from error
