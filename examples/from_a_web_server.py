"""Submit jobs from asynchronous code, and pass a picture on without loading it into memory.

It needs the extra `aio` of the wheel.
"""

import asyncio
import sys

from image_jobs.client import AsyncImageJobs


async def main() -> None:
    """Submit two jobs together and stream the first picture."""
    async with AsyncImageJobs() as jobs:
        receipts = await jobs.submit_many(["a fox in the snow", "an owl in the snow"])
        first, _ = await asyncio.gather(*(jobs.result(each, within=300) for each in receipts))
        sent = 0
        async for chunk in jobs.open(first.images[0]):
            sent += len(chunk)  # or: await response.write(chunk)
        sys.stdout.write(f"{sent} bytes of {first.images[0].blob}\n")


asyncio.run(main())
