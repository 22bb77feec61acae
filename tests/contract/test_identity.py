"""Tokens: kept, renewed in time, asked for once, and asked for anew when refused."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any, Self

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

from shared.adapters.identity import RENEW_BEFORE_SECONDS, EntraCredential
from shared.errors import CredentialUnavailable

SCOPE = "https://ai.azure.com/.default"


class FakeIdentity:
    """Gives tokens that live for so many seconds."""

    def __init__(self, *lives: float, error: Exception | None = None) -> None:
        self.lives: Iterator[float] = iter(lives)
        self.error = error
        self.asked: list[str] = []
        self.closed = False

    async def get_token(self, *scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401 (the SDK's protocol)
        self.asked.append(scopes[0])
        await asyncio.sleep(0)
        life = next(self.lives, None)
        if life is None:
            raise self.error or ClientAuthenticationError("no identity\nhere")
        return AccessToken(f"token-{len(self.asked)}", int(time.time() + life))

    async def close(self) -> None:
        self.closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def test_a_token_is_kept_for_its_scope() -> None:
    identity = FakeIdentity(3600, 3600)
    credential = EntraCredential(source=identity)
    assert await credential.token(SCOPE) == await credential.token(SCOPE) == "token-1"
    assert await credential.token("other") == "token-2"
    assert identity.asked == [SCOPE, "other"]


async def test_many_that_want_a_token_ask_once() -> None:
    identity = FakeIdentity(3600)
    credential = EntraCredential(source=identity)
    tokens = await asyncio.gather(*(credential.token(SCOPE) for _ in range(8)))
    assert set(tokens) == {"token-1"}
    assert identity.asked == [SCOPE]


async def test_a_token_is_renewed_before_it_ends() -> None:
    credential = EntraCredential(source=FakeIdentity(RENEW_BEFORE_SECONDS - 1, 3600))
    assert await credential.token(SCOPE) == "token-1"
    assert await credential.token(SCOPE) == "token-2"


async def test_a_token_that_cannot_be_renewed_serves_until_it_ends() -> None:
    credential = EntraCredential(source=FakeIdentity(RENEW_BEFORE_SECONDS - 1))
    assert await credential.token(SCOPE) == "token-1"
    assert await credential.token(SCOPE) == "token-1"


@pytest.mark.parametrize(
    "error", [ClientAuthenticationError("no identity\nhere"), OSError("no identity")]
)
async def test_no_token_is_told_in_a_sentence(error: Exception) -> None:
    credential = EntraCredential(source=FakeIdentity(error=error))
    with pytest.raises(CredentialUnavailable, match=r"ai\.azure\.com.*: no identity$") as caught:
        await credential.token(SCOPE)
    assert caught.value.__cause__ is error


async def test_a_refused_token_is_asked_for_of_a_new_identity() -> None:
    refused, fresh = FakeIdentity(3600), FakeIdentity(3600)
    credential = EntraCredential(source=refused, open_source=lambda: fresh)
    await credential.token(SCOPE)
    credential.forget(SCOPE)
    credential.forget(SCOPE)
    await credential.token(SCOPE)
    assert refused.closed
    assert (refused.asked, fresh.asked) == ([SCOPE], [SCOPE])


async def test_the_identity_is_managed_where_the_settings_say_so() -> None:
    managed = EntraCredential(client_id="c", managed=True).opened()
    found = EntraCredential().opened()
    assert isinstance(managed, ManagedIdentityCredential)
    assert isinstance(found, DefaultAzureCredential)
    await managed.close()
    await found.close()
