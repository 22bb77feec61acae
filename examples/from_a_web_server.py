"""Ask for pictures from asynchronous code, and pass one on as it arrives, never holding it whole.

pip install 'image-jobs[aio]'
"""

import asyncio
import sys

from image_jobs.client import AsyncImageJobs


async def main() -> None:
    """Ask for two pictures side by side and stream the first to stdout's stand-in."""
    async with AsyncImageJobs() as jobs:
        receipts = await jobs.submit_many(["a fox in the snow", "an owl in the snow"])
        first, _ = await asyncio.gather(*(jobs.result(each, within=300) for each in receipts))
        passed_on = 0
        async for chunk in jobs.open(first.images[0]):
            passed_on += len(chunk)  # or: await response.write(chunk)
        sys.stdout.write(f"{passed_on} bytes of {first.images[0].blob}\n")


asyncio.run(main())
