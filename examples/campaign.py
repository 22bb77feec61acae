"""Submit the jobs of a campaign together, and read the results from a reply queue.

The app must allow the reply queue (REPLY_QUEUES=replies-*), and the queue must exist. An event is
deleted when the next one is requested. If this program stops, it gets the last event again.
"""

from image_jobs.client import ImageJobs

ANIMALS = ["a fox", "an owl", "a hare"]

with ImageJobs() as jobs:
    receipts = jobs.submit_many(
        {
            "prompt": f"{animal} in the snow, flat colours",
            "quality": "low",
            "reply_to": "replies-campaign",
            "tags": {"animal": animal},
        }
        for animal in ANIMALS
    )
    waiting = {receipt.job_id for receipt in receipts}
    for event in jobs.events("replies-campaign", idle=120):
        print(event.type, event.data["tags"]["animal"], *(image.url for image in event.images))
        waiting.discard(event.job_id)
        if not waiting:
            break
