"""A managed identity's tokens, asked of the platform itself: one GET to an address of this host.

The SDK asks for the same and costs a fifth of a second of every cold start, 300 modules
(docs/decisions/0013). It is still asked where the platform has no such address.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import CredentialUnavailable
from .token_sources import Token

#: https://learn.microsoft.com/azure/app-service/overview-managed-identity, its REST endpoint.
_API_VERSION: Final = "2019-08-01"
_SCOPE_ENDS: Final = "/.default"
#: Waits before the second try and the next ones, seconds: a new instance's identity may need some.
_WAITS: Final = (0.25, 1.0, 2.0)
#: Statuses that a later try may mend, beside 500 and above.
_PASSING: Final = frozenset({404, 408, 410, 429})
#: One try, seconds.
_LIMIT: Final = aiohttp.ClientTimeout(total=10)
#: What is repeated of a refusal, characters.
_MAX_WORDS: Final = 200


class _Given(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: str = Field(min_length=1, repr=False)
    #: A number in quotes, seconds since 1970.
    expires_on: int = Field(gt=0)


@dataclass(frozen=True, slots=True)
class PlatformIdentity:
    """The identity of this function app, as the platform hands out its tokens."""

    endpoint: str
    #: What proves that we are on this host.
    header: str = field(repr=False)
    #: Of a user-assigned identity; None is the app's own.
    client_id: str | None = None
    waits: tuple[float, ...] = _WAITS

    @classmethod
    def found(cls, environ: Mapping[str, str], client_id: str | None) -> Self | None:
        """Return the identity that the environment tells of, if it does."""
        endpoint, header = environ.get("IDENTITY_ENDPOINT"), environ.get("IDENTITY_HEADER")
        return cls(endpoint, header, client_id) if endpoint and header else None

    async def get_token(
        self,
        scope: str,
        *,
        claims: str | None = None,  # noqa: ARG002 (the platform has no place for them)
        tenant_id: str | None = None,  # noqa: ARG002 (an identity is of one tenant)
    ) -> Token:
        """Return a token for the scope; `CredentialUnavailable` says why there is none."""
        query = {"api-version": _API_VERSION, "resource": scope.removesuffix(_SCOPE_ENDS)}
        if self.client_id:
            query["client_id"] = self.client_id
        # Of its own, since it is used once an hour; past any proxy, since it is on this host.
        async with aiohttp.ClientSession(timeout=_LIMIT) as session:
            for wait in self.waits:
                try:
                    return await self._asked(session, query)
                except _Passing:
                    await asyncio.sleep(wait)
            return await self._asked(session, query)

    async def close(self) -> None:
        """Nothing is open."""

    async def _asked(self, session: aiohttp.ClientSession, query: Mapping[str, str]) -> Token:
        headers = {"X-IDENTITY-HEADER": self.header}
        try:
            async with session.get(
                self.endpoint,
                params=query,
                headers=headers,
                allow_redirects=False,  # the header is for this host alone
            ) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, OSError) as error:
            why = str(error) or type(error).__name__  # a time-out has no words
            raise _Passing(f"the identity endpoint does not answer: {why}") from error
        if status != 200:  # noqa: PLR2004 (success)
            words = " ".join(body.decode(errors="replace").split())[:_MAX_WORDS]
            passing = status in _PASSING or status >= 500  # noqa: PLR2004 (server errors)
            kind = _Passing if passing else CredentialUnavailable
            raise kind(f"the identity endpoint answers {status}: {words or 'nothing'}")
        try:
            given = _Given.model_validate_json(body)
        except ValidationError as error:
            fault = error.errors(include_input=False)[0]
            where = ".".join(map(str, fault["loc"])) or "body"
            raise CredentialUnavailable(
                f"the identity endpoint answers with no token: {where}: {fault['msg']}"
            ) from error
        return Token(given.access_token, given.expires_on)


class _Passing(CredentialUnavailable):
    """A later try may be answered otherwise."""
