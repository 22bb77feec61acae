"""Replies of endpoints: the same pictures whatever the chunks, and an outcome for every error."""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final
from zlib import crc32

from pydantic import JsonValue

from shared.catalogue.pricing import Usage, compute_cost
from shared.errors import BrokenReply
from shared.images_api.decoder import (
    PictureData,
    PictureDropped,
    PictureEnded,
    PictureEvent,
    PictureSpoiled,
    PictureStarted,
    PreviewEvent,
    ReplyDecoder,
    ReplyRest,
)
from shared.images_api.outcomes import Loss, Outcome, of_failure, of_losses, of_reply
from shared.images_api.replies import find_links, find_revised_prompts
from shared.limits.budget import to_millionths
from shared.limits.circuit_breaker import feedback_of
from shared.records.outcomes import failure_of
from tests.builders import error_bodies

from ..grammar import Document, choose, mutate, strange, text_of
from ..oracles import Finding, Oracle, ask, check_text, same
from .manifests import cuts
from .messages import AT, MODELS
from .target import Target

#: Most bytes outside the pictures, of some inputs.
_FEW: Final = 300


@dataclass(slots=True)
class _Received:
    """What comes out of a decoder; only what has ended counts."""

    whole: list[bytes] = field(default_factory=list)
    spoiled: dict[int, str] = field(default_factory=dict)
    dropped: int = 0
    error: tuple[str, str] | None = None
    rest: ReplyRest | None = None
    #: Of drafts: what has ended, or has begun and can't be read.
    previews: "_Received | None" = None
    _open: bytes | None = None

    def take(self, events: Iterable[PictureEvent | PreviewEvent]) -> None:
        for event in events:
            if isinstance(event, PreviewEvent):
                self._take_preview(event.of_draft)
                continue
            number = len(self.whole) + len(self.spoiled)
            if event.index != number or (self._open is None) != isinstance(event, PictureStarted):
                raise Finding(
                    Oracle.SAME, "the decoder's events are in disorder", repr(event)[:200]
                )
            match event:
                case PictureStarted():
                    self._open = b""
                case PictureData(_, data):
                    self._open = (self._open or b"") + data
                case PictureEnded():
                    self.whole.append(self._open or b"")
                    self._open = None
                case PictureSpoiled(index, reason):
                    self.spoiled[index] = reason
                    self._open = None
                case PictureDropped():
                    self.dropped += 1
                    self._open = None

    def _take_preview(self, event: PictureEvent) -> None:
        self.previews = self.previews or _Received()
        number = len(self.previews.whole) + len(self.previews.spoiled)
        self.previews.take([replace(event, index=number)])

    @property
    def verdict(self) -> tuple[object, ...]:
        """What must not depend on the chunks."""
        # Why one is spoiled may be told by another of its faults.
        previews = self.previews and self.previews.verdict
        return self.whole, [*self.spoiled], self.dropped, self.error, self.rest, previews


def _decode(chunks: Iterable[bytes], most: int) -> _Received:
    received, decoder = _Received(), ReplyDecoder("application/json", max_rest_bytes=most)
    try:
        for chunk in chunks:
            received.take(decoder.feed(chunk))
        received.rest = decoder.finish()
    except BrokenReply as error:
        if not str(error):
            raise Finding(
                Oracle.FAULTS, "a reply is refused without a reason", type(error).__name__
            ) from error
        received.error = type(error).__name__, str(error)
    return received


