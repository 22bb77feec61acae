"""Jobs that were submitted: where they are, commands to them, their pictures."""

import hashlib
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Final, Literal

from ..errors import (
    ConflictingJob,
    Fault,
    ImageJobsError,
    InvalidJob,
    Rejected,
    StoreUnavailable,
)
from ..events.data import Image
from ..http_api.waits import WaitStatus, describe_wait, find_pools
from ..jobs.fields import is_job_id, quote_value
from ..records.commands import Action, Command, apply_command
from ..records.dead_letter import DeadLetter, DeadLetterKind, dead_letter_name
from ..records.erasure import is_tombstone
from ..records.index_entry import JobFilter
from ..records.record import JobRecord
from .connection import Connection, attempt
from .results import DamagedPicture, NoSuchBlob, NoSuchJob, Receipt, Status, StillRunning

#: Between two reads of a job's record, seconds: the first wait, the longest, and their growth. The
#: quickest picture takes some seconds.
FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 5.0
GROWTH: Final = 1.4
#: How long `send_command` waits, seconds: the app takes up to a minute to poll a quiet queue.
COMMAND_SECONDS: Final = 90.0
#: Between two reads while a command is waited for, seconds.
COMMAND_WAIT: Final = 0.5
#: The most jobs that are listed.
MOST_LISTED: Final = 5_000
#: What is read of a picture at once, bytes.
PIECE_BYTES: Final = 4 << 20


def id_of(job: str | Receipt) -> str:
    """Return the id of a job; `InvalidJob` if no job can have it."""
    return check_id("job_id", job if isinstance(job, str) else job.job_id)


def check_id(field: str, value: str) -> str:
    """Return the id of a job or a batch; `InvalidJob` if it can be none."""
    if is_job_id(value):
        return value
    rule = "an id has 1 to 64 of A-Z a-z 0-9 _ -, and starts with a letter or digit"
    raise InvalidJob([Fault(field, f"{quote_value(value)} is no id; {rule}")])


async def read_status(job: str | Receipt, app: Connection) -> Status:
    """Return where a job is.

    Raises `NoSuchJob` when nothing is known of it (yet), `InvalidJob` when no job can have the id,
    and `Rejected` with every fault if the app rejected the message: without a receipt, if it was
    sent since yesterday (UTC).
    """
    found = await _find_status(job, app)
    if found is None:
        raise NoSuchJob(
            f"job {id_of(job)!r} has no record in {app.settings.jobs_container}/: the app has not "
            "read its message yet, or has rejected it, or it was never sent"
        )
    return Status(found.record, await _find_wait(found.record, app))


async def _find_wait(record: JobRecord, app: Connection) -> WaitStatus | None:
    """Return what a job waits for; None where this caller may not read the ledgers of the pools."""
    pools = find_pools(record, app.configuration)
    try:
        ledgers = await app.pools.look_all(pools)
    except StoreUnavailable:
        return None
    return describe_wait(record, ledgers, app.configuration, now=app.clock.now())


async def wait_for_job(job: str | Receipt, app: Connection, *, within: float | None) -> Status:
    """Return a job's status once it has ended, or raise `StillRunning` after so many seconds.

    Raises `Rejected` for a receipt whose message the app rejected.
    """
    end = None if within is None else app.clock.now() + timedelta(seconds=within)
    wait = FIRST_WAIT
    while True:
        found = await _find_status(job, app)
        if found and found.ended:
            return found
        left = wait if end is None else (end - app.clock.now()).total_seconds()
        if left <= 0:
            state = f"{found.calls_ended} of {found.calls} calls are over" if found else "not begun"
            raise StillRunning(f"job {id_of(job)!r} has not ended within {within:g} s: {state}")
        await app.clock.sleep(min(wait, left))
        wait = min(wait * GROWTH, LONGEST_WAIT)


