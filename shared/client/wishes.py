"""The fields of a job as keyword arguments, for editors and type checkers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict


class Wishes(TypedDict, total=False):
    """What a job can ask for beside its prompt; `docs/messages.md` says what each field means."""

    job_id: str
    prompt: str
    prompt_blob: str
    model: str
    models: Sequence[str]
    size: str | Sequence[str]
    routing: Literal["auto", "legacy", "bucket"]
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max"]
    fit: Literal["scale", "reject"]
    n: int
    format: Literal["png", "jpeg"]
    compression: int
    background: Literal["auto", "opaque", "transparent"]
    locales: Sequence[str]
    inputs: Sequence[str]
    mask: str
    finish: Mapping[str, Any]
    reply_to: str
    on_unknown: Literal["retry_once", "park", "fail"]
    max_cost_usd: float
    deadline: datetime | str
    priority: Literal["normal", "low"]
    tags: Mapping[str, str]
    traceparent: str