def _read_reply(data: bytes) -> None:
    """Decode the body of a reply, and settle what it costs."""
    most = _FEW if crc32(data) % 16 == 0 else 1 << 20
    whole = ask("the decoder", lambda: _decode([data], most)).value or _Received()
    parts = ask("the decoder in parts", lambda: _decode(cuts(data), most)).value or _Received()
    same("the decoder depends on its chunks", one=parts.verdict, other=whole.verdict)
    for text in (*whole.spoiled.values(), *(whole.error or ())):
        check_text("the decoder", text)
    if whole.rest is None:
        outcome = of_failure(BrokenReply((whole.error or ("", ""))[1]))
        return _check_outcome(outcome)
    same(
        "the count of pictures",
        one=whole.rest.pictures,
        other=len(whole.whole) + len(whole.spoiled),
    )
    document: dict[str, JsonValue] = whole.rest.document
    outcome = _outcome(200, {}, document, "")
    losses = {at: Loss("unreadable_reply", reason) for at, reason in whole.spoiled.items()}
    _check_outcome(of_losses(outcome, losses, stored=len(whole.whole)))
    prompts = ask("find_revised_prompts", lambda: find_revised_prompts(document)).value or {}
    for text in (*prompts.values(), *(ask("find_links", lambda: find_links(document)).value or ())):
        json.dumps(text)
    ask("the cost of a reply", lambda: _settle(document))
    return None


def _settle(document: JsonValue) -> None:
    usage = Usage.read(document)
    if usage:
        Usage.model_validate_json(usage.model_dump_json())
        for model in MODELS.values():
            to_millionths(compute_cost(model, usage) or 0.0)


def _outcome(status: int, headers: Mapping[str, str], document: JsonValue, text: str) -> Outcome:
    outcome = ask("of_reply", lambda: of_reply(status, headers, document, text, now=AT)).value
    if outcome is None:
        raise Finding(Oracle.FAULTS, "a reply has no outcome")
    _check_outcome(outcome)
    return outcome


def _check_outcome(outcome: Outcome) -> None:
    if not (outcome.code and outcome.message):
        raise Finding(Oracle.FAULTS, "an outcome has no code or message", repr(outcome)[:200])
    ask("the failure of an outcome", failure_of(outcome, came=0, wanted=1).model_dump_json)
    ask("the feedback of an outcome", lambda: feedback_of(outcome, before="http_401"))
    for text in (outcome.code, outcome.message, outcome.request_id or ""):
        check_text("an outcome", text)
        if "\n" in text or "\r" in text:
            raise Finding(Oracle.WORDS, "an outcome has more than one line", repr(text)[:200])


