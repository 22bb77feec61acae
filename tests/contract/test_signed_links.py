"""Links that read one picture for a while: against Azurite, and as an identity would sign them."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import pytest
from aiohttp import web
from azure.storage.blob import BlobSasPermissions, UserDelegationKey, generate_blob_sas

from shared.adapters.storage.account import StorageAddress, Token
from shared.adapters.storage.rest import StorageClient
from shared.adapters.storage.signed_links import SignedBlobLinks
from shared.errors import StoreUnavailable
from tests.contract.conftest import AT_ONCE, Account, wire_to
from tests.contract.endpoints import FakeTokens

NAME = "job-1/default/0.png"


def in_minutes(minutes: int) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


def status_of(url: str, method: str = "GET") -> int:
    request = urllib.request.Request(url, method=method)  # noqa: S310 - Azurite's own address
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - as above
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def test_a_link_reads_its_picture_and_no_other_and_only_for_its_time(
    account: Account,
) -> None:
    container = await account.container()
    for name in (NAME, "job-2/default/0.png"):
        await container.upload_blob(name, b"picture")
    links = SignedBlobLinks(account.address, account.wire, account.name)
    good, late = [await links.link(NAME, until=in_minutes(minutes)) for minutes in (5, -5)]
    assert status_of(good) == 200
    assert status_of(good, "DELETE") == 403
    assert status_of(good.replace("job-1", "job-2")) == 403
    assert status_of(good.partition("?")[0]) != 200
    assert status_of(late) == 403


def delegation_key(request: str) -> str:
    start, expiry = (
        request.partition(f"<{name}>")[2].partition("<")[0] for name in ("Start", "Expiry")
    )
    return (
        "<?xml version='1.0'?><UserDelegationKey><SignedOid>object</SignedOid>"
        f"<SignedTid>tenant</SignedTid><SignedStart>{start}</SignedStart>"
        f"<SignedExpiry>{expiry}</SignedExpiry><SignedService>b</SignedService>"
        "<SignedVersion>2025-11-05</SignedVersion><Value>c2VjcmV0</Value></UserDelegationKey>"
    )


@asynccontextmanager
async def delegating_service() -> AsyncIterator[tuple[SignedBlobLinks, list[str]]]:
    """Links of an account that gives user delegation keys, and the requests for keys."""
    asked: list[str] = []

    async def give(request: web.Request) -> web.Response:
        assert request.query == {"restype": "service", "comp": "userdelegationkey"}
        assert request.headers["authorization"].startswith("Bearer token-1")
        asked.append(await request.text())
        return web.Response(body=delegation_key(asked[-1]).encode())

    app = web.Application()
    app.router.add_post("/{path:.*}", give)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    address = StorageAddress(blob_service_uri=f"http://{host}:{port}")
    client = StorageClient(Token(FakeTokens()), AT_ONCE)
    try:
        yield SignedBlobLinks(address, client, "images"), asked
    finally:
        await client.close()
        await runner.cleanup()


async def test_an_identity_signs_with_one_delegation_key_for_many_links() -> None:
    async with delegating_service() as (links, asked):
        until = in_minutes(60)
        urls = [await links.link(f"job-1/default/{n}.png", until=until) for n in range(3)]
        assert len(asked) == 1
        query = parse_qs(urlsplit(urls[0]).query)
        assert (query["sp"], query["sr"], query["skoid"]) == (["r"], ["b"], ["object"])
        key = UserDelegationKey()  # type: ignore[no-untyped-call]  # has no types
        root = ET.fromstring(delegation_key(asked[0]))  # noqa: S314 (our own text)
        for name in ("oid", "tid", "start", "expiry", "service", "version"):
            setattr(key, f"signed_{name}", root.findtext(f"Signed{name.title()}"))
        key.value = "c2VjcmV0"
        expected = generate_blob_sas(
            "127",
            "images",
            "job-1/default/0.png",
            user_delegation_key=key,
            permission=BlobSasPermissions(read=True),
            expiry=until,
            protocol="https,http",
        )
        assert urls[0].partition("?")[2] == expected


async def test_a_delegation_key_is_valid_for_less_than_seven_days_and_from_before_now() -> None:
    async with delegating_service() as (links, asked):
        await links.link(NAME, until=in_minutes(5))
    root = ET.fromstring(asked[0])  # noqa: S314 (our own text)
    start, expiry = (datetime.fromisoformat(root.findtext(n, "")) for n in ("Start", "Expiry"))
    assert start < datetime.now(UTC) < expiry
    assert expiry - datetime.now(UTC) < timedelta(days=7)


async def test_an_account_that_brings_no_key_and_no_identity_says_so() -> None:
    address = StorageAddress(
        "BlobEndpoint=https://account.blob.core.windows.net;SharedAccessSignature=sv=1&sig=x"
    )
    links = SignedBlobLinks(address, wire_to(address), "images")
    with pytest.raises(StoreUnavailable, match="neither an account key nor an identity"):
        await links.link(NAME, until=in_minutes(5))


async def test_others_have_their_turn_while_the_first_link_loads_the_sdk() -> None:
    address = StorageAddress("UseDevelopmentStorage=true")
    links = SignedBlobLinks(address, wire_to(address), "images")
    ended = []

    async def linked() -> None:
        await links.link(NAME, until=in_minutes(5))
        ended.append("link")

    async def another() -> None:
        ended.append("another")

    await asyncio.gather(linked(), another())
    assert ended == ["another", "link"]
