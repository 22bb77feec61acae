"""Everything the emulator knows while it runs, and the making of pictures."""

import asyncio
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from local.foundry.api.linked_pictures import LinkedPictures
from local.foundry.api.requests import ImageRequest
from local.foundry.drawing.picture_spec import PictureSpec
from local.foundry.drawing.renderer import RenderedPicture, Renderer, RenderRequest
from local.foundry.replies.faults import Faults
from local.foundry.replies.tokens import (
    PARTIAL_TOKENS,
    Usage,
    dollars,
    image_tokens,
    output_tokens,
    text_tokens,
)
from local.foundry.state.ledger import Entry, Ledger, Picture
from local.foundry.state.models import Deployment, by_name, seconds_to_make
from local.foundry.state.quota import Clock, Quota
from local.foundry.state.settings import Settings


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """The pictures of one call, what they count, and their line in the ledger."""

    pictures: tuple[RenderedPicture, ...]
    usage: Usage
    entry: Entry


@dataclass(frozen=True, slots=True)
class RunningCall:
    """A call being made: it goes on, and is paid, whatever becomes of the client."""

    seconds: float
    drawing: asyncio.Task[tuple[RenderedPicture, ...]]
    billing: asyncio.Task[FinishedCall]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asked: the ids of the call, and the deployment."""

    request_id: str
    client_request_id: str | None
    deployment: Deployment


class Emulator:
    """Deployments, quotas, faults, ledger, and the threads that draw."""

    def __init__(
        self,
        deployments: Sequence[Deployment],
        settings: Settings,
        *,
        seed: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self.deployments = by_name(deployments)
        self.settings = settings
        self.ledger = Ledger()
        self.links = LinkedPictures()
        self.faults = Faults(seed)
        self.quota = Quota(clock) if clock else Quota()
        self.studio = Renderer()
        self._chance = random.Random(seed)  # noqa: S311  # latencies, not secrets
        self._tasks: set[asyncio.Task[FinishedCall]] = set()
        for each in deployments:
            self.quota.set(each.pool or each.model, each.rpm)

    def start(self, ask: ImageRequest, caller: Caller, *, partials: int) -> RunningCall:
        """Begin to make what was asked for; the bill comes when it is made."""
        settings = self.settings
        seconds = self._seconds(ask) * settings.time_scale
        drawing = asyncio.create_task(
            self.studio.draw(_orders(ask, caller, settings, partials), cache=settings.cache)
        )
        billing = asyncio.create_task(self._bill(ask, caller, drawing, seconds, partials))
        self._tasks.add(billing)
        billing.add_done_callback(self._tasks.discard)
        return RunningCall(seconds, drawing, billing)

    async def settled(self) -> None:
        """Wait until all that was begun is made and billed."""
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Give up what is being made."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.studio.close()

    def _seconds(self, ask: ImageRequest) -> float:
        base = seconds_to_make(
            ask.model,
            quality=ask.quality or "",
            pixels=ask.width * ask.height,
            n=ask.n,
            edit=ask.operation == "edits",
        )
        jitter = self.settings.jitter
        return base * self._chance.uniform(1 - jitter, 1 + jitter)

    async def _bill(
        self,
        ask: ImageRequest,
        caller: Caller,
        drawing: asyncio.Task[tuple[RenderedPicture, ...]],
        seconds: float,
        partials: int,
    ) -> FinishedCall:
        await asyncio.sleep(seconds)
        pictures = await drawing
        usage = self._usage(ask, partials)
        entry = Entry(
            request_id=caller.request_id,
            client_request_id=caller.client_request_id,
            deployment=caller.deployment.name,
            model=ask.model.name,
            operation=ask.operation,
            prompt_sha256=hashlib.sha256(ask.prompt.encode()).hexdigest(),
            size=ask.size,
            quality=ask.quality,
            pictures=tuple(Picture(len(each.data), each.sha256) for each in pictures),
            usage=usage,
            usd=dollars(ask.model, usage, pixels=ask.n * ask.width * ask.height),
        )
        return FinishedCall(pictures, usage, self.ledger.bill(entry))

    def _usage(self, ask: ImageRequest, partials: int) -> Usage:
        mode = self.settings.token_mode
        each = output_tokens(ask.model, ask.quality or "", ask.width, ask.height, mode)
        return Usage(
            text=text_tokens(ask.prompt),
            images=sum(image_tokens(one.width, one.height) for one in ask.inputs),
            output=each * ask.n + PARTIAL_TOKENS * partials,
        )


def _orders(
    ask: ImageRequest, caller: Caller, settings: Settings, partials: int
) -> list[RenderRequest]:
    words = [f"{ask.width}×{ask.height}", ask.quality, caller.deployment.name]  # noqa: RUF001  # typeset
    return [
        RenderRequest(
            PictureSpec(
                prompt=ask.prompt,
                width=ask.width,
                height=ask.height,
                caption="  ·  ".join(word for word in words if word),
                number=number,
                count=ask.n,
                transparent=ask.background == "transparent",
                noise=settings.noise,
                reference=ask.inputs[0].data if ask.inputs else None,
            ),
            ask.format,
            ask.compression,
            partials,
        )
        for number in range(1, ask.n + 1)
    ]
