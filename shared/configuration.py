"""The settings with everything they imply worked out: what the work is handed beside the world.

They are read once from a mapping, which need not be the process's own, and refused with a sentence
for each that is wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from .catalogue import Catalogue, builtin, extended
from .deployments import Deployment
from .errors import Misconfigured
from .settings import CONNECTION, Settings

#: Their values are never repeated.
_SECRETS: Final = frozenset({CONNECTION, "FOUNDRY_API_KEY", "EVENT_GRID_TOPIC_KEY"})


@dataclass(frozen=True, slots=True, eq=False)
class Configuration:
    """Settings, the models there are, and the deployments that serve them; one a process."""

    settings: Settings
    catalogue: Catalogue
    deployments: tuple[Deployment, ...]

    def deployment(self, name: str) -> Deployment | None:
        """Return the deployment of this name, or None when it is configured no more."""
        return next((item for item in self.deployments if item.name == name), None)


def configure(environ: Mapping[str, str], *, own_models: str | None = None) -> Configuration:
    """Work out the configuration; `own_models` is the text of the file `MODEL_CATALOGUE` names.

    Raises `Misconfigured`.
    """
    settings = read_settings(environ)
    catalogue = builtin()
    if own_models is not None:
        catalogue = extended(catalogue, own_models)
    return Configuration(settings, catalogue, resolve_deployments(settings, catalogue))


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from a mapping of environment variables; empty values count as unset.

    Raises `Misconfigured`, with one line for each wrong variable.
    """
    given: dict[str, Any] = {name: value for name, value in environ.items() if value != ""}
    try:
        return Settings.model_validate(given, context=given)
    except ValidationError as error:
        faults = [_sentence(fault, given) for fault in error.errors(include_url=False)]
        raise Misconfigured("\n".join(faults)) from error


def resolve_deployments(settings: Settings, catalogue: Catalogue) -> tuple[Deployment, ...]:
    """Fill what each deployment leaves out from its model's row and from `FOUNDRY_ENDPOINT`.

    Raises `Misconfigured` for an empty list, a name used twice, a model that is in no catalogue,
    or a deployment without an endpoint.
    """
    if not settings.foundry_deployments:
        raise Misconfigured("FOUNDRY_DEPLOYMENTS: the list is empty; name at least one deployment")
    resolved = tuple(_resolve(item, settings, catalogue) for item in settings.foundry_deployments)
    names = [deployment.name for deployment in resolved]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise Misconfigured(f"FOUNDRY_DEPLOYMENTS: the name {twice!r} is used twice")
    _check_pools(resolved)
    return resolved


def _sentence(fault: Any, given: Mapping[str, str]) -> str:  # noqa: ANN401 (pydantic's ErrorDetails)
    where = [str(part) for part in fault["loc"]]
    name = where[0] if where else "settings"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "missing":
        return f"{name}: is required; set it"
    secret = name in _SECRETS
    value = "" if secret or not where or len(where) > 1 else f" (it is {given.get(name, '')!r})"
    return f"{'.'.join(where) or name}: {message}{value}"


def _check_pools(deployments: Sequence[Deployment]) -> None:
    """Refuse a pool of two quotas: each call would begin its pacing anew."""
    first: dict[str, Deployment] = {}
    for each in deployments:
        other = first.setdefault(each.pool, each)
        if other.rpm != each.rpm:
            raise Misconfigured(
                f"FOUNDRY_DEPLOYMENTS: {other.name!r} and {each.name!r} share the pool "
                f"{each.pool!r} with {other.rpm:g} and {each.rpm:g} requests a minute; give both "
                f"the quota they share as `rpm`, or each a `pool` of its own"
            )


def _resolve(deployment: Deployment, settings: Settings, catalogue: Catalogue) -> Deployment:
    name = deployment.model or deployment.name
    model = catalogue.models.get(name)
    if model is None:
        raise Misconfigured(
            f"FOUNDRY_DEPLOYMENTS: {deployment.name!r} serves {name!r}, which is in no catalogue; "
            f"give it one of {_listed(sorted(catalogue.models))} as `model`, or describe the model "
            f"in the file that MODEL_CATALOGUE names"
        )
    endpoint = deployment.endpoint or settings.foundry_endpoint.rstrip("/")
    if not endpoint:
        raise Misconfigured(
            f"FOUNDRY_DEPLOYMENTS: {deployment.name!r} has no endpoint; "
            f"give it one, or set FOUNDRY_ENDPOINT"
        )
    shape = deployment.url or model.url
    return Deployment.model_validate(
        deployment.model_dump()
        | {
            "model": model.name,
            "endpoint": endpoint,
            "url": shape,
            "api_version": deployment.api_version or model.api_version_for(shape),
            "scope": deployment.scope or model.scope,
            "rpm": deployment.rpm or model.rpm,
            "pool": deployment.pool or model.name,
        }
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
