"""The work on a fake world: submit messages, deliver what is queued, let time pass."""

import asyncio
import json
import struct
import zlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from cloudevents.core.v1.event import CloudEvent
from pydantic import JsonValue

from shared.config.settings import Configuration, configure
from shared.images_api.requests import ImageRequest
from shared.jobs.parsing import Message
from shared.ports import Report
from shared.records.record import JobRecord
from shared.records.task_messages import read_finish, read_task
from shared.stores.waiting_tasks import EVERY
from shared.workflows.batches import advance, handle_poison_notice
from shared.workflows.finishing import finish
from shared.workflows.generation.generate import generate
from shared.workflows.intake import handle_job_message
from shared.workflows.poison import handle_poison
from shared.workflows.sweep import sweep
from tests.builders.ended_jobs import OPERATOR_EVENTS
from tests.fakes.endpoint import FakeReply
from tests.fakes.world import FakeWorld, fake_world
from tests.simulation.steps import Crash

#: How long the platform hides a message whose reader died.
HIDE = timedelta(minutes=10)

SETTINGS = {
    "ImageStorage": "UseDevelopmentStorage=true",
    "FOUNDRY_ENDPOINT": "https://foundry.example",
    "FOUNDRY_DEPLOYMENTS": '[{"name": "gpt-image-2"}, {"name": "MAI-Image-2.5"}]',
    "REPLY_QUEUES": "replies-*",
    # On the fake clock, what many wait for side by side would take its time many times.
    "CALL_GUARD_SECONDS": "0",
}


def configured(**settings: str) -> Configuration:
    return configure(SETTINGS | settings)


