"""`AsyncImageJobs`: ask for pictures from a coroutine. Needs the extra `aio`.

`AsyncOperator`: what is for whoever runs the app, on an event loop.
"""

import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, Unpack

from ..batches.record import BatchRecord
from ..config.settings import Configuration
from ..errors import ImageJobsError
from ..events.data import Image
from ..jobs.commands import Action
from ..jobs.job import Job
from ..limits.pool_ledger import Ledger
from ..records.dead_letter import DeadLetter
from ..records.index_entry import IndexEntry
from ..records.record import JobState
from . import batches, checkup, control, dead_letters, download, following, ledger, submission
from .async_storage import AsyncStorage
from .batches import ManifestCheck, SubmittedBatch
from .checkup import Check
from .configuration import configured, environment
from .control import COMMAND_SECONDS
from .ledger import Today
from .results import Event, Quote, Receipt, Status
from .storage import Storage
from .submission import Wishes, job_from


class AsyncOperator:
    """Dead letters, ledgers, and a check of all that the app needs; of a client's account."""

    def __init__(self, storage: Storage, app: Configuration) -> None:
        self._storage = storage
        self._app = app

    async def pools(self) -> dict[str, Ledger]:
        """Tell how fast each quota pool is called, and what is blocked, by the pool's name."""
        return await ledger.pools_of(self._storage, self._app.settings)

    async def today(self) -> Today:
        """Tell what today's calls (UTC) have cost, and what is set aside for those under way."""
        return await ledger.today_of(self._storage, self._app.settings)

    async def dead_letters(
        self,
        *,
        days: int = 7,
        limit: int = 50,
        reason: str | None = None,
        last: date | None = None,
    ) -> list[DeadLetter]:
        """List what the app refused, gave up on or could not deliver, the newest day first.

        `last` is the newest of the days (UTC), today where it is None. With a `reason` (a code),
        those that have it.
        """
        return await dead_letters.newest_letters(
            self._storage, self._app.settings, days=days, limit=limit, reason=reason, last=last
        )

    async def dead_letter(self, name: str, /) -> DeadLetter:
        """Read one dead letter; `NoSuchBlob` when there is none."""
        return await dead_letters.letter_of(name, self._storage, self._app.settings)

    async def send_again(self, name: str, /) -> str:
        """Try a dead letter again (its message, job or event), and tell how; the letter stays."""
        return await dead_letters.send_again(name, self._storage, self._app.settings)

    async def purge(self, name: str, /) -> None:
        """Delete a dead letter."""
        await dead_letters.purge(name, self._storage, self._app.settings)

    def check(self, *, send: bool = False) -> AsyncIterator[Check]:
        """Yield a line for each queue, container and right that callers and the app need.

        With `send`, a message is put on the jobs queue, hidden, and taken back.
        """
        return checkup.storage_checks(self._app.settings, self._storage, may_send=send)


