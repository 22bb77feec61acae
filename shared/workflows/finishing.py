"""Make the renditions of a job when all its calls have ended.

The result of each original is recorded before the next one, so that another run can continue
after a stop. Each blob is written once, so that two runs at a time do no harm.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from ..config.settings import Configuration
from ..errors import BlobLeased, CannotRender, NameTaken, NewerRecord, UnreadableRecord
from ..jobs.fields import encode_tags
from ..jobs.job import Kind
from ..pictures.provenance import Provenance
from ..pictures.renditions import RenditionSpec, SheetCell, list_renditions, sheet_name
from ..ports import Report, StoredPicture, Versioned, What
from ..records.record import JobRecord, Picture, StoredRendition
from ..records.task_messages import FinishMessage
from ..records.transitions import add_renditions, end_finish, finish_failure
from ..routing.plan import Plan
from ..stores.world import World
from ..vocabulary import FailureCode
from .outbox import publish_pending

#: After this time a delivery ends, and the next one continues.
MOST_AT_ONCE: Final = timedelta(minutes=3)
#: The wait before a message looks again whether a blob is still leased or damaged.
BLOB_AGAIN: Final = timedelta(minutes=5)


async def finish(message: FinishMessage, world: World, configuration: Configuration) -> Report:
    """Do what is left of a job's finish; raises only `Unavailable` (it is delivered again).

    While somebody holds a lease on its record, the message is put back.
    """
    try:
        return await _Finish(message, world, configuration).work()
    except (BlobLeased, UnreadableRecord) as error:
        queue = configuration.settings.finish_queue
        return await wait_for_record(message.job_id, message.to_bytes(), queue, error, world)


async def wait_for_record(
    job_id: str, body: bytes, queue: str, error: BlobLeased | UnreadableRecord, world: World
) -> Report:
    """Put a message back whose record can't be used now; drop it if the record is damaged.

    A sweep ends the job of a damaged record.
    """
    facts: dict[str, Any] = {"reason": "leased" if isinstance(error, BlobLeased) else "unreadable"}
    facts["why"] = str(error)
    if isinstance(error, BlobLeased | NewerRecord):
        await world.queues.send(queue, body, delay=BLOB_AGAIN)
        facts["again_in_seconds"] = BLOB_AGAIN.total_seconds()
    return Report(What.WAITING, job_id, facts)


async def wake_finish(record: JobRecord, world: World, configuration: Configuration) -> None:
    """Send the finish message of a job if it awaits its finish; a second one is harmless."""
    if record.awaits_finish:
        message = FinishMessage(job_id=record.job_id, run=record.run)
        await world.queues.send(configuration.settings.finish_queue, message.to_bytes())


@dataclass(frozen=True, slots=True)
class _Finish:
    """One delivery of a finish message."""

    message: FinishMessage
    world: World
    configuration: Configuration

    async def work(self) -> Report:
        stored = await self.world.records.read(self.message.job_id)
        if stored is None:
            return self.report(What.NO_SUCH_JOB)
        if not self.is_current(stored.value):
            await self.publish_pending(stored)
            return self.report(What.ALREADY_ENDED)
        until = self.world.clock.now() + MOST_AT_ONCE
        try:
            for picture in stored.value.pictures:
                stored = await self.finish_picture(stored, picture)
                if self.world.clock.now() > until:
                    await wake_finish(stored.value, self.world, self.configuration)
                    return self.report(What.PENDING)
            stored = await self.make_sheet(stored)
        except (CannotRender, NameTaken) as error:
            failure = finish_failure(FailureCode.FINISH_FAILED, str(error))
            stored = await self.update_record(stored, partial(end_finish, failure=failure))
        else:
            stored = await self.update_record(stored, end_finish)
        await self.publish_pending(stored)
        return self.report(What[stored.value.state.name])

    def is_current(self, record: JobRecord) -> bool:
        """Tell whether the finish is still awaited, as a job may be cancelled or replayed."""
        return record.awaits_finish and self.message.is_of(record.run)

    async def finish_picture(
        self, stored: Versioned[JobRecord], picture: Picture
    ) -> Versioned[JobRecord]:
        """Make the missing renditions of one original, and record them."""
        record, job = stored.value, stored.value.job
        known = {each.blob for each in record.finishing.rendered} if record.finishing else set()
        specs = list_renditions(job.finish, picture.blob, job.format) if job.finish else ()
        missing = [spec for spec in specs if spec.blob not in known]
        if not missing or not self.is_current(record):
            return stored
        stored_ones = await self.render(record, picture, missing)
        made = [
            _rendition(each, spec.kind, of=picture.blob)
            for spec, each in zip(missing, stored_ones, strict=True)
        ]
        return await self.update_record(stored, partial(add_renditions, made=made))

    async def render(
        self, record: JobRecord, picture: Picture, specs: Sequence[RenditionSpec]
    ) -> tuple[StoredPicture, ...]:
        """Return the rendition of each spec; make only those that are not stored yet."""
        found = {}
        for spec in specs:
            if there := await self.world.pictures.find(spec.blob, self.metadata(record)):
                found[spec.blob] = there
        missing = [spec for spec in specs if spec.blob not in found]
        if missing:
            metadata = self.metadata(record, of=picture.blob)
            provenance = _provenance(record, [picture])
            made = await self.world.renderer.render(
                picture.blob, missing, provenance, metadata=metadata
            )
            found |= {each.name: each for each in made}
        return tuple(found[spec.blob] for spec in specs)

    async def make_sheet(self, stored: Versioned[JobRecord]) -> Versioned[JobRecord]:
        """Make the contact sheet, if one is asked for."""
        record = stored.value
        if not (record.job.finish and record.job.finish.contact_sheet and self.is_current(record)):
            return stored
        blob = sheet_name(record.job_id, record.run)
        sheet = await self.world.pictures.find(blob, self.metadata(record))
        if sheet is None:
            cells = [
                SheetCell(picture.blob, _label_of(record.plans[task.part], picture))
                for task in record.tasks
                for picture in task.pictures
            ]
            sheet = await self.world.renderer.sheet(
                cells, blob, _provenance(record, record.pictures), metadata=self.metadata(record)
            )
        made = [_rendition(sheet, "contact_sheet", of=None)]
        return await self.update_record(stored, partial(add_renditions, made=made))

    def metadata(self, record: JobRecord, *, of: str = "") -> dict[str, str]:
        return {**encode_tags(record.job.tags), **record.labels, "made_from": of}

    async def update_record(
        self, stored: Versioned[JobRecord], step: Callable[..., JobRecord]
    ) -> Versioned[JobRecord]:
        now = self.world.clock.now()
        return await self.world.records.update(
            stored, lambda record: step(record, now=now) if self.is_current(record) else record
        )

    async def publish_pending(self, stored: Versioned[JobRecord]) -> None:
        await publish_pending(stored, self.world, source=self.configuration.settings.event_source)

    def report(self, what: What) -> Report:
        return Report(what, self.message.job_id, {})


def _rendition(stored: StoredPicture, kind: Kind, *, of: str | None) -> StoredRendition:
    return StoredRendition(**dict(stored.facts), of=of, kind=kind, blob=stored.name, url=stored.url)


def _provenance(record: JobRecord, pictures: Sequence[Picture]) -> Provenance:
    """Return what a picture made from these originals says about them."""
    parts = [task.part for task in record.tasks if set(task.pictures) & set(pictures)]
    return Provenance(
        job_id=record.job_id,
        models=tuple(dict.fromkeys(record.plans[part].model for part in parts)),
        originals=tuple(picture.sha256 for picture in pictures),
        edited=bool(record.inputs),
    )


def _label_of(plan: Plan, picture: Picture) -> str:
    """Name a picture on a contact sheet, in Latin letters."""
    size = f"{picture.width}x{picture.height}"
    words = (plan.model, plan.quality, size, picture.locale, f"#{picture.index}")
    return " · ".join(word for word in words if word)
