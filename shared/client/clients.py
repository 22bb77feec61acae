"""`ImageJobs` and `AsyncImageJobs`: submit jobs. `Operator`: for those who run the app.

Each is written once, as coroutines (`AsyncImageJobs` needs the extra `aio`). The others are these
over the synchronous side of the SDK: a coroutine over it never waits for an event loop, so each of
their methods runs one to its end (docs/decisions/0010).
"""

from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from datetime import timedelta
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Literal, Self, Unpack

from ..batches.record import BatchRecord
from ..errors import ImageJobsError
from ..events.data import Image
from ..jobs.job import Job
from ..records.commands import Action
from ..records.index_entry import IndexEntry, JobFilter
from ..records.record import JobState
from . import batches, events, jobs, submission
from .batches import SubmittedBatch
from .caller import Caller
from .connection import ASYNC, SYNC, Connection, attempt, run_coroutine, run_generator
from .events import Event
from .jobs import COMMAND_SECONDS
from .operators import AsyncOperator
from .results import JobEnded, Quote, Receipt, Status
from .submission import JobFields


class AsyncImageJobs(Caller):
    """Everything a service does with Image Jobs. Use it on one event loop; close it.

    `Caller` says what its arguments mean.
    """

    _side = ASYNC

    @property
    def operator(self) -> AsyncOperator:
        """For those who run the app: dead letters, ledgers, and a check of everything."""
        return AsyncOperator(self._connection)

    async def estimate(
        self, asked: str | Job | Mapping[str, Any] = "", /, **fields: Unpack[JobFields]
    ) -> Quote:
        """Return the plans and the cost of a job; nothing is sent."""
        return await submission.estimate(self.prepare(asked, **fields), self._connection)

    async def upload(self, picture: bytes, /) -> str:
        """Put a picture to edit, or a mask, where a job can name it, and return that name.

        The same bytes again are the same name. Raises `InvalidJob` if no edit could use them.
        """
        return await submission.upload_picture(picture, self._connection)

    async def submit(
        self, asked: str | Job | Mapping[str, Any] = "", /, **fields: Unpack[JobFields]
    ) -> Receipt:
        """Validate a job and put it on the queue.

        Raises `Rejected` with every fault (nothing is sent), or `NotSubmitted`, whose `jobs` can be
        submitted again: they have their ids, and nothing is made twice.
        """
        job = self.prepare(asked, **fields)
        return (await submission.submit([job], self._connection))[0]

    async def submit_many(self, asked: Iterable[str | Job | Mapping[str, Any]], /) -> list[Receipt]:
        """Validate all jobs, then put them on the queue; none is sent when one has a fault."""
        prepared = [self.prepare(each) for each in asked]
        return await submission.submit(prepared, self._connection)

    async def submit_batch(
        self, manifest: bytes, name: str, /, *, anew: str = "", tenant: str | None = None
    ) -> SubmittedBatch:
        """Start a batch: every entry of the file is a job (`docs/batches.md`).

        `tenant` is that of all its jobs. Raises `AlreadyExists` if the same file was sent before;
        `anew`, any word, makes it another.
        """
        return await batches.submit_batch(
            manifest, name, self._connection, anew=anew, tenant=tenant
        )

    async def batch(self, batch_id: str, /) -> BatchRecord | None:
        """Return the record of a batch, of a file or a list; None when the app knows of none."""
        return await batches.read_batch(batch_id, self._connection)

    async def wait_for_batch(
        self,
        batch_id: str,
        /,
        *,
        within: float | None = None,
        seen: Callable[[BatchRecord | None], None] | None = None,
    ) -> BatchRecord:
        """Return a batch once its last job has ended; call `seen` with each record until then."""
        return await batches.wait_for_batch(batch_id, self._connection, within=within, seen=seen)

    async def status(self, job: str | Receipt, /) -> Status:
        """Return the state of a job; raises `NoSuchJob` when nothing is known of it, or not yet."""
        return await jobs.read_status(job, self._connection)

    async def status_many(self, whose: Sequence[str | Receipt], /) -> list[Status | ImageJobsError]:
        """Return for each job, in order, its status or the error that `status` would raise."""
        return await self._connection.gather(
            attempt(jobs.read_status(each, self._connection)) for each in whose
        )

    async def cancel(
        self,
        job: str | Receipt,
        /,
        *,
        result: Literal["keep", "drop"] = "keep",
        reason: str = "",
        within: float = COMMAND_SECONDS,
    ) -> Status:
        """Cancel what was not paid for yet, and return the job once that is done.

        `result` says whether pictures that are being made are kept. Raises `IllegalStep` when
        nothing is left to cancel, `StillRunning` when it is not done `within` so many seconds.
        """
        return await jobs.send_command(
            job, Action.CANCEL, self._connection, within=within, result=result, reason=reason
        )

    async def release(self, job: str | Receipt, /, *, within: float = COMMAND_SECONDS) -> Status:
        """Let a parked job go on, though it may have been paid for; raises as `cancel`."""
        return await jobs.send_command(job, Action.RELEASE, self._connection, within=within)

    async def fail(
        self, job: str | Receipt, /, *, reason: str = "", within: float = COMMAND_SECONDS
    ) -> Status:
        """End a parked job as failed; raises as `cancel`."""
        return await jobs.send_command(
            job, Action.FAIL, self._connection, within=within, reason=reason
        )

    async def approve(
        self, job: str | Receipt, /, *, reason: str = "", within: float = COMMAND_SECONDS
    ) -> Status:
        """Approve the pictures of a job that awaits review; raises as `cancel`."""
        return await jobs.send_command(
            job, Action.APPROVE, self._connection, within=within, reason=reason
        )

    async def reject(
        self, job: str | Receipt, /, *, reason: str = "", within: float = COMMAND_SECONDS
    ) -> Status:
        """Reject the pictures of a job that awaits review; raises as `cancel`."""
        return await jobs.send_command(
            job, Action.REJECT, self._connection, within=within, reason=reason
        )

    async def replay(
        self,
        job: str | Receipt,
        /,
        *,
        pictures: Literal["keep", "remake"] = "keep",
        within: float = COMMAND_SECONDS,
    ) -> Status:
        """Begin a failed, parked or cancelled job again; raises as `cancel`.

        Existing pictures are kept, or made again under new names.
        """
        return await jobs.send_command(
            job, Action.REPLAY, self._connection, within=within, pictures=pictures
        )

    async def erase(self, job: str | Receipt, /, *, within: float = COMMAND_SECONDS) -> Status:
        """Delete the personal data of a job that has ended, and return what is left of it.

        `record.erased` of the status names what was deleted and what may be left elsewhere. Raises
        `IllegalStep` for a job that has not ended: cancel it first.
        """
        return await jobs.send_command(job, Action.ERASE, self._connection, within=within)

    async def erase_many(
        self, *, tenant: str | None = None, tag: tuple[str, str] | None = None
    ) -> list[Status | ImageJobsError]:
        """Erase all jobs of a tenant, or with a tag, and return for each its status or its error.

        Raises `ValueError` where neither is given: nobody erases all jobs by accident.
        """
        if tenant is None and tag is None:
            raise ValueError("give a tenant or a tag: without them, all jobs would be erased")
        wanted = JobFilter(tenant=tenant, tag=tag)
        return await jobs.erase_all(wanted, self._connection)

    async def newest(
        self, *, limit: int = 20, state: JobState | None = None, tenant: str | None = None
    ) -> list[IndexEntry]:
        """List the newest jobs, of a state or a tenant if given, without reading their records."""
        limit = min(limit, jobs.MOST_LISTED)
        wanted = JobFilter(state=state, tenant=tenant)
        return list((await self._connection.index.page(limit=limit, wanted=wanted)).entries)

    async def wait(self, job: str | Receipt, /, *, within: float | None = None) -> Status:
        """Return once the job has ended, well or not; `StillRunning` after `within` seconds.

        With the receipt, a job that the app rejected raises `Rejected` with every fault.
        """
        return await jobs.wait_for_job(job, self._connection, within=within)

    async def result(self, job: str | Receipt, /, *, within: float | None = None) -> Status:
        """Wait for all of a job's pictures; `JobEnded` when it ended without them."""
        status = await jobs.wait_for_job(job, self._connection, within=within)
        if not status.succeeded:
            raise JobEnded(status)
        return status

    def events(
        self,
        queue: str | None = None,
        /,
        *,
        idle: float | None = None,
        hidden_seconds: int = 300,
    ) -> AsyncGenerator[Event]:
        """Yield events of the events queue or a reply queue, until none comes for `idle` seconds.

        An event is deleted when the next one is asked for: a caller that stops or raises before
        that gets it again, after `hidden_seconds` at the latest.
        """
        return events.receive_events(
            queue or self.app.settings.events_queue,
            self._connection,
            idle=idle,
            hidden=timedelta(seconds=hidden_seconds),
        )

    def open(self, image: Image, /) -> AsyncGenerator[bytes]:
        """Yield a picture's bytes in pieces, checked at the end; `DamagedPicture` if wrong."""
        return jobs.read_picture(image, self._connection)

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def in_sync[**P, T](
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, P], T]:
    """Return a method that runs a coroutine method, with its parameters and its docstring."""

    @wraps(method)
    def run(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:  # noqa: ANN401 (either client)
        return run_coroutine(method(self, *args, **kwargs))

    return run


def one_by_one[**P, T](
    method: Callable[Concatenate[Any, P], AsyncGenerator[T]],
) -> Callable[Concatenate[Any, P], Generator[T]]:
    """Return a method that yields what an asynchronous one yields."""

    @wraps(method)
    def run(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Generator[T]:  # noqa: ANN401 (as above)
        return run_generator(method(self, *args, **kwargs))

    return run


class Operator:
    """Dead letters, ledgers, and a check of everything that the app needs."""

    def __init__(self, connection: Connection) -> None:
        self._app = connection

    pools = in_sync(AsyncOperator.pools)
    today = in_sync(AsyncOperator.today)
    calls = in_sync(AsyncOperator.calls)
    backlog = in_sync(AsyncOperator.backlog)
    check_pictures = in_sync(AsyncOperator.check_pictures)
    dead_letters = in_sync(AsyncOperator.dead_letters)
    dead_letter = in_sync(AsyncOperator.dead_letter)
    send_again = in_sync(AsyncOperator.send_again)
    purge = in_sync(AsyncOperator.purge)
    check = one_by_one(AsyncOperator.check)


class ImageJobs(Caller):
    """Everything a service does with Image Jobs. Threads may share one; close it at the end.

    `Caller` says what its arguments mean.
    """

    _side = SYNC

    @property
    def operator(self) -> Operator:
        """For those who run the app: dead letters, ledgers, and a check of everything."""
        return Operator(self._connection)

    estimate = in_sync(AsyncImageJobs.estimate)
    upload = in_sync(AsyncImageJobs.upload)
    submit = in_sync(AsyncImageJobs.submit)
    submit_many = in_sync(AsyncImageJobs.submit_many)
    submit_batch = in_sync(AsyncImageJobs.submit_batch)
    batch = in_sync(AsyncImageJobs.batch)
    wait_for_batch = in_sync(AsyncImageJobs.wait_for_batch)
    status = in_sync(AsyncImageJobs.status)
    status_many = in_sync(AsyncImageJobs.status_many)
    cancel = in_sync(AsyncImageJobs.cancel)
    release = in_sync(AsyncImageJobs.release)
    approve = in_sync(AsyncImageJobs.approve)
    reject = in_sync(AsyncImageJobs.reject)
    fail = in_sync(AsyncImageJobs.fail)
    replay = in_sync(AsyncImageJobs.replay)
    erase = in_sync(AsyncImageJobs.erase)
    erase_many = in_sync(AsyncImageJobs.erase_many)
    newest = in_sync(AsyncImageJobs.newest)
    wait = in_sync(AsyncImageJobs.wait)
    result = in_sync(AsyncImageJobs.result)
    events = one_by_one(AsyncImageJobs.events)
    open = one_by_one(AsyncImageJobs.open)
    close = in_sync(AsyncImageJobs.close)

    def save(self, image: Image, path: str | Path, /) -> None:
        """Keep a picture in a file, which is there whole or not at all; raises as `open` does."""
        jobs.save_picture(self.open(image), Path(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
