"""From a good request to its reply: made, paid, and sent as well or as badly as asked."""

import asyncio
import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from aiohttp import web

from local.foundry.api import problems
from local.foundry.api.body_writer import (
    BodyWriter,
    Disconnected,
    disconnect,
    is_gone,
    wait_until_gone,
)
from local.foundry.api.requests import ImageRequest
from local.foundry.replies import bodies as replies
from local.foundry.replies.bodies import Part
from local.foundry.replies.faults import Fault
from local.foundry.replies.refusals import REFUSALS, refusal
from local.foundry.state.emulator import Caller, Emulator, FinishedCall, RunningCall
from local.foundry.state.settings import Settings

_HTML = (
    "<html><head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway"
    "</h1></center>\r\n<hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n"
    "</body>\r\n</html>\r\n"
)


@dataclass(frozen=True, slots=True)
class ImageCall:
    """One call that will be answered: everything its reply depends on."""

    world: Emulator
    request: web.Request
    ask: ImageRequest
    caller: Caller
    faults: Mapping[str, Fault]
    headers: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        """The switches, as this call has them."""
        changes: dict[str, object] = {}
        if "escapes" in self.faults:
            changes["escapes"] = True
        if "chunk" in self.faults:
            changes["chunk_bytes"] = int(self.faults["chunk"].number(1))
        if "rate" in self.faults:
            changes["bytes_per_second"] = self.faults["rate"].number(65_536)
        return self.world.settings.model_copy(update=changes)

    def base64(self, data: bytes) -> bytes:
        """A picture for the wire."""
        return replies.base64_of(
            data, escapes=self.settings.escapes, spoilt="bad-base64" in self.faults
        )

    def wire(self, response: web.StreamResponse) -> BodyWriter:
        """A wire for the response, with its first stops."""
        settings = self.settings
        wire = BodyWriter(
            self.request,
            response,
            chunk_bytes=settings.chunk_bytes,
            bytes_per_second=settings.bytes_per_second,
        )
        if "stall" in self.faults:
            wire.stall_at = int(self.faults["stall"].number(0))
        if "cut" in self.faults and self.faults["cut"].value:
            wire.cut_at = int(self.faults["cut"].number(0))
        return wire


def stop_before(world: Emulator, caller: Caller, faults: Mapping[str, Fault]) -> None:
    """Raise what ends a call before anything is made: a block, a refusal, a fault."""
    resource = caller.deployment.resource
    if "blocked" in faults:
        world.faults.blocked.add(resource)
    if resource in world.faults.blocked:
        raise problems.blocked()
    if "disconnect" in faults:
        raise Disconnected
    for name, fault in faults.items():
        if name in REFUSALS:
            raise refusal(name, caller.request_id)
        if name in _BEFORE:
            raise _BEFORE[name](fault)


_BEFORE: Mapping[str, Callable[[Fault], problems.Problem]] = {
    "429": lambda fault: problems.throttled(int(fault.number(1000))),
    "429-bare": lambda _: problems.throttled(None),
    "429-capacity": lambda fault: problems.throttled(int(fault.number(1000)), capacity=True),
    "500": lambda _: problems.server_error(500),
    "503": lambda _: problems.server_error(503),
    "401": lambda _: problems.bad_key(),
    "403": lambda _: problems.firewall(),
    "404": lambda _: problems.no_deployment(),
    "404-path": lambda _: problems.no_resource(),
}


async def answer(call: ImageCall) -> tuple[web.StreamResponse, str]:
    """Make the pictures and send them; the response, and a word for the statistics."""
    if call.ask.auto_size and "off-grid" in call.faults:
        width, _, height = (call.faults["off-grid"].value or "1254x836").partition("x")
        call = replace(call, ask=replace(call.ask, width=int(width), height=int(height)))
    ask = call.ask
    early = call.settings.early_final and ask.partial_images > 0
    partials = (ask.partial_images - early) if ask.stream else 0
    making = call.world.start(ask, call.caller, partials=partials)
    await _stop_after(call, making)
    if "slow-headers" in call.faults:
        await asyncio.sleep(call.faults["slow-headers"].number(1))
    return await (_stream(call, making, partials) if ask.stream else _whole(call, making))


async def _stop_after(call: ImageCall, making: RunningCall) -> None:
    """Raise what ends a call after the picture was made, or while it is."""
    faults = call.faults
    if not call.ask.stream:
        await _wall(call, making)
    if faults.keys() & {"500-after", "408", "html-502", "disconnect-after"}:
        await asyncio.shield(making.billing)
    if "500-after" in faults:
        raise problems.server_error(500)
    if "408" in faults:
        raise problems.timeout()
    if "disconnect-after" in faults:
        raise Disconnected
    if "html-502" in faults:
        raise web.HTTPBadGateway(text=_HTML, content_type="text/html", headers=call.headers)


