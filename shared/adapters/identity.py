"""Entra tokens: one credential a process, one token a scope, one refresh at a time.

A managed identity's token is one GET to an address of this host. The SDK sends the same request and
costs a fifth of a second of every cold start, 300 modules (docs/decisions/0013). It is used where
the platform has no such address.
"""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol, Self

import aiohttp
from pydantic import BaseModel, Field, ValidationError

from ..errors import CredentialUnavailable


class Token(NamedTuple):
    """A token, in the SDK's own words."""

    token: str
    #: Seconds since 1970.
    expires_on: int


class TokenSource(Protocol):
    """A source of tokens."""

    async def get_token(self, scope: str, /) -> tuple[str, int]:
        """Return the members of a `Token`, or raise an error that says what is wrong."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


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


class _Given(BaseModel, hide_input_in_errors=True):
    access_token: str = Field(min_length=1, repr=False)
    #: A number in quotes, seconds since 1970.
    expires_on: int = Field(gt=0)


class PlatformIdentity:
    """The identity of this function app, as the platform hands out its tokens."""

    def __init__(
        self,
        endpoint: str,
        header: str,
        client_id: str | None = None,
        waits: tuple[float, ...] = _WAITS,
    ) -> None:
        self.endpoint = endpoint
        #: What proves that we are on this host.
        self.header = header
        #: Of a user-assigned identity; None is the app's own.
        self.client_id = client_id
        self.waits = waits

    @classmethod
    def found(cls, environ: Mapping[str, str], client_id: str | None) -> Self | None:
        """Return the identity that the environment names, if it does."""
        endpoint, header = environ.get("IDENTITY_ENDPOINT"), environ.get("IDENTITY_HEADER")
        return cls(endpoint, header, client_id) if endpoint and header else None

    async def get_token(self, scope: str, /) -> Token:
        """Return a token for the scope; `CredentialUnavailable` says why there is no token."""
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
    """A later try may succeed."""


#: A token is renewed when it has less than this left, seconds: longer than most calls take, and
#: shorter than the time in which the identity endpoint starts to hand out new ones.
RENEW_BEFORE_SECONDS: Final = 300


class EntraCredential:
    """`Tokens` of the app's identity.

    In Azure the identity is managed and named by its client id. Elsewhere it is what
    `DefaultAzureCredential` finds on the developer's machine.
    """

    def __init__(
        self,
        client_id: str | None = None,
        *,
        managed: bool = False,
        source: TokenSource | None = None,
        open_source: Callable[[], TokenSource] | None = None,
    ) -> None:
        self.client_id = client_id
        self.managed = managed
        #: Found when the first token is needed, and how it is found.
        self.source = source
        self.open_source = open_source or self.opened
        self._kept: dict[str, Token] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._stale = False

    async def token(self, scope: str) -> str:
        """Return a token for the scope; `CredentialUnavailable` when there is no token."""
        return (await self._current(scope)).token

    def forget(self, scope: str) -> None:
        """Get a new token next time: this one was refused.

        The SDK's credentials keep tokens too, so they are replaced with it.
        """
        if self._kept.pop(scope, None):
            self._stale = True

    async def _current(self, scope: str) -> Token:
        async with self._locks[scope]:
            kept = self._kept.get(scope)
            if kept and kept.expires_on - time.time() > RENEW_BEFORE_SECONDS:
                return kept
            try:
                kept = await self._asked(scope)
            except CredentialUnavailable:
                if kept and kept.expires_on > time.time():
                    return kept
                raise
            self._kept[scope] = kept
            return kept

    async def close(self) -> None:
        """Close the source of tokens."""
        if self.source:
            await self.source.close()

    async def _asked(self, scope: str) -> Token:
        try:
            if self._stale and self.source:
                refused, self.source, self._stale = self.source, None, False
                await refused.close()
            self.source = self.source or self.open_source()
            return Token(*await self.source.get_token(scope))
        except CredentialUnavailable as error:
            raise CredentialUnavailable(f"no token for {scope}: {error}") from error
        except Exception as error:
            sentence = str(error).partition("\n")[0]
            raise CredentialUnavailable(
                f"no token for {scope}: {type(error).__name__}: {sentence}"
            ) from error

    def opened(self) -> TokenSource:
        """Return the source that the settings ask for."""
        # ruff: noqa: PLC0415 (an app with keys needs none of them, one in Azure no SDK)

        if self.managed and (platform := PlatformIdentity.found(os.environ, self.client_id)):
            return platform
        from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

        if self.managed:
            return ManagedIdentityCredential(client_id=self.client_id)
        return DefaultAzureCredential(
            managed_identity_client_id=self.client_id,
            exclude_interactive_browser_credential=True,
        )