class AsyncImageJobs:
    """Everything a service does with Image Jobs, on one event loop; close it at the end.

    Without arguments it is told by the environment, in the names of `docs/settings.md`. `account`
    is reached with `credential`, or whatever identity `DefaultAzureCredential` finds. Told of the
    app's `deployments`, it routes jobs before it sends them.
    """

    def __init__(
        self,
        *,
        connection_string: str | None = None,
        account: str | None = None,
        credential: Any = None,  # noqa: ANN401 (any of azure-identity's, or one's own)
        deployments: Sequence[str | Mapping[str, Any]] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        told = environment(
            os.environ if environ is None else environ,
            connection_string=connection_string,
            account=account,
            deployments=deployments,
        )
        self._app = configured(told)
        self._storage = AsyncStorage(self._app.settings, credential)
        self._order = partial(control.give, storage=self._storage, settings=self._app.settings)

    @property
    def app(self) -> Configuration:
        """What this client knows of the app."""
        return self._app

    @property
    def operator(self) -> AsyncOperator:
        """What is for whoever runs the app: dead letters, and a check of it all."""
        return AsyncOperator(self._storage, self._app)

    def prepare(
        self, asked: str | Job | Mapping[str, Any] = "", /, **fields: Unpack[Wishes]
    ) -> Job:
        """Return a valid job with its id, to be kept and submitted; nothing is sent.

        `asked` is a prompt, or the fields of a job, or a job; keywords go over it. Raises
        `InvalidJob` with every fault.
        """
        return job_from(asked, fields, now=self._storage.now(), chance=uuid.uuid4().hex)

    async def estimate(
        self, asked: str | Job | Mapping[str, Any] = "", /, **fields: Unpack[Wishes]
    ) -> Quote:
        """Say what the app would make of a job, and for how much; nothing is sent."""
        return await submission.quote_of(self.prepare(asked, **fields), self._storage, self._app)

    async def upload(self, picture: bytes, /) -> str:
        """Put a picture to edit, or a mask, where a job can name it, and return that name.

        The same bytes again are the same name. `InvalidJob` if no edit could use them.
        """
        return await submission.upload(picture, self._storage, self._app)

    async def submit(
        self, asked: str | Job | Mapping[str, Any] = "", /, **fields: Unpack[Wishes]
    ) -> Receipt:
        """Check a job and put it on the queue.

        Raises `Rejected` with every fault (nothing is sent), or `NotSubmitted`, whose `jobs` can be
        submitted again: they have their ids, and nothing is made twice.
        """
        return await submission.submit(self.prepare(asked, **fields), self._storage, self._app)

    async def submit_many(self, asked: Iterable[str | Job | Mapping[str, Any]], /) -> list[Receipt]:
        """Check all jobs, then put them on the queue; none is sent when one has a fault."""
        jobs = [self.prepare(each) for each in asked]
        return await submission.submit_all(jobs, self._storage, self._app)

    def check_manifest(self, manifest: bytes, name: str, /) -> ManifestCheck:
        """Read a file of jobs as the app would; `name` says by its end how it is written."""
        return batches.check([manifest], name, self._app, self._storage)

    async def submit_batch(
        self, manifest: bytes, name: str, /, *, anew: str = ""
    ) -> SubmittedBatch:
        """Start a batch: every entry of the file is a job (`docs/batches.md`).

        `AlreadyExists` if the same file was sent before; `anew`, any word, makes it another.
        """
        return await batches.submit_batch(manifest, name, self._storage, self._app, anew=anew)

    async def batch(self, batch_id: str, /) -> BatchRecord | None:
        """Say where a batch stands, of a file or a list; None when the app knows of none."""
        return await batches.batch_of(batch_id, self._storage, self._app)

    async def wait_for_batch(
        self,
        batch_id: str,
        /,
        *,
        within: float | None = None,
        seen: Callable[[BatchRecord | None], None] | None = None,
    ) -> BatchRecord:
        """Return a batch once its last job has ended; `seen` is told of each look until then."""
        return await batches.wait_for_batch(
            batch_id, self._storage, self._app, within=within, seen=seen
        )

    async def status(self, job: str | Receipt, /) -> Status:
        """Say where a job stands; `NoSuchJob` when nothing is known of it, or not yet."""
        return await following.status_of(job, self._storage, self._app.settings)

    async def status_many(self, jobs: Sequence[str | Receipt], /) -> list[Status | ImageJobsError]:
        """Say where jobs stand, in order; for each, its status or what `status` would raise."""
        return await following.statuses_of(jobs, self._storage, self._app.settings)

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

        `result` says what becomes of pictures that are being made. Raises `IllegalStep` when
        nothing is left to cancel, `StillRunning` when it is not done `within` so many seconds.
        """
        return await self._order(job, Action.CANCEL, within=within, result=result, reason=reason)

    async def release(self, job: str | Receipt, /, *, within: float = COMMAND_SECONDS) -> Status:
        """Let a parked job go on, though it may have been paid for; raises as `cancel`."""
        return await self._order(job, Action.RELEASE, within=within)

    async def fail(
        self, job: str | Receipt, /, *, reason: str = "", within: float = COMMAND_SECONDS
    ) -> Status:
        """End a parked job as failed; raises as `cancel`."""
        return await self._order(job, Action.FAIL, within=within, reason=reason)

    async def replay(
        self,
        job: str | Receipt,
        /,
        *,
        pictures: Literal["keep", "remake"] = "keep",
        within: float = COMMAND_SECONDS,
    ) -> Status:
        """Begin a failed, parked or cancelled job again; raises as `cancel`.

        Pictures that are there are kept, or made again under new names.
        """
        return await self._order(job, Action.REPLAY, within=within, pictures=pictures)

    async def newest(self, *, limit: int = 20, state: JobState | None = None) -> list[IndexEntry]:
        """List the newest jobs, of one state if it is given, without reading their records."""
        settings = self._app.settings
        return await ledger.newest_jobs(self._storage, settings, limit=limit, state=state)

    async def wait(self, job: str | Receipt, /, *, within: float | None = None) -> Status:
        """Return once the job has ended, well or not; `StillRunning` after `within` seconds.

        With the receipt, a job that the app refused raises `Rejected` with every fault.
        """
        settings = self._app.settings
        return await following.wait_for(job, self._storage, settings, within=within)

    async def result(self, job: str | Receipt, /, *, within: float | None = None) -> Status:
        """Wait for all of a job's pictures; `JobEnded` when it ended without them."""
        return following.succeeded(await self.wait(job, within=within))

    def events(
        self,
        queue: str | None = None,
        /,
        *,
        idle: float | None = None,
        hidden_seconds: int = 300,
    ) -> AsyncIterator[Event]:
        """Yield events off the events queue or a reply queue, until none comes for `idle` seconds.

        An event is deleted when the next one is asked for: whoever stops or raises before that gets
        it again, after `hidden_seconds` at the latest.
        """
        return following.events_of(
            queue or self._app.settings.events_queue,
            self._storage,
            idle=idle,
            hidden_seconds=hidden_seconds,
        )

    def open(self, image: Image, /) -> AsyncIterator[bytes]:
        """Yield a picture's bytes as they arrive, checked at the end; `DamagedPicture` if wrong."""
        return download.picture_of(image, self._storage)

    async def close(self) -> None:
        """Close the connections."""
        await self._storage.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