def png(width: int, height: int) -> bytes:
    """A PNG that says it has this size; nothing ever draws it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


#: What a fake reply reports for a call.
USAGE: Final[JsonValue] = {"input_tokens": 10, "output_tokens": 1000, "total_tokens": 1010}


def reply_to(
    request: ImageRequest, *, pictures: int | None = None, usage: JsonValue = USAGE
) -> FakeReply:
    """The reply of a model that does what it is asked."""
    edges = {"width": 1024, "height": 1024} | request.body
    asked = request.body.get("size") or "{width}x{height}".format(**edges)
    width, height = (int(edge) for edge in str(asked).split("x"))
    count = pictures if pictures is not None else request.body.get("n", 1)
    image = b64encode(png(width, height)).decode()
    body = {
        "created": 1,
        "data": [{"b64_json": image}] * int(str(count)),
        "usage": usage,
    }
    headers = {"content-type": "application/json", "apim-request-id": "request-1"}
    return FakeReply(headers=headers, body=json.dumps(body).encode(), chunk_bytes=700)


def error_reply(status: int, code: str, message: str = "", **headers: str) -> FakeReply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"error": {"code": code, "message": message or code}})
    return FakeReply(status, {"content-type": "application/json"} | names, body.encode())


@dataclass(slots=True)
class Delivery:
    queue: str
    message: Message
    due: datetime
    dequeued: int = 0


@dataclass(slots=True)
class Scene:
    configuration: Configuration = field(default_factory=configured)
    world: FakeWorld = field(default_factory=fake_world)
    waiting: list[Delivery] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    _seen: int = 0

    def __post_init__(self) -> None:
        self.world.endpoint.otherwise = reply_to

    def submit(
        self,
        job: Mapping[str, Any] | bytes,
        *,
        message_id: str = "message-1",
        queue: str | None = None,
    ) -> None:
        body = job if isinstance(job, bytes) else json.dumps(job).encode()
        message = Message(body, message_id, self.world.clock.now())
        to = queue or self.configuration.settings.jobs_queue
        self.waiting.append(Delivery(to, message, self.world.clock.now()))

    def repeat(self) -> None:
        """Deliver everything once more, as an at-least-once queue may."""
        self.waiting += [
            Delivery(each.queue, each.message, self.world.clock.now()) for each in self.waiting
        ]

    async def run(self, *, most: int = 1_000) -> None:
        """Deliver messages in order of their time until none is left.

        A sweep runs now and then: it settles a reservation that a task may wait for.
        """
        for delivered in range(1, most + 1):
            if delivered % 100 == 0:
                await self.sweep()
            self.take_sent()
            await self.move_first()
            if not self.waiting:
                return
            self.waiting.sort(key=lambda each: each.due)
            await self.deliver(self.waiting.pop(0))
        raise AssertionError(f"still {len(self.waiting)} messages after {most} deliveries")

    async def move_first(self) -> None:
        """Move what is due in the waiting queue before the next delivery, as sweeps do."""
        queue = self.configuration.settings.waiting_queue
        clock, tasks = self.world.clock, self.world.tasks
        while kept := self.world.queues.queues.get(queue):
            visible = min(each.visible_at for each in kept)
            if self.waiting and min(each.due for each in self.waiting) <= visible:
                return
            clock.time = max(clock.time + EVERY, visible)
            try:
                await tasks.move_due()
            except Crash:
                self.world.steps.crash_at = None
            self.take_sent()

    async def run_abreast(self, *, most: int = 40) -> None:
        """Deliver whatever waits at once, again and again, until nothing is left."""
        for _ in range(most):
            if not self.waiting:
                return
            await self.deliver_abreast()
        raise AssertionError(f"still {len(self.waiting)} messages after {most} rounds")

    async def deliver_abreast(self) -> None:
        """Deliver all that waits at once in one process: when it dies, it dies in all of it."""
        together, self.waiting = self.waiting, []
        if any(await asyncio.gather(*map(self._dies_in, together))):
            self.world.steps.crash_at = None
        self.take_sent()

    async def run_until_death(self, crash_at: int) -> None:
        """Deliver until the process dies at this step; no message ever comes back."""
        self.world.steps.crash_at = crash_at
        for _ in range(200):
            self.take_sent()
            if not self.waiting or self.world.steps.crash_at is None:
                break
            await self.deliver(self.waiting.pop(0))
        self.world.steps.crash_at = None
        self.take_sent()
        self.waiting.clear()
        self.world.queues.queues.pop(self.configuration.settings.waiting_queue, None)

    async def sweep(self) -> None:
        """Run one sweep; a process that dies in it is followed by the next run."""
        try:
            self.reports.append(await sweep(self.world, self.configuration))
        except Crash:
            self.world.steps.crash_at = None

    async def sweep_on(self, *, most: int = 40) -> None:
        """Let time pass and sweeps run, and deliver what they send, until no job is open."""
        for _ in range(most):
            await self.run()
            markers = self.world.open_jobs.values()
            if not markers:
                return
            clock = self.world.clock
            clock.time = max(clock.time, min(marker.next_check_at for marker in markers))
            await self.sweep()
        raise AssertionError(f"still {len(self.world.open_jobs)} open jobs")

    async def deliver(self, delivery: Delivery) -> None:
        if await self._dies_in(delivery):
            self.world.steps.crash_at = None  # another process takes over

    async def _dies_in(self, delivery: Delivery) -> bool:
        """Deliver a message, and tell whether the process died over it: then it comes back."""
        clock = self.world.clock
        clock.time = max(clock.time, delivery.due)
        delivery.dequeued += 1
        try:
            self.reports.append(await self.work(delivery.queue, delivery.message))
        except Crash:
            delivery.due = clock.now() + HIDE
            self.waiting.append(delivery)
            return True
        return False

    async def work(self, queue: str, message: Message) -> Report:
        settings = self.configuration.settings
        if queue.endswith("-poison"):
            source = queue.removesuffix("-poison")
            if source == settings.manifests_queue:
                return await handle_poison_notice(message, self.world, self.configuration)
            return await handle_poison(message, source, self.world, self.configuration)
        if queue == settings.jobs_queue:
            report = await handle_job_message(message, self.world, self.configuration)
            await self.world.tasks.move_due()
            return report
        if queue == settings.finish_queue:
            return await finish(read_finish(message.body), self.world, self.configuration)
        if queue == settings.manifests_queue:
            return await advance(message, self.world, self.configuration)
        report = await generate(read_task(message.body), self.world, self.configuration)
        await self.world.tasks.move_due()
        return report

    def record(self, job_id: str) -> JobRecord:
        return self.world.stored_records[job_id].value

    def records(self) -> list[JobRecord]:
        return [stored.value for stored in self.world.stored_records.values()]

    def take_sent(self) -> None:
        now = self.world.clock.now()
        sent = self.world.queues.sent
        settings = self.configuration.settings
        for number, each in enumerate(sent[self._seen :], start=self._seen):
            if each.queue in {
                settings.events_queue,
                settings.deliveries_queue,
                settings.waiting_queue,
            }:
                continue
            if settings.allows_reply_to(each.queue):
                continue
            message = Message(each.body, f"sent-{number}", now)
            self.waiting.append(Delivery(each.queue, message, now + each.delay))
        self._seen = len(sent)


async def run(*jobs: Mapping[str, Any], **settings: str) -> Scene:
    """Submit jobs and let everything happen."""
    scene = Scene(configured(**settings))
    for number, job in enumerate(jobs):
        scene.submit(job, message_id=f"message-{number}")
    await scene.run()
    return scene


def data(scene: Scene) -> dict[str, Any]:
    """The data of the newest event of a job."""
    newest = [each for each in scene.world.events if _is_of_a_job(each)][-1]
    return dict(newest.get_data())  # type: ignore[arg-type]  # ours is a mapping


def ended(scene: Scene) -> tuple[str, str | None, int]:
    """The event, its code, and how many calls were made."""
    (event,) = [each.get_type() for each in scene.world.events if _is_of_a_job(each)]
    return event, data(scene).get("code"), len(scene.world.endpoint.requests)


def _is_of_a_job(event: CloudEvent) -> bool:
    return event.get_type() not in OPERATOR_EVENTS
