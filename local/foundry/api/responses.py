"""The reply to a valid request: draw, bill, and send it with the requested faults."""

import asyncio
import gzip
import socket
import struct
import zlib
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
from local.foundry.drawing.manifest import add_manifest
from local.foundry.replies import bodies
from local.foundry.replies.bodies import Part
from local.foundry.replies.faults import Fault
from local.foundry.replies.refusals import OUTPUT_REFUSAL, REFUSALS, refusal
from local.foundry.replies.tokens import Usage
from local.foundry.state.emulator import Caller, Emulator, FinishedCall, RunningCall
from local.foundry.state.settings import Settings

_HTML = (
    "<html><head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway"
    "</h1></center>\r\n<hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n"
    "</body>\r\n</html>\r\n"
)


@dataclass(frozen=True, slots=True)
class ImageCall:
    """One valid call: everything that its reply depends on."""

    emulator: Emulator
    request: web.Request
    image: ImageRequest
    caller: Caller
    faults: Mapping[str, Fault]
    headers: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        """The settings, changed by the faults of this call."""
        changes: dict[str, object] = {}
        if "escapes" in self.faults:
            changes["escapes"] = True
        if "chunk" in self.faults:
            changes["chunk_bytes"] = int(self.faults["chunk"].number(1))
        if "rate" in self.faults:
            changes["bytes_per_second"] = self.faults["rate"].number(65_536)
        return self.emulator.settings.model_copy(update=changes)

    def base64(self, data: bytes) -> bytes:
        """Return a picture as base64, with the requested faults."""
        if "c2pa" in self.faults:
            data = add_manifest(data)
        if "trailing" in self.faults:
            data += b"\r\n"
        text = bodies.base64_of(
            data, escapes=self.settings.escapes, spoilt="bad-base64" in self.faults
        )
        if "base64url" in self.faults:
            text = text.translate(bytes.maketrans(b"+/", b"-_"))
        return b"data:image/png;base64," * ("data-uri" in self.faults) + text

    def writer(self, response: web.StreamResponse) -> BodyWriter:
        """Return a writer for the response, with the stops of the faults."""
        settings = self.settings
        writer = BodyWriter(
            self.request,
            response,
            chunk_bytes=settings.chunk_bytes,
            bytes_per_second=settings.bytes_per_second,
        )
        if "stall" in self.faults:
            writer.stall_at = int(self.faults["stall"].number(0))
        if "cut" in self.faults and self.faults["cut"].value:
            writer.cut_at = int(self.faults["cut"].number(0))
        return writer


def raise_early_fault(emulator: Emulator, caller: Caller, faults: Mapping[str, Fault]) -> None:
    """Raise a fault that ends the call before a picture is made."""
    resource = caller.deployment.resource
    if "blocked" in faults:
        emulator.faults.blocked.add(resource)
    if resource in emulator.faults.blocked:
        raise problems.blocked()
    if faults.keys() & {"disconnect", "reset", "silence"}:
        raise Disconnected(next(iter(faults.keys() & {"reset", "silence"}), "disconnected"))
    for name, fault in faults.items():
        if name in REFUSALS and name != OUTPUT_REFUSAL:
            raise refusal(name, caller.request_id)
        if name in _BEFORE:
            raise _BEFORE[name](fault)


