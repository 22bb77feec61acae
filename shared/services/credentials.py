"""Entra tokens: one credential a process, one token a scope, one refresh at a time."""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from ..errors import CredentialUnavailable
from .token_sources import AnyToken, TokenSource

if TYPE_CHECKING:  # the SDK is imported by who needs it, not by an app with keys
    from azure.core.credentials import AccessToken

#: A token is renewed when it has less than this left, seconds: longer than most calls take, and
#: shorter than the time in which the identity endpoint starts to hand out new ones.
RENEW_BEFORE_SECONDS: Final = 300


@dataclass(slots=True)
class EntraCredential:
    """Tokens of the app's identity, for Foundry (`token`) and for the storage SDK (`get_token`).

    In Azure the identity is managed and named by its client id; anywhere else, whatever
    `DefaultAzureCredential` finds on the developer's machine is used.
    """

    client_id: str | None = None
    managed: bool = False
    #: Who gives tokens, found when the first is needed, and how it is found.
    source: TokenSource | None = None
    open_source: Callable[[], TokenSource] | None = None
    _kept: dict[str, AnyToken] = field(default_factory=dict)
    _locks: defaultdict[str, asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )
    _stale: bool = False

    async def token(self, scope: str) -> str:
        """Return a token for the scope; `CredentialUnavailable` when none can be had."""
        return (await self._current(scope)).token

    def forget(self, scope: str) -> None:
        """Ask anew next time: the token was refused.

        The SDK's credentials keep tokens too, so they are replaced with it.
        """
        if self._kept.pop(scope, None):
            self._stale = True

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,  # noqa: ARG002 (part of the SDK's protocol)
        **_options: Any,  # noqa: ANN401 (likewise)
    ) -> "AccessToken":
        """Return a token as the storage SDK asks for it."""
        from azure.core.credentials import AccessToken  # who asks has imported it

        scope = " ".join(scopes)
        if claims or tenant_id:  # the storage account's own challenge: an answer to it, not kept
            given = await self._asked(scope, claims=claims, tenant_id=tenant_id)
        else:
            given = await self._current(scope)
        return AccessToken(given.token, given.expires_on)

    async def _current(self, scope: str) -> AnyToken:
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
        """Close what gives tokens."""
        if self.source:
            await self.source.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Leave the credential open: the client that was given it does not own it."""

    async def _asked(
        self, scope: str, *, claims: str | None = None, tenant_id: str | None = None
    ) -> AnyToken:
        try:
            if self._stale and self.source:
                refused, self.source, self._stale = self.source, None, False
                await refused.close()
            self.source = self.source or (self.open_source or self.opened)()
            return await self.source.get_token(scope, claims=claims, tenant_id=tenant_id)
        except CredentialUnavailable as error:
            raise CredentialUnavailable(f"no token for {scope}: {error}") from error
        except Exception as error:
            sentence = str(error).partition("\n")[0]
            raise CredentialUnavailable(
                f"no token for {scope}: {type(error).__name__}: {sentence}"
            ) from error

    def opened(self) -> TokenSource:
        """Find who gives the tokens that the settings ask for."""
        # ruff: noqa: PLC0415 (an app with keys needs none of them, one in Azure no SDK)
        from .managed_identity import PlatformIdentity

        if self.managed and (platform := PlatformIdentity.found(os.environ, self.client_id)):
            return platform
        from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

        if self.managed:
            return ManagedIdentityCredential(client_id=self.client_id)
        return DefaultAzureCredential(
            managed_identity_client_id=self.client_id,
            exclude_interactive_browser_credential=True,
        )
