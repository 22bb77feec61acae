"""Links that read one picture for a while: against Azurite, and as an identity would sign them."""

import asyncio
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.storage.blob import UserDelegationKey
from azure.storage.blob.aio import BlobServiceClient

from shared.adapters.identity import EntraCredential
from shared.adapters.storage.account import StorageAddress
from shared.adapters.storage.sdk import SignedLinks
from shared.adapters.storage.signed_links import LazySignedLinks
from shared.errors import StoreUnavailable
from tests.contract.conftest import Account

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
    links = SignedLinks(container, account.client.blobs)
    good, late = [await links.link(NAME, until=in_minutes(minutes)) for minutes in (5, -5)]
    assert status_of(good) == 200
    assert status_of(good, "DELETE") == 403
    assert status_of(good.replace("job-1", "job-2")) == 403
    assert status_of(good.partition("?")[0]) != 200
    assert status_of(late) == 403


class Identity:
    async def get_token(self, *_: str, **__: Any) -> None:  # noqa: ANN401 - as the SDK calls it
        raise AssertionError("the fake service asks for none")

    async def close(self) -> None:
        return

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return


class DelegatingService(BlobServiceClient):
    """A blob service that hands out user delegation keys."""

    handed_out = 0

    async def get_user_delegation_key(  # type: ignore[override]  # a fake asks for less
        self, key_start_time: datetime, key_expiry_time: datetime
    ) -> UserDelegationKey:
        DelegatingService.handed_out += 1
        key = UserDelegationKey()  # type: ignore[no-untyped-call]  # has no types
        key.signed_oid, key.signed_tid, key.signed_service = "object", "tenant", "b"
        key.signed_version = "2025-11-05"
        key.signed_start = f"{key_start_time:%Y-%m-%dT%H:%M:%SZ}"
        key.signed_expiry = f"{key_expiry_time:%Y-%m-%dT%H:%M:%SZ}"
        key.value = "c2VjcmV0"
        return key


async def test_an_identity_signs_with_one_delegation_key_for_many_links() -> None:
    service = DelegatingService("https://account.blob.core.windows.net", Identity())  # type: ignore[arg-type]  # all it needs
    links = SignedLinks(service.get_container_client("images"), service)
    urls = [await links.link(f"job-1/default/{n}.png", until=in_minutes(60)) for n in range(3)]
    assert DelegatingService.handed_out == 1
    query = parse_qs(urlsplit(urls[0]).query)
    assert (query["sp"], query["sr"], query["spr"]) == (["r"], ["b"], ["https"])
    assert query["skoid"] == ["object"]
    await service.close()


async def test_an_account_that_brings_no_key_and_no_identity_says_so() -> None:
    service = BlobServiceClient("https://account.blob.core.windows.net?sv=1&sig=x")
    links = SignedLinks(service.get_container_client("images"), service)
    with pytest.raises(StoreUnavailable, match="neither an account key nor an identity"):
        await links.link(NAME, until=in_minutes(5))
    await service.close()


async def test_others_have_their_turn_while_the_first_link_loads_the_sdk() -> None:
    links = LazySignedLinks(
        StorageAddress("UseDevelopmentStorage=true"), EntraCredential(), "images"
    )
    ended = []

    async def linked() -> None:
        await links.link(NAME, until=in_minutes(5))
        ended.append("link")

    async def another() -> None:
        ended.append("another")

    await asyncio.gather(linked(), another())
    await links.close()
    assert ended == ["another", "link"]
