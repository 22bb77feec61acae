"""For services that ask for pictures: `ImageJobs`, `AsyncImageJobs`, and what they answer with.

Published as the wheel `image-jobs`, where this is `image_jobs.client`. What stands in `__all__` is
kept stable; the rest of the wheel is the app's own core.
"""

from ..entries import Entry
from ..errors import (
    ConflictingJob,
    Fault,
    ImageJobsError,
    InvalidJob,
    Misconfigured,
    Rejected,
    StoreUnavailable,
    UnsupportedRequest,
)
from ..event_data import Image
from ..jobs import Job
from ..records import JobState
from ..transitions import IllegalStep
from .answers import Event, Quote, Receipt, Status
from .asynchronous import AsyncImageJobs
from .dead_letters import Letter, NotAMessage
from .failures import DamagedPicture, JobEnded, NoSuchBlob, NoSuchJob, NotSubmitted, StillRunning
from .synchronous import ImageJobs

__all__ = [
    "AsyncImageJobs",
    "ConflictingJob",
    "DamagedPicture",
    "Entry",
    "Event",
    "Fault",
    "IllegalStep",
    "Image",
    "ImageJobs",
    "ImageJobsError",
    "InvalidJob",
    "Job",
    "JobEnded",
    "JobState",
    "Letter",
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
