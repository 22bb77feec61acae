"""The bodies of successful replies: one JSON document, or server-sent events.

A body is a list of parts: the base64 of a picture is never copied into a larger string, and a fault
that cuts the body knows where each picture ends.
"""

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from local.foundry.api.requests import ImageRequest
from local.foundry.replies.tokens import Usage
from local.foundry.state.settings import Settings

_SPLIT = "\x00"


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of a body, and whether they are a picture's base64."""

    data: bytes
    is_picture: bool = False


def base64_of(data: bytes, *, escapes: bool, spoilt: bool) -> bytes:
    """Return a picture as in a JSON string; `spoilt` adds a character that base64 does not have."""
    text = base64.b64encode(data)
    if spoilt:
        middle = len(text) // 2
        text = text[:middle] + b"!" + text[middle + 1 :]
    if escapes:
        text = text.replace(b"/", b"\\/").replace(b"+", b"\\u002B")
    return text


def usage_of(image: ImageRequest, usage: Usage, settings: Settings) -> dict[str, JsonValue] | None:
    """Return the `usage` field: in its own words for MAI, None for FLUX."""
    if image.model.family == "flux":
        return None
    if image.model.family == "mai":
        return {
            "num_input_text_tokens": usage.text,
            "num_input_image_tokens": usage.images,
            "num_output_tokens": usage.output,
        }
    counts: dict[str, JsonValue] = {
        "input_tokens": usage.text + usage.images,
        "input_tokens_details": {"image_tokens": usage.images, "text_tokens": usage.text},
        "output_tokens": usage.output,
    }
    if settings.token_details:
        counts["output_tokens_details"] = {"image_tokens": usage.output, "text_tokens": 0}
    counts["total_tokens"] = usage.total
    return counts


def document(
    image: ImageRequest,
    pictures: Sequence[bytes],
    usage: Usage,
    settings: Settings,
    *,
    urls: Sequence[str] = (),
) -> list[Part]:
    """Return the JSON reply in the order of the measured body.

    `pictures` are base64; `urls` link the others, as reported for FLUX.
    """
    item: dict[str, JsonValue] = {"b64_json": _SPLIT}
    body: dict[str, JsonValue] = {"created": int(time.time())}
    if image.model.family == "gpt-image":
        if settings.filter_results:
            item["content_filter_results"] = _filters()
            body["prompt_filter_results"] = [
                {"prompt_index": 0, "content_filter_results": _filters()}
            ]
        body["background"] = image.background
    links: list[JsonValue] = [{"url": url, "b64_json": None} for url in urls]
    body["data"] = [*(item for _ in pictures), *links]
    if image.model.family == "gpt-image":
        body |= {"output_format": image.format, "quality": image.quality, "size": image.size}
    counts = usage_of(image, usage, settings)
    if counts is not None and image.model.name.startswith("MAI-Image-2.5"):
        body |= counts  # the older way of MAI
    elif counts is not None:
        body["usage"] = counts
    return _parts(body, pictures)


def partial_event(image: ImageRequest, picture: bytes, index: int) -> list[Part]:
    """Return the event of a partial picture."""
    members = _event_members(image)
    return _event(
        f"{_subject(image)}.partial_image", {**members, "partial_image_index": index}, picture
    )


def completed_event(
    image: ImageRequest, picture: bytes, usage: Usage, settings: Settings
) -> list[Part]:
    """Return the event of the finished picture, with the usage."""
    members = {**_event_members(image), "usage": usage_of(image, usage, settings)}
    return _event(f"{_subject(image)}.completed", members, picture)


def error_event() -> bytes:
    """Return the event of an error in a stream."""
    error: JsonValue = {
        "type": "server_error",
        "code": "server_error",
        "message": "The server had an error while processing your request. Sorry about that!",
        "param": None,
    }
    data = json.dumps({"type": "error", "error": error}, separators=(",", ":"))
    return f"event: error\ndata: {data}\n\n".encode()


def _subject(image: ImageRequest) -> str:
    return "image_edit" if image.operation == "edits" else "image_generation"


def _event_members(image: ImageRequest) -> dict[str, JsonValue]:
    return {
        "created_at": int(time.time()),
        "size": image.size,
        "quality": image.quality,
        "background": image.background,
        "output_format": image.format,
    }


def _event(kind: str, members: dict[str, JsonValue], picture: bytes) -> list[Part]:
    parts = _parts({"type": kind, "b64_json": _SPLIT, **members}, [picture])
    return [Part(f"event: {kind}\ndata: ".encode()), *parts, Part(b"\n\n")]


def _parts(body: dict[str, JsonValue], pictures: Sequence[bytes]) -> list[Part]:
    """Return the JSON as parts, with the pictures at the marks."""
    frame = json.dumps(body, separators=(",", ":")).encode()
    first, *others = frame.split(json.dumps(_SPLIT).strip('"').encode())
    parts = [Part(first)]
    for picture, after in zip(pictures, others, strict=True):
        parts += [Part(picture, is_picture=True), Part(after)]
    return parts


def _filters() -> dict[str, JsonValue]:
    safe: dict[str, JsonValue] = {
        name: {"filtered": False, "severity": "safe"}
        for name in ("hate", "self_harm", "sexual", "violence")
    }
    return {
        **safe,
        "profanity": {"detected": False, "filtered": False},
        "jailbreak": {"detected": False, "filtered": False},
    }
