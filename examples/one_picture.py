"""Submit one job, wait for it, and save its picture to a file.

Set ImageStorage to a connection string, or set its two URLs and use an identity.
"""

from pathlib import Path

from image_jobs.client import ImageJobs, JobEnded, Rejected

with ImageJobs() as jobs:
    try:
        receipt = jobs.submit("a fox in the snow", size="1536x1024", quality="low")
        done = jobs.result(receipt, within=300)
    except Rejected as rejection:
        raise SystemExit("\n".join(map(str, rejection.faults))) from rejection
    except JobEnded as ended:
        raise SystemExit(str(ended)) from ended
    (image,) = done.images
    jobs.save(image, Path("fox.png"))
    print(f"fox.png: {image.width}x{image.height}, ${done.costs.cost_usd:.4f}")
