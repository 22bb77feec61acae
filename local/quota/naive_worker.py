"""A typical worker for comparison: parallel slots that retry a 429 with exponential backoff.

A job that fails five tries goes back to the queue; after five deliveries it is poison, as on the
platform. The slots share nothing except the endpoint.
"""

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import httpx

#: As in most libraries: 1 s, doubled each time, with full jitter.
TRIES: Final = 5
FIRST_WAIT: Final = 1.0
MAX_DEQUEUE_COUNT: Final = 5


@dataclass(slots=True)
class NaiveWorker:
    """The worker, its queue and its counts."""

    url: str
    key: str
    deployment: str
    slots: int
    chance: random.Random
    done: int = 0
    dequeues: int = 0
    poisoned: int = 0
    _queue: deque[tuple[int, int]] = field(default_factory=deque)

    async def work(self, jobs: int, *, seconds: float) -> None:
        """Run jobs until all are done or poison, or the time is over."""
        self._queue.extend((number, 1) for number in range(jobs))
        limits = httpx.Limits(max_connections=self.slots)
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:
            try:
                async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                    for _ in range(self.slots):
                        group.create_task(self._slot(client))
            except TimeoutError:
                pass

    async def _slot(self, client: httpx.AsyncClient) -> None:
        while self._queue:
            number, deliveries = self._queue.popleft()
            self.dequeues += 1
            if await self._try(client, number):
                self.done += 1
            elif deliveries < MAX_DEQUEUE_COUNT:
                self._queue.append((number, deliveries + 1))
            else:
                self.poisoned += 1

    async def _try(self, client: httpx.AsyncClient, number: int) -> bool:
        for retry in range(TRIES):
            if retry:
                await asyncio.sleep(self.chance.uniform(0, FIRST_WAIT * 2**retry))
            reply = await client.post(
                f"{self.url}/openai/deployments/{self.deployment}/images/generations",
                params={"api-version": "2025-04-01-preview"},
                headers={"api-key": self.key},
                json={"prompt": f"picture {number}", "size": "1024x1024", "quality": "low"},
            )
            if reply.status_code == HTTPStatus.OK:
                return True
            if reply.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                reply.raise_for_status()
        return False
