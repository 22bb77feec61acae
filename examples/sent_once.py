"""Send a job in such a way that no crash, time-out or retry of yours makes it twice.

The id is made before anything is sent. Keep the job first (in your database, here in a file), then
send it, as often as it takes: the app knows it again.
"""

from pathlib import Path

from image_jobs.client import ImageJobs, Job, NotSubmitted

kept = Path("order.json")

with ImageJobs() as jobs:
    if not kept.exists():
        order = jobs.prepare("a fox in the snow", quality="low", tags={"order": "4711"})
        kept.write_bytes(order.to_json())
    order = Job.model_validate_json(kept.read_bytes())
    for _ in range(2):  # the second is what a retry would do
        try:
            receipt = jobs.submit(order)
        except NotSubmitted as error:
            print(f"again later: {error}")
    done = jobs.result(receipt, within=300)
    print(f"{order.job_id}: {done.costs.attempts} call paid for")
