"""Pictures out of storage: in pieces or as a file, checked against the record."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.client import jobs
from shared.client.jobs import read_picture, save_picture
from shared.client.results import DamagedPicture, NoSuchBlob
from shared.events.data import Image
from tests.builders.connections import MemoryConnection

BODY = b"a picture of a fox"
IMAGE = Image(
    url="https://account.example/images/fox/default/0.png",
    blob="fox/default/0.png",
    container="images",
    locale=None,
    index=0,
    part=0,
    model="gpt-image-2",
    size="auto",
    content_type="image/png",
    width=1,
    height=1,
    bytes=len(BODY),
    sha256=hashlib.sha256(BODY).hexdigest(),
)


def with_picture(body: bytes = BODY) -> MemoryConnection:
    return MemoryConnection({f"images/{IMAGE.blob}": body})


async def read(app: MemoryConnection) -> list[bytes]:
    return [piece async for piece in read_picture(IMAGE, app)]


async def test_a_picture_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PIECE_BYTES", 5)
    pieces = await read(with_picture())
    assert len(pieces) == 4
    assert b"".join(pieces) == BODY


@pytest.mark.parametrize("body", [BODY[:-1], BODY[::-1]])
async def test_a_damaged_picture_is_an_error(body: bytes) -> None:
    with pytest.raises(DamagedPicture, match="instead of"):
        await read(with_picture(body))


async def test_a_picture_that_is_gone_is_an_error() -> None:
    with pytest.raises(NoSuchBlob):
        await read(MemoryConnection())


def test_a_picture_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    def damaged() -> Iterator[bytes]:
        yield BODY
        raise DamagedPicture("it has other bytes")

    file = tmp_path / "new" / "fox.png"
    with pytest.raises(DamagedPicture):
        save_picture(damaged(), file)
    assert list(file.parent.iterdir()) == []
    save_picture(iter([BODY[:5], BODY[5:]]), file)
    assert file.read_bytes() == BODY
