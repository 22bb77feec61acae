from datetime import UTC, datetime, timedelta
from functools import cmp_to_key

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from azure.storage.blob._shared.authentication import compare
from hypothesis import given
from hypothesis import strategies as st

from local.stack.azurite import ACCOUNT, KEY
from shared.adapters.storage.account import StorageAddress, Token, _service_order
from shared.adapters.storage.blobs import RestBlobs
from shared.errors import Misconfigured
from tests.contract.conftest import Account, wire_to
from tests.contract.endpoints import FakeTokens


async def test_a_shared_access_signature_does_as_well(account: Account) -> None:
    await account.container()
    signature = generate_container_sas(
        ACCOUNT,
        account.name,
        account_key=KEY,
        permission=ContainerSasPermissions(read=True, write=True, create=True),
        expiry=datetime.now(UTC) + timedelta(minutes=5),
    )
    endpoint = account.address.url("blob")
    address = StorageAddress(f"BlobEndpoint={endpoint};SharedAccessSignature={signature}")
    wire = wire_to(address)
    blobs = RestBlobs(wire, f"{address.url('blob')}/{account.name}")
    await blobs.put("a", b"body")
    found = await blobs.read("a", length=2)
    await wire.close()
    assert found is not None
    assert found.body == b"bo"


@given(st.lists(st.from_regex(r"x-ms-[a-z0-9_-]{1,12}", fullmatch=True), unique=True))
def test_headers_are_sorted_as_the_sdk_sorts_them(names: list[str]) -> None:
    by_the_sdk = sorted(names, key=cmp_to_key(compare))
    ours = sorted(names, key=_service_order)
    assert [*map(_service_order, ours)] == [*map(_service_order, by_the_sdk)]


@pytest.mark.parametrize(
    ("text", "blob", "queue"),
    [
        (
            "UseDevelopmentStorage=true",
            "http://127.0.0.1:10000/devstoreaccount1",
            "http://127.0.0.1:10001/devstoreaccount1",
        ),
        (
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=aGk=;EndpointSuffix=x.example;",
            "https://a.blob.x.example",
            "https://a.queue.x.example",
        ),
        (
            "AccountName=a;AccountKey=aGk=",
            "https://a.blob.core.windows.net",
            "https://a.queue.core.windows.net",
        ),
        (
            "BlobEndpoint=https://b.example/;QueueEndpoint=https://q.example;SharedAccessSignature=sig=1",
            "https://b.example",
            "https://q.example",
        ),
    ],
)
def test_a_connection_string_says_where(text: str, blob: str, queue: str) -> None:
    address = StorageAddress(text)
    assert (address.url("blob"), address.url("queue")) == (blob, queue)
    address.signature(FakeTokens())


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "EndpointSuffix=core.windows.net",
        "AccountName=a",
        "AccountName=a;AccountKey=no base64",
    ],
)
def test_a_malformed_connection_string_is_refused(text: str) -> None:
    address = StorageAddress(text)
    with pytest.raises(Misconfigured, match="ImageStorage"):
        _ = address.url("blob"), address.signature(FakeTokens())


def test_an_identity_asks_the_services_it_was_told_of() -> None:
    address = StorageAddress(
        blob_service_uri="https://a.blob.example/", queue_service_uri="https://a.queue.example"
    )
    assert address.url("blob") == "https://a.blob.example"
    assert address.url("queue") == "https://a.queue.example"
    assert isinstance(address.signature(FakeTokens()), Token)
