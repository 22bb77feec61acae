"""Blocks on their way into storage: a bounded pool of reusable buffers, and the body they make.

All writers of a process share one pool, so that what pictures take of memory is bounded however
many arrive at once: docs/benchmarks.md has figures. A writer that
finds the pool empty waits, and its reply waits with it (TCP tells the endpoint to slow down).
A block is either being filled or being sent, and sending needs no other block: there is no
deadlock.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

#: What a body hands over at once, bytes. aiohttp encrypts what it is given in one go: larger
#: pieces cost memory and stall the event loop, smaller ones cost CPU.
SLICE_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class BlockSizes:
    """How pictures are cut; measured for one and for 64 pictures at once.

    Larger blocks save requests and cost memory; more of them in flight gains nothing on a fast
    network.
    """

    #: Size of a block, bytes.
    block_bytes: int = 1 << 20
    #: Blocks of one picture being sent at once.
    in_flight: int = 2
    #: Blocks of all pictures of the process, being filled or sent.
    pool: int = 16


class Block:
    """A buffer, filled from the front."""

    __slots__ = ("_memory", "used")

    def __init__(self, size: int) -> None:
        self._memory = memoryview(bytearray(size))
        self.used = 0

    @property
    def full(self) -> bool:
        """Whether nothing more fits."""
        return self.used == len(self._memory)

    @property
    def bytes(self) -> memoryview:
        """What it holds; no copy."""
        return self._memory[: self.used]

    def take(self, data: memoryview) -> memoryview:
        """Copy in what fits and return the rest."""
        fits = min(len(data), len(self._memory) - self.used)
        self._memory[self.used : self.used + fits] = data[:fits]
        self.used += fits
        return data[fits:]


class BlockPool:
    """The buffers of the process, made as they are needed and used again."""

    def __init__(self, size: int, count: int) -> None:
        self._size = size
        self._free: list[Block] = []
        self._left = asyncio.Semaphore(count)
        #: Blocks that writers hold.
        self.out = 0

    async def take(self) -> Block:
        """Return an empty block, when there is one."""
        await self._left.acquire()
        self.out += 1
        block = self._free.pop() if self._free else Block(self._size)
        block.used = 0
        return block

    def give_back(self, block: Block, *, reusable: bool) -> None:
        """Take a block back.

        One whose sending was cut short or repeated is not used again: the connection it was cut on
        may still hold, unsent, views into its memory, and would send the next picture's bytes
        under this one's name.
        """
        if reusable:
            self._free.append(block)
        self.out -= 1
        self._left.release()


class BlockBody:
    """A block as a request body: in slices, and from the start again when the SDK repeats it."""

    def __init__(self, block: Block) -> None:
        self._bytes = block.bytes
        #: How often it was, or began to be, sent.
        self.sendings = 0

    def __len__(self) -> int:
        return len(self._bytes)

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        self.sendings += 1
        for start in range(0, len(self._bytes), SLICE_BYTES):
            if start:  # the kernel takes a whole block at once: let others have their turn
                await asyncio.sleep(0)
            yield self._bytes[start : start + SLICE_BYTES]
