"""Our way: a message taken in and its task generated, in the world that the app opens."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from shared.adapters.world import open_world
from shared.config.settings import configure
from shared.jobs.parsing import Message
from shared.records.task_messages import TaskMessage
from shared.workflows.generation.generate import generate
from shared.workflows.intake import handle_job_message
from tests.benchmarks.orders import Order
from tests.benchmarks.ways import API_KEY, MODEL, Addresses

#: Calls under way, at most, in any case.
MOST_AT_ONCE = 64


class Ours:
    def __init__(self, addresses: Addresses, knobs: Mapping[str, str]) -> None:
        self.configuration = configure(
            {
                "ImageStorage": addresses.storage,
                "FOUNDRY_ENDPOINT": addresses.foundry,
                "FOUNDRY_API_KEY": API_KEY,
                # A quota that no run reaches: what is measured is the way, not the wait.
                "FOUNDRY_DEPLOYMENTS": json.dumps([{"name": MODEL, "rpm": 100_000}]),
                "CALL_GUARD_SECONDS": "0",
                **knobs,
            }
        )
        self._world = open_world(self.configuration)
        # As after hours of work: a new process would begin with two calls at once.
        window = self._world.pools.window(self.configuration.deployments[0].pool)
        window.proven, window.proven_at = MOST_AT_ONCE, datetime.now(UTC)

    async def make(self, order: Order) -> None:
        job = {
            "job_id": order.key,
            "prompt": order.prompt,
            "model": MODEL,
            "size": "3840x2160",
            "n": order.pictures,
        }
        message = Message(json.dumps(job).encode(), f"id-{order.key}", datetime.now(UTC))
        report = await handle_job_message(message, self._world, self.configuration)
        if report.what != "accepted":
            raise RuntimeError(f"the job was not taken in: {report}")
        task = TaskMessage(job_id=order.key, task=0)
        report = await generate(task, self._world, self.configuration)
        if report.what != "done":
            raise RuntimeError(f"the task was not done: {report}")

    async def close(self) -> None:
        """The world of a process is never closed."""
