"""Authentication: an API key, or a token with the right audience."""

import base64
import binascii
import json
import time
from collections.abc import Mapping

from local.foundry.api import problems
from local.foundry.state.models import Family

COGNITIVE = "https://cognitiveservices.azure.com"
FOUNDRY = "https://ai.azure.com"
AUDIENCES: Mapping[Family, tuple[str, ...]] = {
    "gpt-image": (COGNITIVE, FOUNDRY),
    "mai": (COGNITIVE,),
    "flux": (COGNITIVE,),
}


def check(headers: Mapping[str, str], family: Family, *, key: str | None, strict: bool) -> None:
    """Raise the 401 of the service unless the headers hold a valid key or token.

    With `key` only that key is valid, else any. `strict` rejects a bearer that is not a JWT.
    Signatures are not verified, because the keys of the issuer are not here.
    """
    given = headers.get("api-key")
    if given is not None:
        if not given or (key is not None and given != key):
            raise problems.bad_key()
        return
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not bearer.strip():
        raise problems.bad_key()
    _check_bearer(bearer.strip(), AUDIENCES[family], key=key, strict=strict)


def _check_bearer(
    bearer: str, audiences: tuple[str, ...], *, key: str | None, strict: bool
) -> None:
    claims = _claims(bearer)
    if claims is None:
        if strict or (key is not None and bearer != key):
            raise problems.bad_token(audiences[0])
        return
    audience = claims.get("aud")
    expires = claims.get("exp")
    if not isinstance(audience, str) or audience.rstrip("/") not in audiences:
        raise problems.bad_token(audiences[0])
    if isinstance(expires, int | float) and expires < time.time():
        raise problems.bad_token(audiences[0])


def _claims(token: str) -> dict[str, object] | None:
    """Return the payload of a JWT; None when the token is not a JWT."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004  # header, payload, signature
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = json.loads(payload)
    except (binascii.Error, ValueError):
        return None
    return claims if isinstance(claims, dict) else None
