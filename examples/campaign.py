"""Submit the jobs of a campaign together, and read the results from a reply queue.

The app must allow the queue REPLY_QUEUE (REPLY_QUEUES=replies-*), and it must exist. An event is
deleted when the next one is requested. If this program stops, it gets the last event again.
"""

import os

from image_jobs.client import ImageJobs

REPLIES = os.environ["REPLY_QUEUE"]
ANIMALS = ["a fox", "an owl", "a hare"]

with ImageJobs() as jobs:
    receipts = jobs.submit_many(
        {
            "prompt": f"{animal} in the snow, flat colours",
            "quality": "low",
            "reply_to": REPLIES,
            "tags": {"animal": animal},
        }
        for animal in ANIMALS
    )
    waiting = {receipt.job_id for receipt in receipts}
    for event in jobs.events(REPLIES, idle=120):
        print(event.type, event.data["tags"]["animal"], *(image.url for image in event.images))
        waiting.discard(event.job_id)
        if not waiting:
            break
