import pytest

from shared.batches.manifest import unquoted
from shared.errors import StaleVersion
from shared.ports import Blobs
from shared.stores.manifests import Manifests

BODY = b"the first and the last"


@pytest.fixture
async def manifests(blobs: Blobs) -> Manifests:
    await blobs.put("a b/Küste.csv", BODY)
    return Manifests(blobs)


async def test_a_manifest_is_found_and_read_by_ranges(manifests: Manifests) -> None:
    found = await manifests.find("a b/Küste.csv")
    assert found is not None
    assert found.bytes == len(BODY)
    assert found.modified_at.tzinfo is not None
    version = unquoted(found.version)
    read = await manifests.read("a b/Küste.csv", version, start=4, length=5)
    assert read == BODY[4:9]
    rest = await manifests.read("a b/Küste.csv", version, start=9, length=999)
    assert rest == BODY[9:]


async def test_a_manifest_that_is_not_there_is_none(manifests: Manifests) -> None:
    assert await manifests.find("nothing.csv") is None
    with pytest.raises(StaleVersion):
        await manifests.read("nothing.csv", "1", start=0, length=1)


async def test_another_version_of_a_manifest_is_not_read(manifests: Manifests) -> None:
    found = await manifests.find("a b/Küste.csv")
    assert found is not None
    await manifests.blobs.put("a b/Küste.csv", b"another")
    with pytest.raises(StaleVersion, match="changed"):
        await manifests.read("a b/Küste.csv", unquoted(found.version), start=0, length=1)
