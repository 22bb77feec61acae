"""The HTTP server: function routes with keys, and the admin route that runs a function."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from azure.storage.queue import QueueMessage

from local.host import messages
from local.host.bindings import RETURN, Function, QueueTrigger, TimerTrigger
from local.host.invoker import Invoker
from local.host.protos import PROTOS, RpcHttpCookie, TypedData
from local.host.routes import Keys, Route, match
from local.host.timers import timer_info

#: Bytes of the largest request body, as in Azure.
LARGEST_BODY = 104_857_600

_SAME_SITE = {
    RpcHttpCookie.SameSite.Lax: "Lax",
    RpcHttpCookie.SameSite.Strict: "Strict",
    RpcHttpCookie.SameSite.ExplicitNone: "None",
}


@dataclass(frozen=True, slots=True)
class Site:
    """The web site of the host: runs functions for requests."""

    functions: Mapping[str, Function]
    routes: tuple[Route, ...]
    keys: Keys
    invoker: Invoker

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_get("/", self._home)
        application.router.add_post("/admin/functions/{name}", self._run_function)
        application.router.add_get("/admin/host/status", self._status)
        # A path may contain a line break (`%0A`), which a dot does not match.
        application.router.add_route("*", r"/{path:[\s\S]*}", self._call)
        return application

    async def _home(self, _request: web.Request) -> web.Response:
        return web.Response(text="This function app is running.\n")

    async def _status(self, request: web.Request) -> web.Response:
        if not self.keys.opens("admin", _key(request)):
            return web.Response(status=401)
        return web.json_response({"state": "Running"})

    async def _run_function(self, request: web.Request) -> web.Response:
        """Start a function and return 202 at once."""
        if not self.keys.opens("admin", _key(request)):
            return web.Response(status=401)
        function = self.functions.get(request.match_info["name"])
        if function is None:
            return web.Response(status=404)
        try:
            document = await request.json()
        except ValueError:
            return web.Response(status=400, text='the body must be JSON: {} or {"input": "…"}\n')
        text = str((document or {}).get("input") or "")
        match function.trigger:
            case TimerTrigger():
                value, metadata = timer_info(None, past_due=False), {}
            case QueueTrigger(binary=binary):
                body = text.encode()
                value = messages.trigger_data(body, binary=binary)
                metadata = messages.metadata(QueueMessage(content=text), body, binary=binary)
            case _:
                return web.Response(status=400, text="call an HTTP function by its route\n")
        task = asyncio.create_task(self.invoker.run(function, value, metadata))
        _started.add(task)
        task.add_done_callback(_started.discard)
        return web.Response(status=202)

    async def _call(self, request: web.Request) -> web.StreamResponse:
        found = match(self.routes, request.method, request.path)
        if found is None:
            return web.Response(status=404)
        route, parameters = found
        if not self.keys.opens(route.trigger.level, _key(request)):
            return web.Response(status=401)
        value = TypedData(http=await _rpc_http(request, parameters))
        result = await self.invoker.run(route.function, value, {})
        if not result.succeeded:
            return web.Response(status=500)
        name = route.function.http_output
        answer = result.returned if name in {None, RETURN} else result.outputs.get(str(name))
        return response(answer)


#: Runs started by the admin route; the event loop keeps only weak references.
_started: set[asyncio.Task[Any]] = set()


def _key(request: web.Request) -> str | None:
    return request.headers.get("x-functions-key") or request.query.get("code")


async def _rpc_http(request: web.Request, parameters: Mapping[str, str]) -> Any:  # noqa: ANN401 - made by `protos`, untyped
    """Return the request as the worker gets it.

    Header names are in lower case, repeated query values are joined by commas, empty ones dropped;
    a body without Content-Length (chunked) arrives empty.
    """
    query: dict[str, list[str]] = {}
    for name, value in request.query.items():
        query.setdefault(name, []).extend([value] if value else [])
    body = await request.read() if request.headers.get("content-length") else b""
    return PROTOS.RpcHttp(
        method=request.method,
        url=str(request.url),
        headers={name.lower(): value for name, value in request.headers.items()},
        params=dict(parameters),
        query={name: ",".join(values) for name, values in query.items() if values},
        body=TypedData(bytes=body) if body else TypedData(),
    )


def response(answer: Any) -> web.Response:  # noqa: ANN401 - a TypedData, or None
    """Return the HTTP response for a function's result: 204 without a result."""
    kind = answer.WhichOneof("data") if answer is not None else None
    if kind is None:
        return web.Response(status=204)
    if kind != "http":
        return _plain(getattr(answer, kind))
    http = answer.http
    body = http.body.bytes if http.body.WhichOneof("data") == "bytes" else b""
    sent = web.Response(status=int(http.status_code), body=body, headers=http.headers)
    for cookie in http.cookies or ():
        sent.set_cookie(
            cookie.name,
            cookie.value,
            domain=_value(cookie.domain) or None,
            path=_value(cookie.path) or "/",
            expires=_expires(cookie.expires),
            max_age=_max_age(cookie.max_age),
            secure=bool(_value(cookie.secure)),
            httponly=bool(_value(cookie.http_only)),
            samesite=_SAME_SITE.get(cookie.same_site),
        )
    return sent


def _plain(content: object) -> web.Response:
    """Return a text response; JSON with a `body` is a whole response, as in the real host."""
    if isinstance(content, bytes):
        return web.Response(body=content)
    text = str(content)
    try:
        document = json.loads(text)
    except ValueError:
        return web.Response(text=text)
    if not isinstance(document, dict) or "body" not in document:
        return web.Response(text=text)
    body = document["body"]
    return web.Response(
        status=int(document.get("statusCode") or document.get("status") or 200),
        text=body if isinstance(body, str) else json.dumps(body),
        headers=document.get("headers"),
    )


def _value(nullable: Any) -> Any:  # noqa: ANN401 - one of the Nullable… messages
    return None if nullable is None else nullable.value


def _expires(nullable: Any) -> str | None:  # noqa: ANN401 - a NullableTimestamp
    moment = _value(nullable)
    return moment.strftime("%a, %d %b %Y %H:%M:%S GMT") if moment else None


def _max_age(nullable: Any) -> int | None:  # noqa: ANN401 - a NullableDouble
    seconds = _value(nullable)
    return None if seconds is None else int(seconds)
