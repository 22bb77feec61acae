"""Read and check the configured tenants: the callers who share the quota, and their limits."""

from collections.abc import Iterable
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from ..jobs.fields import ModelName, TenantName
from ..jobs.job import DEFAULT_TENANT


class Tenant(BaseModel):
    """One tenant, as `TENANTS` names it; the default values are no limits."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: TenantName
    #: Its share of a pool, relative to the weights of the others that wait.
    weight: float = Field(default=1.0, ge=0.01, le=1000)
    #: Limit for its calls of one day (UTC), US dollars, within the app's own.
    daily_budget_usd: float | None = Field(default=None, gt=0)
    #: Most of its jobs that may be open at once.
    max_open_jobs: int | None = Field(default=None, ge=1)
    #: Models of the catalogue that its jobs may use; empty: all.
    models: tuple[ModelName, ...] = ()

    def may_use(self, model: str) -> bool:
        """Return whether its jobs may use a model."""
        return not self.models or model in self.models


#: Holds the jobs that name no tenant, and those of tenants that are not configured.
_UNLIMITED: Final = Tenant(name=DEFAULT_TENANT)


def find_tenant(tenants: Iterable[Tenant], name: str) -> Tenant:
    """Return the tenant whose limits and share count for jobs of this name.

    A name that is not configured counts as `default`: a caller gains nothing by new names.
    """
    found = {each.name: each for each in tenants}
    return found.get(name) or found.get(DEFAULT_TENANT) or _UNLIMITED


def check_tenants(tenants: Iterable[Tenant]) -> None:
    """Raise `ValueError` for two tenants of one name."""
    names = [each.name for each in tenants]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two tenants have the name {twice!r}; names must be unique")
