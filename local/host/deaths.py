"""Deaths that a trial asks for: the worker process dies at a request, before or after it."""

import os
import random
import signal
import sys
from collections.abc import Mapping
from typing import Any

from local.host import logs

#: "image-waiting=0.05": die at 5 % of the requests whose URL has `image-waiting`, half of the times
#: before the request is sent, half after it is answered.
SETTING = "LOCAL_DEATHS"


def arrange(settings: Mapping[str, str]) -> None:
    """Let this process die as `LOCAL_DEATHS` asks, at requests that the app sends with aiohttp."""
    part, _, share = settings.get(SETTING, "").partition("=")
    if not part:
        return
    import aiohttp  # noqa: PLC0415 - an app that dies by no request may not need it

    async def die(when: str, request: aiohttp.TraceRequestStartParams | Any) -> None:  # noqa: ANN401 - or of its end
        if part in str(request.url) and random.random() < float(share) / 2:  # noqa: S311 - chance
            logs.log.critical("died %s %s %s", when, request.method, request.url.path)
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    async def before(_session: object, _context: object, request: Any) -> None:  # noqa: ANN401 - see above
        await die("before", request)

    async def after(_session: object, _context: object, request: Any) -> None:  # noqa: ANN401 - see above
        await die("after", request)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(before)
    trace.on_request_end.append(after)
    start = aiohttp.ClientSession.__init__

    def traced(session: aiohttp.ClientSession, *positional: Any, **named: Any) -> None:  # noqa: ANN401 - passed on
        traces = [*(named.pop("trace_configs", None) or ()), trace]
        start(session, *positional, trace_configs=traces, **named)

    traced_start: Any = traced
    aiohttp.ClientSession.__init__ = traced_start  # type: ignore[method-assign]  # for all sessions
