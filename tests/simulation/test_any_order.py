"""Whatever comes in whatever order: nothing is lost, and nothing is paid for twice unsaid.

A state machine over the fake world: messages delivered late, twice and side by side, acknowledged
and not, processes that die between any two steps, stores that fail, storms of 429, replies that are
lost after they were paid, clocks that jump. In the end everything is delivered, and reckoned up.
"""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from shared.errors import BrokenReply, StoreUnavailable
from shared.images_api.requests import ImageRequest
from tests.fakes.endpoint import Answer, FakeReply
from tests.simulation.mishaps import KINDS, POLICIES, STEPS, TWO, UNPAID
from tests.simulation.reckoning import all_reckoned, brought_on, due_later, ends_of
from tests.simulation.scene import Delivery, Scene, configured, error_reply, reply_to


class AnyOrder(RuleBasedStateMachine):
    """A world where everything goes wrong that can."""

    jobs: Bundle[str] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(configured(FOUNDRY_DEPLOYMENTS=TWO, DAILY_BUDGET_USD="0.5"))
        #: Client request ids of calls that made pictures: what a provider bills.
        self.billed: list[str] = []
        self.scene.world.endpoint.otherwise = self._well
        self.submitted: dict[str, dict[str, Any]] = {}
        #: Whether the messages that wake tasks are all lost in the end: only sweeps go on.
        self.silent = False
        self.loop = asyncio.new_event_loop()

    def teardown(self) -> None:
        try:
            self._heal()
            if self.silent:
                self._play(self._only_jobs())
            self._play(self._everything())
            due = due_later(self.scene)
            self._play(self.scene.sweep_on(most=200))
            all_reckoned(self.scene, set(self.submitted), self.billed)
            brought_on(self.scene, due)
        finally:
            self.loop.close()

    # What callers and queues do.

    @initialize(silent=st.booleans())
    def fall_silent(self, silent: bool) -> None:  # noqa: FBT001 - drawn by name
        self.silent = silent

    @initialize(target=jobs, policy=st.sampled_from(POLICIES), kind=st.sampled_from([*KINDS]))
    def first_job(self, policy: str, kind: str) -> str:
        return self._submit(policy, 1, kind)

    @rule(
        target=jobs,
        policy=st.sampled_from(POLICIES),
        pictures=st.integers(1, 3),
        kind=st.sampled_from([*KINDS]),
    )
    def submit(self, policy: str, pictures: int, kind: str) -> str:
        return self._submit(policy, pictures, kind)

    def _submit(self, policy: str, pictures: int, kind: str) -> str:
        job_id = f"job-{len(self.submitted)}"
        asked = {"prompt": "a fox", "n": pictures, "on_unknown": policy}
        job = {"job_id": job_id, **asked, **KINDS[kind]}
        self.submitted[job_id] = job
        self.scene.submit(job, message_id=f"message-{job_id}")
        return job_id

    @rule(job_id=jobs)
    def submit_again(self, job_id: str) -> None:
        self.scene.submit(self.submitted[job_id], message_id=f"again-{job_id}")

    @precondition(lambda self: self.scene.waiting)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        self._play(self._one(self._pick(data)))

    @precondition(lambda self: self.scene.waiting)
    @rule(data=st.data())
    def deliver_two_side_by_side(self, data: st.DataObject) -> None:
        first = self._pick(data)
        second = Delivery(first.queue, first.message, first.due)
        if data.draw(st.booleans(), "another message") and self.scene.waiting:
            self.scene.waiting.append(second)
            second = self._pick(data)
        self._play(self._both(first, second))

    @precondition(lambda self: self.scene.waiting)
    @rule(data=st.data())
    def lose_the_acknowledgement(self, data: st.DataObject) -> None:
        """Deliver a message, and deliver it again later as if it had not been deleted."""
        delivery = self._pick(data)
        again = Delivery(delivery.queue, delivery.message, delivery.due + timedelta(minutes=10))
        self._play(self._one(delivery))
        self.scene.waiting.append(again)

    @precondition(lambda self: self.scene.waiting)
    @rule(data=st.data())
    def lose_a_task_message(self, data: st.DataObject) -> None:
        """Drop what only wakes us; a job that was never taken is its sender's to send again."""
        delivery = self._pick(data)
        if delivery.queue == self.scene.configuration.settings.jobs_queue:
            self.scene.waiting.append(delivery)

    @rule()
    def sweep(self) -> None:
        self._play(self._swept())

    @rule(
        job_id=jobs,
        control=st.sampled_from(["cancel", "release", "fail", "replay"]),
        result=st.sampled_from(["keep", "drop"]),
        pictures=st.sampled_from(["keep", "remake"]),
    )
    def command(self, job_id: str, control: str, result: str, pictures: str) -> None:
        wish = {"command": control, "job_id": job_id}
        if control == "cancel":
            wish["result"] = result
        if control == "replay":
            wish["pictures"] = pictures
        self.scene.submit(wish, message_id=f"order-{len(self.scene.waiting)}")

    # What machines, stores and endpoints do.

    @rule(steps=st.integers(0, 12))
    def die_soon(self, steps: int) -> None:
        world = self.scene.world
        world.steps.crash_at = len(world.steps.taken) + steps

    @rule(step=st.sampled_from(STEPS), happened=st.booleans())
    def fail_a_step(self, step: str, happened: bool) -> None:  # noqa: FBT001 - drawn by name
        world = self.scene.world
        failing = world.steps.lost if happened else world.steps.failing
        failing.setdefault(step, []).append(StoreUnavailable(f"{step} failed"))

    @rule(answer=st.sampled_from(UNPAID))
    def answer_unpaid(self, answer: Answer) -> None:
        self.scene.world.endpoint.script.append(answer)

    @rule(times=st.integers(2, 6))
    def throttle_many(self, times: int) -> None:
        storm = error_reply(429, "429", retry_after_ms="2000")
        self.scene.world.endpoint.script.extend([storm] * times)

    @rule(share=st.floats(0.05, 1))
    def cut_the_reply(self, share: float) -> None:
        def cut(request: ImageRequest) -> FakeReply:
            whole = self._well(request)
            kept = whole.body[: int(len(whole.body) * share)]
            return FakeReply(body=kept, chunk_bytes=700, error=BrokenReply("cut"))

        self.scene.world.endpoint.script.append(cut)

    @rule()
    def fail_after_making(self) -> None:
        def made(request: ImageRequest) -> FakeReply:
            self._well(request)
            return error_reply(504, "504")

        self.scene.world.endpoint.script.append(made)

    @rule(seconds=st.sampled_from([1, 30, 400, 700, 4000]))
    def pass_time(self, seconds: int) -> None:
        self.scene.world.clock.advance(timedelta(seconds=seconds))

    @rule(seconds=st.sampled_from([30, 120]))
    def set_the_clock_back(self, seconds: int) -> None:
        self.scene.world.clock.advance(-timedelta(seconds=seconds))

    # What must hold at every moment.

    @invariant()
    def no_task_is_held_twice(self) -> None:
        for record in self.scene.records():
            for task in record.tasks:
                tokens = [attempt.token for attempt in task.attempts]
                assert tokens == sorted(set(tokens)), "an attempt is written down twice"
                assert task.claims >= max(tokens, default=0)

    @invariant()
    def each_opening_has_one_end(self) -> None:
        runs = {record.job_id: record.run for record in self.scene.records()}
        for job_id, ends in ends_of(self.scene).items():
            assert len(ends) <= runs[job_id], f"{job_id} has the end events {ends}"

    @invariant()
    def nothing_is_paid_before_it_is_written_down(self) -> None:
        intents = {
            attempt.client_request_id
            for record in self.scene.records()
            for attempt in record.attempts
        }
        unpaid = set(self.scene.world.endpoint.client_request_ids) - set(self.billed)
        assert set(self.billed) <= intents | unpaid

    # How it is done.

    def _well(self, request: ImageRequest) -> FakeReply:
        self.billed.append(self.scene.world.endpoint.client_request_ids[-1])
        return reply_to(request)

    def _pick(self, data: st.DataObject) -> Delivery:
        place = data.draw(st.integers(0, len(self.scene.waiting) - 1), "message")
        return self.scene.waiting.pop(place)

    def _play(self, what: Awaitable[None]) -> None:
        self.loop.run_until_complete(asyncio.ensure_future(what, loop=self.loop))

    async def _one(self, delivery: Delivery) -> None:
        try:
            await self.scene.deliver(delivery)
        except StoreUnavailable:
            delivery.due += timedelta(seconds=30)  # host.json's visibilityTimeout
            self.scene.waiting.append(delivery)
        self.scene.take_sent()

    async def _swept(self) -> None:
        await self.scene.sweep()
        self.scene.take_sent()

    async def _both(self, first: Delivery, second: Delivery) -> None:
        await asyncio.gather(self._one(first), self._one(second))

    async def _everything(self) -> None:
        for number in range(1, 3000):
            self.scene.take_sent()
            if not self.scene.waiting:
                return
            if not number % 300:  # money set aside by the dead is waited for until a sweep comes
                await self._swept()
            self.scene.waiting.sort(key=lambda each: each.due)
            await self._one(self.scene.waiting.pop(0))
        raise AssertionError(f"still {len(self.scene.waiting)} messages")

    async def _only_jobs(self) -> None:
        """Deliver what callers sent, and lose what would wake a task or a finish."""
        for delivery in list(self.scene.waiting):
            if delivery.queue == self.scene.configuration.settings.jobs_queue:
                await self._one(delivery)
        self.scene.waiting.clear()

    def _heal(self) -> None:
        steps = self.scene.world.steps
        steps.crash_at = None
        steps.failing.clear()
        steps.lost.clear()
        self.scene.world.endpoint.script.clear()


AnyOrder.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestAnyOrder = AnyOrder.TestCase
