"""Read and check the configured tenants and their limits, and the callers of the HTTP API."""

import re
from collections.abc import Iterable
from typing import Final, Self

from pydantic import BaseModel, Field, model_validator

from ..jobs.fields import ModelName, TenantName
from ..jobs.job import DEFAULT_TENANT
from ..jobs.text import parse_json

#: Of a key for the OpenAI endpoints, characters: shorter ones can be guessed.
_SHORTEST_KEY: Final = 16


class Tenant(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """One tenant, as `TENANTS` names it; the default values are no limits."""

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


class CallerEntry(BaseModel, frozen=True, extra="forbid"):
    """One caller of the HTTP API, as `CALLERS` names it: who it is, and how that is proved."""

    tenant: TenantName | None = None
    operator: bool = False
    #: SHA-256 of its key, hexadecimal.
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    #: Its object id, as the platform's sign-in gives it.
    principal: str | None = Field(default=None, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _check_one_of_each(self) -> Self:
        if bool(self.tenant) == self.operator:
            raise ValueError("must have either a tenant, or operator: true")
        if bool(self.sha256) == bool(self.principal):
            raise ValueError("must have either sha256, of a key, or principal")
        return self


def check_callers(callers: Iterable[CallerEntry], *, trust_sign_in: bool) -> None:
    """Raise `ValueError` for a proof that is not verified, or that two callers share."""
    seen = set[str]()
    for each in callers:
        proof = each.sha256 or each.principal or ""
        if each.principal and not trust_sign_in:
            raise ValueError(
                f"the principal {proof!r} needs TRUST_SIGN_IN=true, and a platform that verifies "
                "sign-ins: without one, anybody can send its id"
            )
        if proof in seen:
            raise ValueError(f"two callers have {proof!r}; give each its own key or principal")
        seen.add(proof)


def read_keys(value: object) -> object:
    """Return the callers and their keys; an error names a caller and never repeats a key."""
    rule = 'write a JSON object of callers and their keys: {"shop": "…"}'
    try:
        keys = parse_json(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"is not valid JSON; {rule}") from None
    if not isinstance(keys, dict) or not keys:
        raise ValueError(f"is not an object with a key; {rule}")
    for caller, key in keys.items():
        if not re.fullmatch(r"[a-z0-9](?:-?[a-z0-9]){0,31}", caller):
            raise ValueError(
                f"{caller!r} is not a name; use 1 to 32 of a-z 0-9 -, without a hyphen at "
                "either end or two in a row"
            )
        if not isinstance(key, str) or not re.fullmatch(rf"[!-~]{{{_SHORTEST_KEY},256}}", key):
            raise ValueError(
                f"the key of {caller!r} is not allowed; use {_SHORTEST_KEY} to 256 characters of "
                "ASCII without spaces"
            )
    if len(set(keys.values())) < len(keys):
        raise ValueError("two callers have the same key; give each its own")
    return keys