def _read_error(data: bytes) -> None:
    """Read a reply: a status, lines of headers, an empty line, a body."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    status = int(first) if first.isascii() and first.isdigit() and len(first) == 3 else 400
    headers = {
        name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    text = body.decode(errors="replace")
    try:
        document, text = json.loads(text), ""
    except (ValueError, RecursionError):
        document = None
    _outcome(status, headers, document, text)


_PICTURE: Final = base64.b64encode(bytes(range(60))).decode()
_USAGE: Final[Document] = {
    "input_tokens": 12,
    "input_tokens_details": {"text_tokens": 12, "image_tokens": 0},
    "output_tokens": 1756,
    "output_tokens_details": {"image_tokens": 1756},
    "total_tokens": 1768,
}


def _picture(rng: Random) -> Any:  # noqa: ANN401 (what JSON can hold)
    at = rng.randint(0, len(_PICTURE))
    return choose(
        rng,
        (5, lambda: _PICTURE),
        (1, lambda: _PICTURE[:at]),
        (1, lambda: _PICTURE[:at] + rng.choice("= \n-_!%\\é") + _PICTURE[at:]),
        (1, lambda: "data:image/png;base64," + _PICTURE),
        (1, lambda: "data:image/png," + _PICTURE),
        (1, lambda: base64.urlsafe_b64encode(b"\xfb\xff" * 9).decode()),
        (1, lambda: _PICTURE + "==" + _PICTURE),
        (1, lambda: ""),
        (1, lambda: strange(rng)),
    )


def _make_reply(rng: Random) -> bytes:
    items = [
        {
            rng.choice(("b64_json", "b64_json", "b64_json", "url")): _picture(rng),
            "revised_prompt": "a",
        }
        for _ in range(rng.choice((0, 1, 1, 2, 3)))
    ]
    document = mutate(rng, {"created": 1, "data": items, "usage": _USAGE, "size": "1024x1024"})
    text = text_of(rng, document)
    if rng.random() < 0.3:
        text = text.replace("/", "\\/").replace("b64", rng.choice(("b64", "b\\u00364")))
    written = text if rng.random() < 0.5 else _stream(rng, text)
    return rng.choice((b"", b"", b"\xef\xbb\xbf", b" \n")) + written.encode(
        "utf-8", "surrogatepass"
    )


def _stream(rng: Random, text: str) -> str:
    """Write events: drafts, signs of life, errors, and the reply."""
    end = rng.choice(("\n", "\r\n", "\r"))
    events = [
        ("image_generation.partial_image", '{"partial_image_index": 0, "b64_json": "AAAA"}'),
        ("", '{"type": "image_generation.partial_image", "b64_json": "AAAA"}'),
        ("", '{"b64_json": "AAAA", "type": "image_generation.partial_image"}'),
        ("error", '{"error": {"code": "moderation_blocked", "message": "no"}}'),
        ("keepalive", "x"),
        ("", "[DONE]"),
        ("", f'{{"b64_json": "{_PICTURE}", "type": "image_generation.completed"}}'),
        ("image_generation.completed", text),
        ("image_edit.completed", f'{{"b64_json": "{_PICTURE}"}}'),
        ("", text),
    ]
    chosen = [rng.choice(events) for _ in range(rng.randint(1, 4))]
    lines = list[str]()
    for name, data in chosen:
        lines += [f"event: {name}"] if name else []
        lines += [f"data: {line}" for line in data.split("\n")] + [""]
        lines += [": sign of life"] if rng.random() < 0.2 else []
    return end.join(lines) + rng.choice(("", end, end + end))


_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "retry-after": (
        "5",
        "0",
        "-1",
        "1e999",
        "nan",
        "Sun, 22 Nov 2026 12:00:00 GMT",
        "x",
        "9" * 400,
    ),
    "retry-after-ms": ("500", "x", "-0", "1_000"),
    "date": ("Sun, 22 Nov 2026 11:59:00 GMT", "Sun, 22 Nov 99999 11:59:00 GMT", "x", ""),
    "x-request-id": ("r-1", "", "x" * 500, "\x1b[31m"),
}
_ERRORS: Final[tuple[Any, ...]] = tuple(
    value for name, value in vars(error_bodies).items() if name.startswith("E")
)
_WORDS: Final = (
    *(
        "safety_violations=[a,b",
        "safety_violations=[violence]",
        "blocked by our content filter",
        "",
    ),
    *(
        '{"error": {"code": "contentFilter"}}',
        "<html><b>403</b>",
        "prompt was flagged",
        "[[[[",
        "no",
    ),
)


def _make_error(rng: Random) -> bytes:
    headers = [
        f"{name}: {rng.choice(_HEADERS[name]) if rng.random() < 0.9 else strange(rng)}"
        for name in rng.sample(list(_HEADERS), rng.randint(0, 3))
    ]
    status = rng.choice((200, 202, 302, 400, 401, 403, 404, 408, 422, 429, 451, 500, 502, 503))
    error = rng.choice(_ERRORS)
    if rng.random() < 0.3:
        error = {"error": {**error.get("error", {}), "message": rng.choice(_WORDS)}}
    if rng.random() < 0.1:
        error = {"error": {"message": json.dumps(error)}}
    body = rng.choice(_WORDS) * rng.choice((1, 1, 50)) if rng.random() < 0.2 else None
    text = text_of(rng, mutate(rng, error)) if body is None else body
    head = "\n".join([str(status), *headers]).encode("latin-1", "replace")
    return head + b"\n\n" + text.encode("utf-8", "surrogatepass")


TARGETS: Final = (
    Target("replies", _read_reply, _make_reply, 14),
    Target("errors", _read_error, _make_error, 8),
)