async def send_command(
    job: str | Receipt,
    action: Action,
    app: Connection,
    *,
    within: float,
    result: Literal["keep", "drop"] = "keep",
    pictures: Literal["keep", "remake"] = "keep",
    reason: str = "",
) -> Status:
    """Send a command and return the job's status once it is executed.

    Raises `IllegalStep`, and sends nothing, when the state of the job forbids it; `StillRunning`
    when it is not executed within so many seconds: the command stays on the queue.
    """
    before = await read_status(job, app)
    command = Command(
        command=action,
        job_id=before.job_id,
        run=before.record.run,
        result=result,
        pictures=pictures,
        reason=reason,
    )
    changed = apply_command(before.record, command, now=app.clock.now())
    # An erasure that was interrupted continues with the same command.
    if changed == before.record and action is not Action.ERASE:
        return before
    await app.queues.send(app.settings.jobs_queue, command.to_bytes())
    end = app.clock.now() + timedelta(seconds=within)
    while app.clock.now() < end:
        await app.clock.sleep(COMMAND_WAIT)
        after = await read_status(before.job_id, app)
        if _is_done(action, before, after):
            return after
    raise StillRunning(
        f"the command to {action} {before.job_id!r} was sent, and not executed within {within:g} s"
    )


async def erase_all(wanted: JobFilter, app: Connection) -> list[Status | ImageJobsError]:
    """Erase each job of a list, the newest first, and return its status or its error.

    Jobs that are erased already are left out.
    """
    ids: list[str] = []
    after: str | None = None
    while True:
        page = await app.index.page(after=after, limit=MOST_LISTED, wanted=wanted)
        ids += [each.job_id for each in page.entries if not each.erased]
        after = page.next
        if after is None:
            break
    commands = (send_command(each, Action.ERASE, app, within=COMMAND_SECONDS) for each in ids)
    return await app.gather(map(attempt, commands))


async def read_picture(image: Image, app: Connection) -> AsyncGenerator[bytes]:
    """Yield a picture's bytes, a few MiB at a time.

    Raises `NoSuchBlob` before the first of them if it is not in storage, `DamagedPicture` after the
    last if they are not the bytes that were stored.
    """
    name = f"{image.container}/{image.blob}"
    blobs, digest, size = app.blobs(image.container), hashlib.sha256(), 0
    while True:
        piece = await blobs.read(image.blob, start=size, length=PIECE_BYTES)
        if piece is None:
            raise NoSuchBlob(f"there is no blob {name}")
        digest.update(piece.body)
        size += len(piece.body)
        yield piece.body
        if size >= piece.size or not piece.body:
            break
    if size != image.bytes:
        why = f"it has {size:,} bytes instead of {image.bytes:,}"
    elif digest.hexdigest() != image.sha256:
        why = f"its SHA-256 is {digest.hexdigest()} instead of {image.sha256}"
    else:
        return
    raise DamagedPicture(f"the picture {name} is not the one that was stored: {why}")


def save_picture(pieces: Iterator[bytes], path: Path) -> None:
    """Write a picture's bytes into a file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


async def _find_status(job: str | Receipt, app: Connection) -> Status | None:
    job_id = id_of(job)
    stored = await app.records.read(job_id)
    if stored is not None:
        if not isinstance(job, str) and stored.value.fingerprint != job.fingerprint:
            fault = Fault("job_id", f"{job_id!r} belongs to a job with other content")
            raise ConflictingJob([fault], job_id=job_id)
        return Status(stored.value)
    letter = await _find_rejection(job, app)
    if letter is not None:
        faults = letter.faults or [Fault("", letter.why or letter.reason)]
        raise Rejected(faults, job_id=job_id, code=letter.reason)
    return None


async def _find_rejection(job: str | Receipt, app: Connection) -> DeadLetter | None:
    """Return the dead letter of a message; by its id alone only if it was sent since yesterday."""
    if not isinstance(job, str):
        return await app.dead_letters.read(dead_letter_name(job.digest, job.inserted_at))
    today = app.clock.now().astimezone(UTC).date()
    for day in (today, today - timedelta(days=1)):
        letter = await app.dead_letters.find(job, day)
        if letter and letter.kind is DeadLetterKind.MESSAGE:
            return letter
    return None


def _is_done(action: Action, before: Status, after: Status) -> bool:
    if action is Action.ERASE:
        return is_tombstone(after.record)
    is_new_run = after.record.run > before.record.run
    if action is not Action.CANCEL:
        return is_new_run
    return is_new_run or after.ended or after.record.cancel_requested is not None
