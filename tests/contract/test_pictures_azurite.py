"""What only real blobs can show: labels, buffers, repeats and failures."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from local.stack.azurite import KEY
from shared.adapters.storage.account import StorageAddress
from shared.adapters.storage.blobs import RestBlobs
from shared.errors import NameTaken, StoreUnavailable
from shared.ports import StoredPicture
from shared.stores.pictures import (
    MAX_METADATA_BYTES,
    MAX_TAGS,
    BlockSizes,
    Pictures,
    index_tags,
    picture_metadata,
)
from tests.contract.conftest import Account, wire_to
from tests.contract.test_pictures import BLOCK, NAME, SIZES, facts, some_bytes

type Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def storage_that(answers: Answer) -> AsyncIterator[Pictures]:
    """A container on a storage service that answers as told."""
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", answers)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    address = StorageAddress(
        f"AccountName=a;AccountKey={KEY};BlobEndpoint=http://{host}:{port}/a;"
        f"DefaultEndpointsProtocol=http"
    )
    wire = wire_to(address)
    try:
        yield Pictures(RestBlobs(wire, f"{address.url('blob')}/images"), SIZES)
    finally:
        await wire.close()
        await runner.cleanup()


async def test_labels_of_any_text_are_kept(account: Account) -> None:
    container = await account.container()
    pictures = Pictures(account.block_blobs, SIZES)
    writer = pictures.create(NAME)
    await writer.write(b"picture")
    labels = {"tag_city": " Zürich 50% ", "tag-kind": "a,b=c", "1st": "x", "empty": ""}
    await writer.commit(facts(b"picture"), labels)
    properties = await container.get_blob_client(NAME).get_blob_properties()
    assert properties.content_settings.content_type == "image/png"
    assert {key.lower(): value for key, value in properties.metadata.items()} == {
        "sha256": facts(b"picture").sha256,
        "width": "1536",
        "height": "1024",
        "bytes": "7",
        "tag_city": "%20Z%C3%BCrich%2050%25%20",
        "tag_kind": "a,b=c",
        "_1st": "x",
    }


def test_labels_that_do_not_fit_are_left_out_and_the_facts_are_not() -> None:
    labels = {f"tag_{number}": "é" * 200 for number in range(20)}
    metadata = picture_metadata(facts(b"x"), labels)
    assert sum(len(name) + len(value) for name, value in metadata.items()) <= MAX_METADATA_BYTES
    assert {"sha256", "width", "height", "bytes", "tag_0"} <= metadata.keys()


async def test_a_blob_somebody_else_put_there_is_told(account: Account) -> None:
    container = await account.container()
    await container.upload_blob(NAME, b"theirs")
    with pytest.raises(NameTaken, match="no picture of this app"):
        await Pictures(account.block_blobs, SIZES).find(NAME)


async def test_the_picture_of_another_job_is_never_taken_or_overwritten(account: Account) -> None:
    await account.container()
    pictures = Pictures(account.block_blobs, SIZES)
    ours = {"job_id": "fox", "fingerprint": "1"}
    first = await store(pictures, ours)
    assert await pictures.find(NAME, ours) == first
    assert await store(pictures, ours) == first
    for other in ({"job_id": "fox", "fingerprint": "2"}, {"job_id": "wolf", "fingerprint": "1"}):
        with pytest.raises(NameTaken, match=r"job 'fox' with other content.*use a new job_id"):
            await pictures.find(NAME, other)
        with pytest.raises(NameTaken, match="never overwritten"):
            await store(pictures, other)


async def test_a_container_that_is_gone_is_no_missing_picture(account: Account) -> None:
    with pytest.raises(StoreUnavailable, match="ContainerNotFound"):
        await Pictures(account.block_blobs, SIZES).find(NAME)


async def store(pictures: Pictures, labels: dict[str, str]) -> StoredPicture:
    writer = pictures.create(NAME)
    await writer.write(b"x")
    return await writer.commit(facts(b"x"), labels)


async def test_more_pictures_than_buffers_all_get_through(account: Account) -> None:
    await account.container()
    pictures = Pictures(account.block_blobs, BlockSizes(BLOCK, in_flight=2, pool=2))

    async def store(number: int) -> None:
        data = some_bytes(4 * BLOCK, seed=number + 1)
        writer = pictures.create(f"{number}.png")
        await writer.write(data)
        await writer.commit(facts(data), {})

    await asyncio.gather(*(store(number) for number in range(6)))
    assert pictures.pool.out == 0
    assert all([await pictures.find(f"{number}.png") for number in range(6)])


async def test_a_block_that_is_sent_again_is_sent_whole() -> None:
    staged: dict[str, list[bytes]] = {}

    async def busy_at_first(request: web.Request) -> web.Response:
        body = await request.read()
        tries = staged.setdefault(request.query.get("blockid", request.query.get("comp", "")), [])
        tries.append(body)
        return web.Response(status=503 if len(tries) == 1 else 201, headers={"etag": '"1"'})

    data = some_bytes(3 * BLOCK)
    async with storage_that(busy_at_first) as pictures:
        writer = pictures.create(NAME)
        await writer.write(data)
        await writer.commit(facts(data), {})
        assert pictures.pool.out == 0
    blocks = [tries for key, tries in sorted(staged.items()) if key != "blocklist"]
    assert all(first == second for first, second in blocks)
    assert b"".join(second for _, second in blocks) == data


async def test_a_block_that_cannot_be_staged_fails_the_picture_and_frees_its_buffers() -> None:
    async def full(_request: web.Request) -> web.Response:
        return web.Response(status=403, headers={"x-ms-error-code": "AuthorizationFailure"})

    data = some_bytes(8 * BLOCK)
    async with storage_that(full) as pictures:
        writer = pictures.create(NAME)
        with pytest.raises(
            StoreUnavailable, match=r"staging .* 403 AuthorizationFailure; the app's"
        ):
            await writer.write(data)
        await writer.abandon()
        assert pictures.pool.out == 0
        writer = pictures.create(NAME)
        await writer.write(data[: 2 * BLOCK])
        with pytest.raises(StoreUnavailable, match="403"):
            await writer.commit(facts(data[: 2 * BLOCK]), {})
        assert pictures.pool.out == 0


async def test_abandoning_does_not_wait_for_a_store_that_hangs() -> None:
    reached, never = asyncio.Event(), asyncio.Event()

    async def hangs(_request: web.Request) -> web.Response:
        reached.set()
        await never.wait()
        return web.Response(status=201)

    async with storage_that(hangs) as pictures:
        writer = pictures.create(NAME)
        await writer.write(some_bytes(2 * BLOCK))
        await reached.wait()
        await writer.abandon()
        assert pictures.pool.out == 0
        never.set()


async def test_a_writer_cancelled_at_any_moment_gives_its_buffers_back() -> None:
    never = asyncio.Event()

    async def hangs(_request: web.Request) -> web.Response:
        await never.wait()
        return web.Response(status=201)

    async def store(pictures: Pictures) -> None:
        writer = pictures.create(NAME)
        try:
            await writer.write(some_bytes(9 * BLOCK))
        finally:
            await writer.abandon()

    async with storage_that(hangs) as pictures:
        for turns in range(12):
            task = asyncio.create_task(store(pictures))
            for _ in range(turns):
                await asyncio.sleep(0)  # one turn of the loop, no time
            task.cancel()
            await asyncio.wait([task])
            assert pictures.pool.out == 0
        never.set()


async def test_blocks_that_another_commit_discarded_are_looked_for_in_its_picture() -> None:
    async def discarded(request: web.Request) -> web.Response:
        if request.method == "HEAD":
            kept = picture_metadata(facts(b"theirs"), {})
            named = {f"x-ms-meta-{key}": value for key, value in kept.items()}
            return web.Response(headers=named | {"content-type": "image/png", "etag": '"1"'})
        if request.query.get("comp") == "blocklist":
            return web.Response(status=400, headers={"x-ms-error-code": "InvalidBlockList"})
        return web.Response(status=201)

    data = some_bytes(2 * BLOCK)
    async with storage_that(discarded) as pictures:
        writer = pictures.create(NAME)
        await writer.write(data)
        stored = await writer.commit(facts(data), {})
    assert stored.facts == facts(b"theirs")


@pytest.mark.parametrize("size", [1, 7], ids=str)
async def test_a_small_picture_is_stored_where_blocks_of_a_dead_attempt_lie(
    account: Account, size: int
) -> None:
    await account.container()
    pictures = Pictures(account.block_blobs, SIZES)
    dead = pictures.create(NAME)
    await dead.write(some_bytes(3 * BLOCK))
    await asyncio.wait(dead._staging)
    data = some_bytes(size)
    writer = pictures.create(NAME)
    await writer.write(data)
    stored = await writer.commit(facts(data), {})
    await dead.abandon()
    assert stored.facts == facts(data)
    assert await pictures.find(NAME) == stored


@pytest.mark.parametrize(
    ("code", "sentence"),
    [("InvalidBlockList", "were discarded"), ("InvalidInput", "400 InvalidInput")],
)
async def test_a_picture_that_cannot_be_committed_is_told(code: str, sentence: str) -> None:
    async def refuses(request: web.Request) -> web.Response:
        if request.method == "HEAD":
            return web.Response(status=404)
        refused = request.query.get("comp") == "blocklist"
        return web.Response(status=400 if refused else 201, headers={"x-ms-error-code": code})

    async with storage_that(refuses) as pictures:
        writer = pictures.create(NAME)
        await writer.write(some_bytes(2 * BLOCK))
        with pytest.raises(StoreUnavailable, match=sentence):
            await writer.commit(facts(b"x"), {})


@pytest.mark.parametrize("size", [10, 3 * SIZES.block_bytes + 1])
async def test_a_picture_is_found_by_its_tags(account: Account, size: int) -> None:
    container = await account.container()
    writer = Pictures(account.block_blobs, SIZES).create(NAME)
    body = bytes(size)
    await writer.write(body)
    labels = {
        "tag_campaign": "winter%20sale", "tag_city": "Z%C3%BCrich", "tag_model": "mine",
        "job_id": "fox-1", "model": "gpt-image-2", "locale": "pt-BR", "attempt": "1",
    }  # fmt: skip
    await writer.commit(facts(body), labels)
    assert await container.get_blob_client(NAME).get_blob_tags() == {
        "job_id": "fox-1",
        "model": "gpt-image-2",
        "locale": "pt-BR",
        "campaign": "winter sale",
    }


def test_no_more_tags_are_sent_than_a_blob_holds() -> None:
    labels = {f"tag_t{number}": "x" for number in range(20)} | {"job_id": "fox", "locale": ""}
    tags = index_tags(labels)
    assert len(tags) == MAX_TAGS
    assert next(iter(tags)) == "job_id"


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AuthorizationPermissionMismatch"), (409, "BlobTagsNotSupportedForAccountType")],
)
@pytest.mark.parametrize("size", [10, 3 * SIZES.block_bytes + 1])
async def test_a_paid_picture_is_kept_where_its_tags_are_refused(
    status: int, code: str, size: int
) -> None:
    kept: list[str] = []

    async def answers(request: web.Request) -> web.Response:
        await request.read()
        if "x-ms-tags" in request.headers:
            return web.Response(status=status, headers={"x-ms-error-code": code})
        kept.append(request.headers.get("x-ms-meta-index_tags", ""))
        return web.Response(status=201, headers={"etag": '"1"'})

    async with storage_that(answers) as pictures:
        writer = pictures.create(NAME)
        await writer.write(bytes(size))
        stored = await writer.commit(facts(bytes(size)), {"job_id": "fox-1"})
    assert stored.name == NAME
    assert kept[-1] == f"refused, {status} {code}"
