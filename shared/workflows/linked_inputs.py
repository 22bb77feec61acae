"""Copy the pictures that a job links into the inputs container, when the job is accepted.

From then on the job is about these bytes, whatever the link leads to later. A copy is written
before the record that names it; one that no record names is erased with all old inputs.

A link is followed only to the hosts that settings name, by https, without credentials, without
redirects, never to a private address, and within limits. It may grant access, so faults name only
its host, and the record has the name of the copy in its place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from ..config.settings import Settings
from ..config.url_policy import check_receiver
from ..errors import BrokenReply, CallFailed, Fault, InvalidJob, UnreadableReply
from ..jobs.fields import is_link
from ..jobs.job import Job
from ..pictures.inputs import MAX_INPUT_BYTES, MAX_MASK_BYTES
from ..pictures.measuring import PictureMeter
from ..ports import Reply
from ..stores.world import World
from ..vocabulary import copies_folder

#: The time for all links of a job together; a message or a request waits for it.
MOST_TIME: Final = timedelta(seconds=60)
#: A reply that breaks may be whole the next time; what is refused stays refused.
TRIES: Final = 2


def find_link_faults(job: Job, settings: Settings) -> list[Fault]:
    """Return the faults of links that are not followed."""
    faults = []
    for field, link in list_links(job):
        try:
            check_receiver(
                link,
                hosts=settings.input_hosts,
                local=settings.input_local_hosts,
                setting="INPUT_HOSTS",
            )
        except ValueError as error:
            faults.append(Fault(field, str(error)))
    return faults


def list_links(job: Job) -> Iterator[tuple[str, str]]:
    """Yield the field and the link of each picture that the job links."""
    for place, name in enumerate(job.inputs):
        if is_link(name):
            yield f"inputs[{place}]", name
    if job.mask and is_link(job.mask):
        yield "mask", job.mask


async def copy_links(job: Job, world: World, settings: Settings, *, sender: str | None) -> Job:
    """Return the job with the names of copies in place of its links.

    `sender` is the tenant that the sender is bound to. Raises `InvalidJob` with every link that
    gave no picture, or `Unavailable`.
    """
    folder = copies_folder(job.job_id, sender)
    until = world.clock.now() + MOST_TIME
    copies: dict[str, str] = {}
    faults = []
    for field, link in list_links(job):
        name = world.inputs.name_copy(folder)
        most = MAX_MASK_BYTES if field == "mask" else MAX_INPUT_BYTES
        try:
            if link not in copies:
                await _Copy(link, name, most, until).make(world, settings)
                copies[link] = name
        except CallFailed as error:
            faults.append(Fault(field, f"could not be fetched from {_host(link)!r}: {error}"))
    if faults:
        raise InvalidJob(faults, job_id=job.job_id)
    inputs = tuple(copies.get(name, name) for name in job.inputs)
    mask = copies.get(job.mask, job.mask) if job.mask else None
    return job.model_copy(update={"inputs": inputs, "mask": mask})


def _host(link: str) -> str:
    return urlsplit(link).hostname or ""


@dataclass(frozen=True, slots=True)
class _Copy:
    """One picture on its way from a link into a blob."""

    link: str
    blob: str
    #: It must have less bytes.
    most: int
    until: datetime

    async def make(self, world: World, settings: Settings) -> None:
        """Fetch the picture and commit it; raise `CallFailed` if the link gives no picture."""
        is_local = _host(self.link) in settings.input_local_hosts
        for is_last in (*[False] * (TRIES - 1), True):
            left = self.until - world.clock.now()
            if left <= timedelta():
                raise BrokenReply(f"the links took more than {MOST_TIME.total_seconds():g} s")
            try:
                async with world.endpoint.follow(self.link, own=is_local, limit=left) as reply:
                    return await self._store(reply, world)
            except UnreadableReply:
                raise
            except CallFailed:
                if is_last:
                    raise
        return None

    async def _store(self, reply: Reply, world: World) -> None:
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise BrokenReply(f"the answer was {reply.status}")
        if reply.status != HTTPStatus.OK:
            redirects = HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST
            hint = "; redirects are not followed" if redirects else ""
            raise UnreadableReply(f"the answer was {reply.status}{hint}")
        meter, length = PictureMeter(), 0
        writer = world.input_pictures.create(self.blob)
        try:
            async for chunk in reply.chunks():
                length += len(chunk)
                if length >= self.most:
                    raise UnreadableReply(f"it must have less than {self.most:,} bytes")
                meter.feed(chunk)
                await writer.write(chunk)
            await writer.commit(meter.finish(), {})
        finally:
            await writer.abandon()