_BEFORE: Mapping[str, Callable[[Fault], problems.Problem]] = {
    "429": lambda fault: problems.throttled(int(fault.number(1000))),
    "429-bare": lambda _: problems.throttled(None),
    "429-capacity": lambda fault: problems.throttled(int(fault.number(1000)), capacity=True),
    "500": lambda _: problems.server_error(500),
    "503": lambda _: problems.server_error(503),
    "402": lambda _: problems.account(402, "payment_required", "Payment required."),
    "insufficient_quota": lambda _: problems.account(
        429,
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "billing_hard_limit_reached": lambda _: problems.account(
        400, "billing_hard_limit_reached", "Billing hard limit has been reached"
    ),
    "401": lambda _: problems.bad_key(),
    "403": lambda _: problems.firewall(),
    "404": lambda _: problems.no_deployment(),
    "404-path": lambda _: problems.no_resource(),
}


async def reply(call: ImageCall) -> tuple[web.StreamResponse, str]:
    """Make and send the pictures; return the response and its outcome for the ledger."""
    if call.image.auto_size and "off-grid" in call.faults:
        width, _, height = (call.faults["off-grid"].value or "1254x836").partition("x")
        call = replace(call, image=replace(call.image, width=int(width), height=int(height)))
    image = call.image
    early = call.settings.early_final and image.partial_images > 0
    partials = (image.partial_images - early) if image.stream else 0
    running = call.emulator.start(image, call.caller, partials=partials)
    await _stop_after(call, running)
    if "slow-headers" in call.faults:
        await asyncio.sleep(call.faults["slow-headers"].number(1))
    return await (_stream(call, running, partials) if image.stream else _whole(call, running))


async def _stop_after(call: ImageCall, running: RunningCall) -> None:
    """Raise a fault that ends the call while or after the picture is made."""
    faults = call.faults
    if not call.image.stream:
        await _wall(call, running)
    if faults.keys() & {"500-after", "408", "html-502", "disconnect-after", OUTPUT_REFUSAL}:
        await asyncio.shield(running.billing)
    if OUTPUT_REFUSAL in faults:
        raise refusal(OUTPUT_REFUSAL, call.caller.request_id)
    if "500-after" in faults:
        raise problems.server_error(500)
    if "408" in faults:
        raise problems.timeout()
    if "disconnect-after" in faults:
        raise Disconnected
    if "html-502" in faults:
        raise web.HTTPBadGateway(text=_HTML, content_type="text/html", headers=call.headers)


async def _wall(call: ImageCall, running: RunningCall) -> None:
    """Apply the time limit that is reported for calls without a stream (C-17)."""
    scale = call.emulator.settings.time_scale
    limit = call.emulator.settings.wall_seconds
    if "wall" in call.faults:
        seconds = min(call.faults["wall"].number(122) * scale, running.seconds)
    elif limit is not None and running.seconds > limit * scale:
        seconds = limit * scale
    else:
        return
    await asyncio.sleep(seconds)
    raise Disconnected


async def _whole(call: ImageCall, running: RunningCall) -> tuple[web.StreamResponse, str]:
    finished = await asyncio.shield(running.billing)
    if "202" in call.faults:
        return web.json_response({"id": "op-1", "status": "running"}, status=202), "no picture"
    parts = _document(call, finished)
    headers = dict(call.headers)
    if "long-header" in call.faults:
        headers["x-content-filter"] = "y" * int(call.faults["long-header"].number(65_000))
    if "truncated-json" in call.faults:
        parts = _truncated(parts, call.faults["truncated-json"])
    if "gzip" in call.faults:
        parts = [Part(gzip.compress(b"".join(part.data for part in parts), 1))]
        headers["content-encoding"] = "gzip"
    elif "deflate" in call.faults:
        parts = [Part(zlib.compress(b"".join(part.data for part in parts), 1))]
        headers["content-encoding"] = "deflate"
    status = int(call.faults["status"].number(201)) if "status" in call.faults else 200
    response = web.StreamResponse(status=status, headers=headers)
    wrong = call.faults.get("wrong-content-type")
    response.content_type = (wrong.value or "text/plain") if wrong else "application/json"
    total = sum(len(part.data) for part in parts)
    if not call.settings.chunked:
        response.content_length = total
    await response.prepare(call.request)
    writer = call.writer(response)
    _set_cut(call, writer, parts)
    return response, await _send(call, writer, response, parts, finished)


def _document(call: ImageCall, finished: FinishedCall) -> list[Part]:
    """Return the JSON reply, with base64, links or both."""
    faults, usage = call.faults, _told_usage(call, finished)
    drawn = [] if "empty-data" in faults else [each.data for each in finished.pictures]
    linked = drawn if "linked" in faults else drawn[1:] if "mixed" in faults else []
    origin = ("linked" in faults and faults["linked"].value) or str(call.request.url.origin())
    urls = [call.emulator.links.add(origin, each, call.image.format) for each in linked]
    pictures = [call.base64(each) for each in drawn[: len(drawn) - len(linked)]]
    if "spoilt-first" in faults and pictures:
        pictures[0] = call.base64(b"GIF89a" + bytes(50))
    return bodies.document(call.image, pictures, usage, call.settings, urls=urls)


async def _stream(
    call: ImageCall, running: RunningCall, partials: int
) -> tuple[web.StreamResponse, str]:
    response = web.StreamResponse(headers={**call.headers, "cache-control": "no-cache"})
    response.content_type = "text/event-stream"
    response.charset = "utf-8"
    await response.prepare(call.request)
    writer = call.writer(response)
    seconds = running.seconds / (partials + 1)
    try:
        for index in range(partials):
            await _idle(call, writer, seconds)
            (drawn,) = await asyncio.shield(running.drawing)
            for part in bodies.partial_event(call.image, call.base64(drawn.partials[index]), index):
                await writer.write(part.data)
        await _idle(call, writer, seconds)
        finished = await asyncio.shield(running.billing)
        if "error-event" in call.faults:
            await writer.write(bodies.error_event())
    except Disconnected:
        return response, "disconnected"
    if call.faults.keys() & {"error-event", "no-final", "empty-data"}:
        await response.write_eof()
        return response, "no picture"
    (drawn,) = finished.pictures
    usage = _told_usage(call, finished)
    parts = bodies.completed_event(call.image, call.base64(drawn.data), usage, call.settings)
    if "truncated-json" in call.faults:
        parts = _truncated(parts, call.faults["truncated-json"])
    _set_cut(call, writer, parts)
    return response, await _send(call, writer, response, parts, finished)


def _told_usage(call: ImageCall, finished: FinishedCall) -> Usage:
    """Return the usage of a reply, which a fault makes another than the billed one."""
    fault = call.faults.get("usage")
    return replace(finished.usage, output=int(fault.number(1e18))) if fault else finished.usage


async def _send(
    call: ImageCall,
    writer: BodyWriter,
    response: web.StreamResponse,
    parts: Sequence[Part],
    finished: FinishedCall,
) -> str:
    """Write the rest of a reply; mark the ledger entry when the client received it."""
    try:
        for part in parts:
            await writer.write(part.data)
        await response.write_eof()
    except Disconnected:
        return "disconnected"
    finished.entry.received = not is_gone(call.request)
    return "200" if finished.entry.received else "client gone"


async def _idle(call: ImageCall, writer: BodyWriter, seconds: float) -> None:
    """Wait, and send keep-alive comments as often as the settings say."""
    settings = call.emulator.settings
    every = settings.keep_alive_seconds * settings.time_scale
    if settings.keep_alive_seconds:
        await writer.write(b": keep-alive\n\n")
    while every and seconds > every:
        await asyncio.sleep(every)
        seconds -= every
        await writer.write(b": keep-alive\n\n")
    await asyncio.sleep(seconds)


def _set_cut(call: ImageCall, writer: BodyWriter, parts: Sequence[Part]) -> None:
    """Set the position at which a fault cuts the body."""
    sizes = [len(part.data) for part in parts]
    if "cut" in call.faults and writer.cut_at is None:
        writer.cut_at = writer.sent + sum(sizes) // 2
    if "cut-after-picture" in call.faults:
        ends = [sum(sizes[: n + 1]) for n, part in enumerate(parts) if part.is_picture]
        count = min(len(ends), max(1, int(call.faults["cut-after-picture"].number(1))))
        writer.cut_at = writer.sent + ends[count - 1] + 1  # with its closing quote


def _truncated(parts: Sequence[Part], fault: Fault) -> list[Part]:
    body = b"".join(part.data for part in parts)
    return [Part(body[: int(fault.number(len(body) // 2))])]


async def hang_up(request: web.Request, how: str) -> web.StreamResponse:
    """Close the connection without a reply; for "silence", wait until the client does."""
    if how == "reset" and request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        # An empty linger makes the kernel send RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    elif how != "silence":
        disconnect(request)
    await wait_until_gone(request)
    return web.Response()
