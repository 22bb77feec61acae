"""The images endpoint in memory: gives the answers that a test sets."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus

from shared.images_api.requests import ImageRequest
from tests.simulation.steps import Steps


@dataclass(frozen=True, slots=True)
class FakeReply:
    """A reply to give: its body comes in chunks of `chunk_bytes`, and then `error`, if there is."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    body: bytes = b""
    chunk_bytes: int = 1 << 16
    error: Exception | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.body), self.chunk_bytes):
            await asyncio.sleep(0)
            yield self.body[start : start + self.chunk_bytes]
        if self.error:
            raise self.error


type Answer = FakeReply | Exception | Callable[[ImageRequest], FakeReply]


@dataclass(slots=True)
class FakeEndpoint:
    steps: Steps = field(default_factory=Steps)
    #: Answers in order; when they are used up, `otherwise` is given again and again.
    script: deque[Answer] = field(default_factory=deque)
    otherwise: Answer | None = None
    #: What happens while a call is under way, in order.
    meanwhile: deque[Callable[[], Awaitable[None]]] = field(default_factory=deque)
    requests: list[ImageRequest] = field(default_factory=list)
    limits: list[timedelta] = field(default_factory=list)
    client_request_ids: list[str] = field(default_factory=list)
    #: What links lead to: answers in order, each link's last one again and again.
    linked: dict[str, deque[FakeReply | Exception]] = field(default_factory=dict)
    #: Links that were followed, and whether to the endpoint's own origin.
    followed: list[tuple[str, bool]] = field(default_factory=list)
    #: Calls that were answered with pictures: what a provider bills.
    pictured: int = 0

    @asynccontextmanager
    async def post(
        self, request: ImageRequest, *, limit: timedelta, client_request_id: str
    ) -> AsyncIterator[FakeReply]:
        await self.steps.take("endpoint.post")
        self.requests.append(request)
        self.limits.append(limit)
        self.client_request_ids.append(client_request_id)
        if self.meanwhile:
            await self.meanwhile.popleft()()
        answer = self.script.popleft() if self.script else self.otherwise
        if answer is None:
            raise AssertionError(f"call {len(self.requests)} was not expected: {request.url}")
        if isinstance(answer, Exception):
            raise answer
        reply = answer if isinstance(answer, FakeReply) else answer(request)
        self.pictured += reply.status == HTTPStatus.OK
        yield reply

    @asynccontextmanager
    async def follow(self, link: str, *, own: bool, limit: timedelta) -> AsyncIterator[FakeReply]:
        await self.steps.take("endpoint.follow")
        self.followed.append((link, own))
        self.limits.append(limit)
        answers = self.linked[link]
        answer = answers.popleft() if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        yield answer
