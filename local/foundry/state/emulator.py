"""The state of the running emulator, and the calls that make pictures."""

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
    """The pictures of a finished call, its usage and its ledger entry."""

    pictures: tuple[RenderedPicture, ...]
    usage: Usage
    entry: Entry


@dataclass(frozen=True, slots=True)
class RunningCall:
    """A running call: it finishes and is billed even when the client disconnects."""

    seconds: float
    drawing: asyncio.Task[tuple[RenderedPicture, ...]]
    billing: asyncio.Task[FinishedCall]


@dataclass(frozen=True, slots=True)
class Caller:
    """The ids of a call, and its deployment."""

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
        self.renderer = Renderer()
        self._chance = random.Random(seed)  # noqa: S311  # latencies, not secrets
        self._tasks: set[asyncio.Task[FinishedCall]] = set()
        for each in deployments:
            self.quota.set(each.pool or each.model, each.rpm)

    def start(self, image: ImageRequest, caller: Caller, *, partials: int) -> RunningCall:
        """Start a call; it is billed when its pictures are made."""
        settings = self.settings
        seconds = self._seconds(image) * settings.time_scale
        drawing = asyncio.create_task(
            self.renderer.draw(
                _render_requests(image, caller, settings, partials), cache=settings.cache
            )
        )
        billing = asyncio.create_task(self._bill(image, caller, drawing, seconds, partials))
        self._tasks.add(billing)
        billing.add_done_callback(self._tasks.discard)
        return RunningCall(seconds, drawing, billing)

    async def wait_until_billed(self) -> None:
        """Wait until every started call is billed."""
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Cancel the running calls."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.renderer.close()

    def _seconds(self, image: ImageRequest) -> float:
        base = seconds_to_make(
            image.model,
            quality=image.quality or "",
            pixels=image.width * image.height,
            n=image.n,
            edit=image.operation == "edits",
        )
        jitter = self.settings.jitter
        return base * self._chance.uniform(1 - jitter, 1 + jitter)

    async def _bill(
        self,
        image: ImageRequest,
        caller: Caller,
        drawing: asyncio.Task[tuple[RenderedPicture, ...]],
        seconds: float,
        partials: int,
    ) -> FinishedCall:
        await asyncio.sleep(seconds)
        pictures = await drawing
        usage = self._usage(image, partials)
        entry = Entry(
            request_id=caller.request_id,
            client_request_id=caller.client_request_id,
            deployment=caller.deployment.name,
            model=image.model.name,
            operation=image.operation,
            prompt_sha256=hashlib.sha256(image.prompt.encode()).hexdigest(),
            size=image.size,
            quality=image.quality,
            pictures=tuple(Picture(len(each.data), each.sha256) for each in pictures),
            usage=usage,
            usd=dollars(image.model, usage, pixels=image.n * image.width * image.height),
        )
        return FinishedCall(pictures, usage, self.ledger.bill(entry))

    def _usage(self, image: ImageRequest, partials: int) -> Usage:
        mode = self.settings.token_mode
        each = output_tokens(image.model, image.quality or "", image.width, image.height, mode)
        return Usage(
            text=text_tokens(image.prompt),
            images=sum(image_tokens(one.width, one.height) for one in image.inputs),
            output=each * image.n + PARTIAL_TOKENS * partials,
        )


def _render_requests(
    image: ImageRequest, caller: Caller, settings: Settings, partials: int
) -> list[RenderRequest]:
    words = [f"{image.width}×{image.height}", image.quality, caller.deployment.name]  # noqa: RUF001  # typeset
    return [
        RenderRequest(
            PictureSpec(
                prompt=image.prompt,
                width=image.width,
                height=image.height,
                caption="  ·  ".join(word for word in words if word),
                number=number,
                count=image.n,
                transparent=image.background == "transparent",
                noise=settings.noise,
                reference=image.inputs[0].data if image.inputs else None,
            ),
            image.format,
            image.compression,
            partials,
        )
        for number in range(1, image.n + 1)
    ]
