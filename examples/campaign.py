"""Ask for a campaign's pictures at once, and take the results off a queue of one's own.

The app must allow the reply queue (REPLY_QUEUES=replies-*), and the queue must exist. Each event is
deleted when the next one is asked for; if this program dies, those it had not done with come again.
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