async def _wall(call: ImageCall, making: RunningCall) -> None:
    """The wall that calls without a stream are said to run into (C-17)."""
    scale = call.world.settings.time_scale
    limit = call.world.settings.wall_seconds
    if "wall" in call.faults:
        seconds = min(call.faults["wall"].number(122) * scale, making.seconds)
    elif limit is not None and making.seconds > limit * scale:
        seconds = limit * scale
    else:
        return
    await asyncio.sleep(seconds)
    raise Disconnected


async def _whole(call: ImageCall, making: RunningCall) -> tuple[web.StreamResponse, str]:
    made = await asyncio.shield(making.billing)
    if linked := call.faults.get("linked"):
        origin = linked.value or str(call.request.url.origin())
        urls = [call.world.links.add(origin, each.data, call.ask.format) for each in made.pictures]
        parts = replies.links(call.ask, urls, made.usage, call.settings)
    else:
        pictures = [call.base64(p.data) for p in made.pictures if "empty-data" not in call.faults]
        parts = replies.document(call.ask, pictures, made.usage, call.settings)
    headers = dict(call.headers)
    if "truncated-json" in call.faults:
        parts = _truncated(parts, call.faults["truncated-json"])
    if "gzip" in call.faults:
        parts = [Part(gzip.compress(b"".join(part.data for part in parts), 1))]
        headers["content-encoding"] = "gzip"
    response = web.StreamResponse(headers=headers)
    wrong = call.faults.get("wrong-content-type")
    response.content_type = (wrong.value or "text/plain") if wrong else "application/json"
    total = sum(len(part.data) for part in parts)
    if not call.settings.chunked:
        response.content_length = total
    await response.prepare(call.request)
    wire = call.wire(response)
    _set_cut(call, wire, parts)
    return response, await _send(call, wire, response, parts, made)


async def _stream(
    call: ImageCall, making: RunningCall, partials: int
) -> tuple[web.StreamResponse, str]:
    response = web.StreamResponse(headers={**call.headers, "cache-control": "no-cache"})
    response.content_type = "text/event-stream"
    response.charset = "utf-8"
    await response.prepare(call.request)
    wire = call.wire(response)
    seconds = making.seconds / (partials + 1)
    try:
        for index in range(partials):
            await _idle(call, wire, seconds)
            (drawn,) = await asyncio.shield(making.drawing)
            for part in replies.partial_event(call.ask, call.base64(drawn.partials[index]), index):
                await wire.write(part.data)
        await _idle(call, wire, seconds)
        made = await asyncio.shield(making.billing)
        if "error-event" in call.faults:
            await wire.write(replies.error_event())
    except Disconnected:
        return response, "severed"
    if call.faults.keys() & {"error-event", "no-final", "empty-data"}:
        await response.write_eof()
        return response, "no picture"
    (drawn,) = made.pictures
    parts = replies.completed_event(call.ask, call.base64(drawn.data), made.usage, call.settings)
    if "truncated-json" in call.faults:
        parts = _truncated(parts, call.faults["truncated-json"])
    _set_cut(call, wire, parts)
    return response, await _send(call, wire, response, parts, made)


async def _send(
    call: ImageCall,
    wire: BodyWriter,
    response: web.StreamResponse,
    parts: Sequence[Part],
    made: FinishedCall,
) -> str:
    """Write the last of a reply; notes in the ledger if the client was there to take it."""
    try:
        for part in parts:
            await wire.write(part.data)
        await response.write_eof()
    except Disconnected:
        return "severed"
    made.entry.received = not is_gone(call.request)
    return "200" if made.entry.received else "client gone"


async def _idle(call: ImageCall, wire: BodyWriter, seconds: float) -> None:
    """Pass the time with comments, as often as the settings say."""
    settings = call.world.settings
    every = settings.keep_alive_seconds * settings.time_scale
    if settings.keep_alive_seconds:
        await wire.write(b": keep-alive\n\n")
    while every and seconds > every:
        await asyncio.sleep(every)
        seconds -= every
        await wire.write(b": keep-alive\n\n")
    await asyncio.sleep(seconds)


def _set_cut(call: ImageCall, wire: BodyWriter, parts: Sequence[Part]) -> None:
    """Where the body ends early, if it does: counted from what was sent already."""
    sizes = [len(part.data) for part in parts]
    if "cut" in call.faults and wire.cut_at is None:
        wire.cut_at = wire.sent + sum(sizes) // 2
    if "cut-after-picture" in call.faults:
        ends = [sum(sizes[: n + 1]) for n, part in enumerate(parts) if part.is_picture]
        count = min(len(ends), max(1, int(call.faults["cut-after-picture"].number(1))))
        wire.cut_at = wire.sent + ends[count - 1] + 1  # with its closing quote


def _truncated(parts: Sequence[Part], fault: Fault) -> list[Part]:
    body = b"".join(part.data for part in parts)
    return [Part(body[: int(fault.number(len(body) // 2))])]


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Close without a reply."""
    disconnect(request)
    await wait_until_gone(request)
    return web.Response()
