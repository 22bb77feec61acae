"""The settings with everything they imply worked out: what the work is handed beside the world."""

from collections.abc import Mapping
from dataclasses import dataclass

from .catalogue import Catalogue, builtin, extended
from .deployments import Deployment
from .settings import Settings, read_settings, resolve_deployments


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
