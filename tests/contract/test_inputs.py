"""Inputs: the same in memory and on real blobs."""

import pytest

from local.stack.azurite import ACCOUNT, KEY
from shared.adapters.storage.account import StorageAddress
from shared.adapters.storage.blobs import RestBlobs
from shared.adapters.storage.rest import StorageTuning
from shared.errors import InvalidJob, StaleVersion, StoreUnavailable
from shared.ports import Blobs
from shared.stores.inputs import Inputs
from tests.contract.conftest import Account, wire_to

AZURITE = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY}"
BLOBS = {
    "plain.txt": "Küste, 海".encode(),
    "marked.txt": b"\xef\xbb\xbfa lighthouse",
    "empty.txt": b"",
    "latin.txt": b"K\xfcste",
    "ten.txt": b"0123456789",
}


@pytest.fixture
async def inputs(blobs: Blobs) -> Inputs:
    for name, body in BLOBS.items():
        await blobs.put(name, body)
    return Inputs(blobs, blobs, "images")


@pytest.mark.parametrize(
    ("name", "text"),
    [("plain.txt", "Küste, 海"), ("marked.txt", "a lighthouse")],
)
async def test_an_input_is_read_as_text(inputs: Inputs, name: str, text: str) -> None:
    assert await inputs.read_text(name, max_bytes=100) == text


async def test_an_input_that_is_not_there_is_none(inputs: Inputs) -> None:
    assert await inputs.read_text("none.txt", max_bytes=100) is None


async def test_an_input_of_the_greatest_length_is_read(inputs: Inputs) -> None:
    assert await inputs.read_text("ten.txt", max_bytes=10) == "0123456789"


async def test_an_input_one_byte_longer_is_refused(inputs: Inputs) -> None:
    with pytest.raises(InvalidJob, match=r"prompt_blob: 'ten.txt' has more than 9 bytes"):
        await inputs.read_text("ten.txt", max_bytes=9)


async def test_an_empty_input_is_refused(inputs: Inputs) -> None:
    with pytest.raises(InvalidJob, match=r"prompt_blob: 'empty.txt' is empty"):
        await inputs.read_text("empty.txt", max_bytes=9)


async def test_an_input_that_is_no_text_is_refused(inputs: Inputs) -> None:
    with pytest.raises(InvalidJob, match=r"'latin.txt' is not UTF-8"):
        await inputs.read_text("latin.txt", max_bytes=100)


async def test_inputs_of_a_missing_container_are_left_to_the_queue(account: Account) -> None:
    with pytest.raises(StoreUnavailable, match="ContainerNotFound"):
        await Inputs(account.blobs, account.blobs, "images").read_text("a", max_bytes=9)


async def test_a_picture_that_was_made_here_is_read_and_nothing_else_after_a_slash(
    account: Account,
) -> None:
    container = await account.container()
    await container.upload_blob("fox/default/0.png", b"a picture")
    nowhere = RestBlobs(account.wire, f"{account.address.url('blob')}/{account.name}-none")
    inputs = Inputs(nowhere, account.blobs, "made")
    found = await inputs.head("/made/fox/default/0.png", most=2)
    assert found is not None
    assert (found.head, found.length) == (b"a ", 9)
    pieces = [piece async for piece in inputs.read("/made/fox/default/0.png", found.version)]
    assert pieces == [b"a picture"]
    for name in ("/made/none.png", "/made", f"/{account.name}/fox/default/0.png"):
        assert await inputs.head(name, most=2) is None
        with pytest.raises(StaleVersion):
            await anext(aiter(inputs.read(name, found.version)))


async def test_a_store_that_does_not_answer_is_told() -> None:
    address = StorageAddress(f"{AZURITE};BlobEndpoint=http://127.0.0.1:9/{ACCOUNT}")
    wire = wire_to(address, StorageTuning(retries=0))
    blobs = RestBlobs(wire, f"{address.url('blob')}/inputs")
    with pytest.raises(StoreUnavailable, match="ClientConnectorError: Cannot connect"):
        await Inputs(blobs, blobs, "images").read_text("a", max_bytes=9)
    await wire.close()
