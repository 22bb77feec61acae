"""Submit a job so that no crash, time-out or retry of your program makes it twice.

The job has its id before it is sent. Store the job first (in your database, here in a file). Then
submit it, as often as needed: the app recognises it by its id.
"""

from pathlib import Path

from image_jobs.client import ImageJobs, Job, NotSubmitted

stored = Path("job.json")

with ImageJobs() as jobs:
    if not stored.exists():
        job = jobs.prepare("a fox in the snow", quality="low", tags={"order": "4711"})
        stored.write_bytes(job.to_json())
    job = Job.model_validate_json(stored.read_bytes())
    for _ in range(2):  # the second time does what a retry would do
        try:
            receipt = jobs.submit(job)
        except NotSubmitted as error:
            print(f"retry later: {error}")
    done = jobs.result(receipt, within=300)
    print(f"{job.job_id}: {done.costs.attempts} paid call")
