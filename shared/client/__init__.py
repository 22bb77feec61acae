"""For services that submit jobs: `ImageJobs`, `AsyncImageJobs`, and what they return.

Published as the wheel `image-jobs`, where this is `image_jobs.client`. The names in `__all__` are
kept stable; the rest of the wheel is the app's own core.
"""

from ..errors import (
    ConflictingJob,
    Fault,
    IllegalStep,
    ImageJobsError,
    InvalidJob,
    Misconfigured,
    Rejected,
    StoreUnavailable,
    UnsupportedRequest,
)
from ..events.data import Image
from ..jobs.job import Job
from ..records.dead_letter import DeadLetter
from ..records.index_entry import IndexEntry
from ..records.record import JobState
from .clients import AsyncImageJobs, ImageJobs
from .events import Event
from .operators import NotAMessage
from .results import (
    DamagedPicture,
    JobEnded,
    NoSuchBlob,
    NoSuchJob,
    NotSubmitted,
    Quote,
    Receipt,
    Status,
    StillRunning,
)

__all__ = [
    "AsyncImageJobs",
    "ConflictingJob",
    "DamagedPicture",
    "DeadLetter",
    "Event",
    "Fault",
    "IllegalStep",
    "Image",
    "ImageJobs",
    "ImageJobsError",
    "IndexEntry",
    "InvalidJob",
    "Job",
    "JobEnded",
    "JobState",
    "Misconfigured",
    "NoSuchBlob",
    "NoSuchJob",
    "NotAMessage",
    "NotSubmitted",
    "Quote",
    "Receipt",
    "Rejected",
    "Status",
    "StillRunning",
    "StoreUnavailable",
    "UnsupportedRequest",
]
