"""What cannot be left out: the raw copy, and what is promised of a job, without a line of the app.

Every byte is decoded from base64 and goes through SHA-256 (the event of a picture has its
digest), and beside the pictures go as many small requests as a job makes, one after the other. What
ours costs over this is the app's own code: parsing, deciding, copying, records.
"""

import hashlib
from typing import Final, override

import pybase64

from tests.benchmarks.orders import Order
from tests.benchmarks.ways import EVENTS, Addresses
from tests.benchmarks.ways.raw_copy import RawCopy

#: As many characters as a chunk can have: that it is always the same text costs no less.
_TEXT: Final = memoryview(b"A" * (1 << 18))
#: About what a record takes.
_RECORD: Final = b"{" + b" " * 2_000 + b"}"


class Least(RawCopy):
    def __init__(self, addresses: Addresses) -> None:
        super().__init__(addresses)
        self._digest = hashlib.sha256()
        self._jobs, self._pace = self.container("jobs"), self.container("pace")

    @override
    async def make(self, order: Order) -> None:
        record, opened = f"{order.key}.json", f"open/{order.key}"
        await self._jobs.put(opened, b"")
        await self._jobs.put(record, _RECORD)
        await self.queues.send(EVENTS, order.key.encode())
        await self._jobs.read(record)
        await self.blobs.find(f"{order.key}/default/0.png")
        await self._pace.put("pool.json", _RECORD)
        await self._jobs.put(record, _RECORD)
        await super().make(order)  # the event is the last thing that it does
        await self._jobs.put(record, _RECORD)
        await self.blobs.put(f"{order.key}/job.json", _RECORD)
        await self._jobs.put(record, _RECORD)
        await self._jobs.put(f"ended/{order.key}", b"")
        await self._jobs.delete(opened)

    @override
    def see(self, chunk: bytes) -> None:
        text = _TEXT[: len(chunk) & ~3]
        self._digest.update(pybase64.b64decode(text, validate=True))
