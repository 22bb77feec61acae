"""Queries, cursors and headers of the HTTP API."""

import base64
from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Final
from urllib.parse import parse_qsl, quote

from shared.http_api.queries import (
    FILTERS,
    check_request,
    is_json,
    matches_version,
    read_byte_range,
    read_command_query,
    read_event_headers,
    read_form,
    read_list_query,
    wants_links,
)
from shared.jobs.parsing import Message, read_job
from shared.records.commands import Action
from shared.records.index_entry import Cursor, read_cursor

from ..grammar import STRANGE, choose, mutate, strange, text_of
from ..oracles import ask, same
from .messages import AT, CONFIGURATION, make_job
from .target import Target


def _read_query(data: bytes) -> None:
    """Read a query string at each door that has one."""
    given = data.decode(errors="replace")
    query = dict(parse_qsl(given, keep_blank_values=True))
    quoted = given + str(query)
    listed = ask("read_list_query", lambda: read_list_query(query), given=quoted).value
    if listed and listed.after:
        cursor = read_cursor(listed.after)
        same("a cursor is read as written", one=read_cursor(cursor.to_text()), other=cursor)
        ask("a cursor", lambda: cursor.is_before("8204651200000-fox.1"))
    for action in Action:
        read = partial(read_command_query, action, "fox", query)
        ask("read_command_query", read, given=quoted)
    ask("check_request", lambda: check_request(FILTERS, query, data), given=quoted)
    ask("wants_links", lambda: wants_links(query, CONFIGURATION.settings), given=quoted)
    ask("read_form", lambda: read_form(query), given=quoted)


def _read_headers(data: bytes) -> None:
    """Read a request: lines of headers, an empty line, a body."""
    head, _, body = data.partition(b"\n\n")
    headers: Mapping[str, str] = {
        name.strip(): value.strip()
        for name, _, value in (line.partition(":") for line in head.decode("latin-1").split("\n"))
    }
    ask("is_json", lambda: is_json(headers.get("content-type")))
    ask("matches_version", lambda: matches_version(headers.get("if-none-match"), '"0x8"'))
    found = ask("read_byte_range", lambda: read_byte_range(headers.get("range"))).value
    if found:
        same("a range is in order", one=found.end is None or found.end >= found.start, other=True)
    event = ask("read_event_headers", lambda: read_event_headers(headers)).value or {}
    message = Message(body, "m", AT, event)
    ask(
        "a posted job",
        lambda: read_job(message),
        given=str(headers) + body.decode(errors="replace"),
    )


_VALUES: Final = (
    *("running", "failed", "campaign:winter", "gpt-image-2", "50", "0", "201", "1_0", "٣", "true"),
    *("q80.webp", "original", "keep", "drop", "2", "a fox", "no\nsuch", "%", "", "1" * 5000),
)
_NAMES: Final = (
    *FILTERS,
    "after",
    "run",
    "result",
    "pictures",
    "reason",
    "as",
    "code",
    "x",
    "\ud800",
)


def _make_query(rng: Random) -> bytes:
    def value() -> str:
        if rng.random() < 0.25:
            return _make_cursor(rng)
        return str(rng.choice((rng.choice(_VALUES), rng.choice(STRANGE))))

    pairs = [(rng.choice(_NAMES), value()) for _ in range(rng.randint(1, 5))]
    if rng.random() < 0.01:
        pairs *= 300
    written = "&".join(
        f"{quote(name, errors='replace')}={quote(text, errors='replace')}" for name, text in pairs
    )
    return written.encode()


def _make_cursor(rng: Random) -> str:
    marks = (None, *(rng.choice(("m", None, "x" * 99)) for _ in range(rng.randint(0, 3))))
    cursor = Cursor(place="8204651200000-fox", marks=marks)
    text = cursor.to_text()
    at = rng.randint(0, len(text))
    return choose(
        rng,
        (3, lambda: text),
        (1, lambda: text[:at] + rng.choice("=-_ é") + text[at:]),
        (1, lambda: text[:at]),
        (1, lambda: _encoded(rng)),
    )


def _encoded(rng: Random) -> str:
    document = mutate(rng, {"place": "8204651200000-fox", "marks": [None, "m"]}, 3)
    text = text_of(rng, document).encode("utf-8", "replace")
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "content-type": ("application/json", "application/cloudevents+json", "text/plain"),
    "range": ("bytes=0-5", "bytes=5-", "bytes=-5", "bytes=9-1", "bytes=0-1,3-4", "x"),
    "if-none-match": ('"0x8"', 'W/"0x8", "y"', "*", '"', ""),
    "ce-specversion": ("1.0", "0.3", ""),
    "ce-id": ("1", "%E2%82%AC", "%", ""),
    "ce-source": ("/shop", "%00"),
    "ce-type": ("job", ""),
    "ce-time": ("2026-11-30T18:00:00Z", "x", "9999-12-31T23:59:60-23:59"),
    "ce-traceparent": (f"00-{'a' * 32}-{'b' * 16}-01", "x"),
}


def _make_headers(rng: Random) -> bytes:
    names = rng.sample(list(_HEADERS), rng.randint(1, len(_HEADERS)))
    lines = [
        f"{name}: {rng.choice(_HEADERS[name]) if rng.random() < 0.9 else strange(rng)}"
        for name in names
    ]
    head = "\n".join(lines).encode("latin-1", "replace")
    return head + b"\n\n" + text_of(rng, make_job(rng)).encode("utf-8", "surrogatepass")


TARGETS: Final = (
    Target("queries", _read_query, _make_query, 8),
    Target("headers", _read_headers, _make_headers, 6),
)
