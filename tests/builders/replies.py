"""Replies of an images endpoint in any spelling, and a reader of what comes out of them."""

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.errors import BrokenReply
from shared.images_api.decoder import (
    PictureData,
    PictureDropped,
    PictureEnded,
    PictureSpoiled,
    PictureStarted,
    PreviewEvent,
    ReplyDecoder,
    ReplyRest,
)

JSON = "application/json"
SSE = "text/event-stream"


@dataclass
class Received:
    """What a reader of the pieces holds; a picture is `whole` once it has ended."""

    whole: list[bytes] = field(default_factory=list)
    #: Why a picture can't be read, by its index.
    spoiled: dict[int, str] = field(default_factory=dict)
    started: int = 0
    dropped: int = 0
    #: Drafts that ended, and why others can't be read.
    drafts: list[bytes] = field(default_factory=list)
    spoiled_drafts: list[str] = field(default_factory=list)
    _open: bytes | None = None
    _draft: bytes | None = None

    @property
    def _next(self) -> int:
        return len(self.whole) + len(self.spoiled)

    def take(self, pieces: Iterable[object]) -> None:
        for piece in pieces:
            match piece:
                case PictureStarted(index):
                    assert self._open is None
                    assert index == self._next
                    self._open = b""
                    self.started += 1
                case PictureData(index, data):
                    assert self._open is not None
                    assert index == self._next
                    assert data
                    self._open += data
                case PictureEnded(index):
                    assert self._open is not None
                    assert index == self._next
                    self.whole.append(self._open)
                    self._open = None
                case PictureSpoiled(index, reason):
                    assert self._open is not None
                    assert index == self._next
                    self.spoiled[index] = reason
                    self._open = None
                case PictureDropped(index):
                    assert index == self._next
                    self._open = None
                    self.dropped += 1
                case PreviewEvent(of_draft):
                    assert self._open is None, "a draft comes within a picture"
                    self._take_draft(of_draft)

    def _take_draft(self, piece: object) -> None:
        assert isinstance(piece, PictureStarted) == (self._draft is None)
        match piece:
            case PictureStarted():
                self._draft = b""
            case PictureData(_, data):
                assert data
                self._draft = (self._draft or b"") + data
            case PictureEnded():
                self.drafts.append(self._draft or b"")
                self._draft = None
            case PictureSpoiled(_, reason):
                self.spoiled_drafts.append(reason)
                self._draft = None
            case _:
                pytest.fail(f"{piece} is no event of a draft")


def chunks(reply: bytes, sizes: list[int]) -> Iterable[bytes]:
    at = 0
    while at < len(reply):
        for size in sizes:
            yield reply[at : at + size]
            at += size


def decode(
    reply: bytes, content_type: str = JSON, sizes: list[int] | None = None, **limits: int
) -> tuple[Received, ReplyRest]:
    received, decoder = Received(), ReplyDecoder(content_type, **limits)
    for chunk in chunks(reply, sizes or [len(reply) + 1]):
        received.take(decoder.feed(chunk))
    return received, decoder.finish()


def broken(reply: bytes, content_type: str = JSON, sizes: list[int] | None = None) -> Received:
    """Read a reply that must turn out to be broken, and return what came out of it before."""
    received, decoder = Received(), ReplyDecoder(content_type)
    with pytest.raises(BrokenReply):  # noqa: PT012 - any call may be the one that tells
        for chunk in chunks(reply, sizes or [len(reply) + 1]):
            received.take(decoder.feed(chunk))
        decoder.finish()
    return received


def b64(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def as_json(document: object) -> bytes:
    return json.dumps(document).encode()


def event(name: str | None, document: object, *, end: str = "\n") -> bytes:
    lines = [f"event: {name}"] if name else []
    return (end.join([*lines, f"data: {json.dumps(document)}", "", ""])).encode()


def generation(kind: str, **members: JsonValue) -> dict[str, JsonValue]:
    return {"type": f"image_generation.{kind}", **members}


def unescaped(text: str) -> str:
    return text


def solidus(text: str) -> str:
    return text.replace("/", r"\/")


def dotnet(text: str) -> str:
    return text.replace("+", r"\u002B").replace("=", r"\u003D")


def everything(text: str) -> str:
    return "".join(rf"\u{ord(each):04x}" for each in text)


def wrapped(text: str) -> str:
    return r"\n".join(text[at : at + 5] for at in range(0, len(text), 5)) + r"\r\n\t "


def unpadded(text: str) -> str:
    return text.rstrip("=")


def for_urls(text: str) -> str:
    return text.replace("+", "-").replace("/", "_")


def data_uri(text: str) -> str:
    return f" data:image/png;base64,{text}"


ESCAPINGS = (
    unescaped,
    solidus,
    dotnet,
    everything,
    wrapped,
    unpadded,
    for_urls,
    data_uri,
    lambda text: data_uri(wrapped(text)),
)
KEYS = ("b64_json", r"b64\u005fjson", r"\u0062\u0036\u0034\u005f\u006a\u0073\u006f\u006e")

pictures = st.lists(st.binary(max_size=200), min_size=1, max_size=4)
sizes = st.lists(st.integers(1, 70), min_size=1, max_size=20) | st.just([1])
escapings = st.sampled_from(ESCAPINGS)
texts = st.text() | st.sampled_from(
    ["b64_json", '"b64_json":"AAAA"', '\\"b64_json\\":', "\\", "data: x", "#0", '{"b64_json"']
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts.filter(lambda key: key != "b64_json"), inner, max_size=3)
    ),
    max_leaves=8,
)


def written(picture: bytes, key: str, escape: Callable[[str], str], space: str) -> str:
    return f'"{key}"{space}:{space}"{escape(b64(picture))}"'


@st.composite
def replies(draw: st.DrawFn) -> tuple[list[bytes], bytes, dict[str, Any]]:
    """Return pictures, a reply that holds them in any spelling, and its document, marked."""
    made = draw(pictures)
    items, expected = [], []
    for index, picture in enumerate(made):
        key, space = draw(st.sampled_from(KEYS)), draw(st.sampled_from(["", " ", "\n\t "]))
        prompt = draw(texts)
        member = written(picture, key, draw(escapings), space)
        items.append(f'{{"revised_prompt": {json.dumps(prompt)}, {member}}}')
        expected.append({"revised_prompt": prompt, "b64_json": f"#{index}"})
    before, after = draw(values), draw(values)
    dumped = json.dumps(before, ensure_ascii=draw(st.booleans()))
    reply = f'{{"before":{dumped},"data":[{",".join(items)}],"after":{json.dumps(after)}}}'
    document = {"before": before, "data": expected, "after": after}
    return made, reply.encode("utf-8", "surrogatepass"), document
