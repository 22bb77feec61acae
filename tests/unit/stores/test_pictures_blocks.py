"""Blocks on their way into storage: bounded buffers, and bodies that can be repeated."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.stores.pictures import SLICE_BYTES, Block, BlockBody, BlockPool


@given(st.integers(1, 64), st.lists(st.binary(max_size=40), max_size=8))
def test_a_block_takes_what_fits_and_returns_the_rest(size: int, pieces: list[bytes]) -> None:
    block, rests = Block(size), b""
    for piece in pieces:
        rests += bytes(block.take(memoryview(piece)))
    assert bytes(block.bytes) + rests == b"".join(pieces)
    assert block.full is (len(b"".join(pieces)) >= size)


@pytest.mark.parametrize("length", [0, 1, SLICE_BYTES, 2 * SLICE_BYTES + 1])
async def test_a_body_is_the_same_each_time_it_is_sent(length: int) -> None:
    block = Block(max(1, length))
    block.take(memoryview(bytes(range(256)) * (length // 256 + 1))[:length])
    body = BlockBody(block)
    first, second = [[bytes(part) async for part in body] for _ in range(2)]
    assert b"".join(first) == bytes(block.bytes)
    assert first == second
    assert max(map(len, first), default=0) <= SLICE_BYTES
    assert (len(body), body.sendings) == (length, 2)


async def test_no_more_blocks_are_out_than_the_pool_has() -> None:
    pool = BlockPool(8, 2)
    first, _ = await pool.take(), await pool.take()
    waiting = asyncio.ensure_future(pool.take())
    await asyncio.sleep(0)
    assert (waiting.done(), pool.out) == (False, 2)
    pool.give_back(first, reusable=True)
    assert await waiting is first
    assert pool.out == 2


async def test_a_block_that_comes_back_is_empty_again() -> None:
    pool = BlockPool(8, 1)
    block = await pool.take()
    block.take(memoryview(b"picture"))
    pool.give_back(block, reusable=True)
    again = await pool.take()
    assert again is block
    assert bytes(again.bytes) == b""


async def test_a_block_that_was_cut_off_is_not_used_again_and_leaves_its_place() -> None:
    pool = BlockPool(8, 1)
    block = await pool.take()
    pool.give_back(block, reusable=False)
    assert await pool.take() is not block
    assert pool.out == 1
