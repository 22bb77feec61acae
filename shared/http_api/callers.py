"""Find out who sends a request: a tenant, an operator, or nobody that the app knows."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..config.settings import Settings
from .problems import refused

#: The header with a key of `CALLERS`; a function key of the platform has another one.
KEY_HEADER: Final = "x-image-jobs-key"
#: The object id of a signed-in caller, set by the platform: App Service Authentication, "Access
#: user claims in app code" (learn.microsoft.com, 2026). Only a platform that verifies the sign-in
#: removes it from requests of others.
PRINCIPAL_HEADER: Final = "x-ms-client-principal-id"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request; without a tenant, an operator, who may see and do everything."""

    tenant: str | None = None

    def sees(self, tenant: str) -> bool:
        """Return whether jobs and batches of a tenant exist for this caller."""
        return self.tenant in {None, tenant}


def identify_caller(headers: Mapping[str, str], settings: Settings) -> Caller:
    """Return who sends a request; raise `Refused` for nobody in `CALLERS`.

    Without `CALLERS`, callers are not told apart: each one is an operator.
    """
    if not settings.callers:
        return Caller()
    lower = {name.lower(): value for name, value in headers.items()}
    principal = lower.get(PRINCIPAL_HEADER, "") if settings.trust_sign_in else ""
    given = {"sha256": hash_key(lower.get(KEY_HEADER, "")), "principal": principal}
    found: Caller | None = None
    for entry in settings.callers:  # to the end: the time tells nothing of the keys
        kind = "sha256" if entry.sha256 else "principal"
        expected = (entry.sha256 or entry.principal or "").encode()
        if hmac.compare_digest(expected, given[kind].encode()):
            found = Caller(entry.tenant)
    if found is None:
        raise refused("unknown_caller", f"send a key of this app in the header {KEY_HEADER}")
    return found


def hash_key(key: str) -> str:
    """Return the SHA-256 of a key, as `CALLERS` has it; random keys need no slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
