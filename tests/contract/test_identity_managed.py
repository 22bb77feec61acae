"""A managed identity, asked of the platform as Microsoft documents it, and as the SDK does."""

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from azure.identity.aio import ManagedIdentityCredential

from shared.adapters.identity import EntraCredential, PlatformIdentity
from shared.errors import CredentialUnavailable

SCOPE = "https://storage.azure.com/.default"
HEADER = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a"
CLIENT = "5e29463d-71da-4fe0-8e69-999b57db23b0"


def given(token: str) -> web.Response:
    """An answer of the platform: numbers stand in quotes."""
    return web.json_response(
        {
            "access_token": token,
            "expires_on": str(int(time.time()) + 3600),
            "resource": "https://storage.azure.com",
            "token_type": "Bearer",
        }
    )


@dataclass(slots=True)
class Platform:
    """The address on the host that hands out tokens."""

    url: str = ""
    answers: Iterator[web.Response] = field(default_factory=lambda: iter([]))
    asked: list[tuple[Mapping[str, str], str | None]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((dict(request.query), request.headers.get("x-identity-header")))
        return next(self.answers, None) or given("a-token")

    def identity(self, client_id: str | None = CLIENT) -> PlatformIdentity:
        return PlatformIdentity(self.url, HEADER, client_id, waits=(0, 0))

    def answering(self, *answers: web.Response) -> "Platform":
        self.answers = iter(answers)
        return self


@asynccontextmanager
async def _serving(platform: Platform) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get("/msi/token", platform.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    platform.url = "http://{}:{}/msi/token".format(*runner.addresses[0][:2])
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    platform = Platform()
    async with _serving(platform):
        yield platform


async def test_it_asks_as_the_sdk_does(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", platform.url)
    monkeypatch.setenv("IDENTITY_HEADER", HEADER)
    async with ManagedIdentityCredential(client_id=CLIENT) as sdk:
        theirs = await sdk.get_token(SCOPE)
    ours = await platform.identity().get_token(SCOPE)
    by_sdk, by_us = platform.asked
    assert by_us == by_sdk
    assert by_us[1] == HEADER
    assert ours.token == theirs.token == "a-token"  # noqa: S105 (no password)
    assert abs(ours.expires_on - theirs.expires_on) <= 1


async def test_the_apps_own_identity_has_no_client_id(platform: Platform) -> None:
    await platform.identity(client_id=None).get_token(SCOPE)
    ((query, _),) = platform.asked
    assert set(query) == {"api-version", "resource"}


@pytest.mark.parametrize("status", [404, 429, 500, 503])
async def test_what_passes_is_asked_again(platform: Platform, status: int) -> None:
    platform.answering(web.Response(status=status), web.Response(status=status))
    token = await platform.identity().get_token(SCOPE)
    assert token.token == "a-token"  # noqa: S105 (no password)
    assert len(platform.asked) == 3


async def test_what_does_not_pass_is_told_in_a_sentence(platform: Platform) -> None:
    platform.answering(*(web.Response(status=503, text="not yet\nhere") for _ in range(3)))
    with pytest.raises(CredentialUnavailable, match=r"answers 503: not yet here$"):
        await platform.identity().get_token(SCOPE)


async def test_a_refusal_is_not_repeated(platform: Platform) -> None:
    platform.answering(web.Response(status=400, text="no identity with this client id"))
    with pytest.raises(CredentialUnavailable, match="answers 400: no identity with"):
        await platform.identity().get_token(SCOPE)
    assert len(platform.asked) == 1


async def test_a_redirect_is_not_followed_with_what_proves_who_we_are(platform: Platform) -> None:
    platform.answering(web.Response(status=307, headers={"location": platform.url}))
    with pytest.raises(CredentialUnavailable, match=r"answers 307: nothing$"):
        await platform.identity().get_token(SCOPE)
    assert len(platform.asked) == 1


@pytest.mark.parametrize(
    "body",
    ["", "<html>", '{"access_token": ""}', '{"access_token": "s3cret", "expires_on": "soon"}'],
)
async def test_no_token_is_told_and_none_is_shown(platform: Platform, body: str) -> None:
    platform.answering(web.Response(text=body, content_type="application/json"))
    with pytest.raises(CredentialUnavailable, match="answers with no token") as caught:
        await platform.identity().get_token(SCOPE)
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__}"


async def test_a_platform_that_is_not_there_is_told() -> None:
    identity = PlatformIdentity("http://127.0.0.1:9/msi/token", HEADER, waits=(0,))
    with pytest.raises(CredentialUnavailable, match="does not answer"):
        await identity.get_token(SCOPE)


async def test_a_managed_app_asks_the_platform_where_there_is_one(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    managed = EntraCredential(client_id=CLIENT, managed=True)
    monkeypatch.setenv("IDENTITY_ENDPOINT", platform.url)
    monkeypatch.setenv("IDENTITY_HEADER", HEADER)
    assert await managed.token(SCOPE) == "a-token"
    managed.forget(SCOPE)
    platform.answering(given("another"))
    assert await managed.token(SCOPE) == "another"
    assert await managed.token(SCOPE) == "another"
    assert HEADER not in repr(managed)


@pytest.mark.parametrize("missing", ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"])
def test_half_of_an_address_is_none(missing: str) -> None:
    environ = {"IDENTITY_ENDPOINT": "http://127.0.0.1/msi", "IDENTITY_HEADER": HEADER}
    assert PlatformIdentity.found(environ, None)
    del environ[missing]
    assert PlatformIdentity.found(environ, None) is None
