"""Any message that is a valid job, for properties; and the shortest way to read one."""

import json
import string
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import strategies as st

from shared.errors import InvalidJob
from shared.jobs.job import Job
from shared.jobs.parsing import Message, read_job

#: The shortest job.
PROMPT = {"prompt": "a fox in the snow"}
INSERTED_AT = datetime(2026, 11, 30, 17, 0, tzinfo=UTC)

#: Letters of Hangul with nothing to see.
FILLERS = "\u115f\u1160\u3164\uffa0"
PROMPTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\n\t"),
    min_size=1,
    max_size=80,
).filter(lambda text: any(each.isalnum() for each in text if each not in FILLERS))
BLOBS = st.lists(
    st.text(string.ascii_letters + string.digits + " -_äß", min_size=1, max_size=8),
    min_size=1,
    max_size=3,
).map("/".join)
SIZES = st.sampled_from(["1024x1024", "16:9", "4k 16:9", "small", "large 3:2", "2k", "auto"])
LOCALES = st.sampled_from(["de", "pt-BR", "zh-Hant-TW", "es-419", "sl-rozaj", "de-CH-1996"])
TAGS = st.dictionaries(
    st.from_regex(r"[a-z_][a-z0-9_]{0,20}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12),
    max_size=20,
)
FINISHES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"thumbnail": st.integers(16, 1024)},
    optional={
        "size": st.sampled_from(["1200x628", "1x1"]),
        "how": st.sampled_from(["crop", "resize"]),
        "renditions": st.lists(
            st.sampled_from(["webp", "jpeg", "avif"]).map(lambda name: {"format": name})
            | st.just({"format": "webp", "quality": 50}),
            max_size=3,
            unique_by=lambda rendition: (rendition["format"], "quality" in rendition),
        ),
    },
)
FORMATS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"format": "png"},
        {"background": "transparent"},
        {"format": "jpeg", "compression": 0},
        {"format": "jpeg", "background": "opaque"},
    ]
)
MODELS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"model": "gpt-image-2"}, {"models": ["gpt-image-2", "gpt-image-1.5"]}]
)
MASKS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"inputs": ["a.png"]}, {"inputs": ["a.png", "b"], "mask": "m.png"}]
)


def messages() -> st.SearchStrategy[dict[str, Any]]:
    """Any valid job, as a caller may write it."""
    rest: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {},
        optional={
            "job_id": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True),
            "size": SIZES | st.lists(SIZES, min_size=1, max_size=4, unique=True),
            "routing": st.sampled_from(["auto", "legacy", "bucket", "service"]),
            "quality": st.sampled_from(["auto", "low", "max"]),
            "fit": st.sampled_from(["scale", "reject"]),
            "n": st.integers(1, 10),
            "options": st.dictionaries(
                st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True),
                st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.sampled_from(["low"]),
                max_size=3,
            ),
            "locales": st.lists(LOCALES, max_size=4, unique=True),
            "finish": FINISHES,
            "reply_to": st.sampled_from(["abc", "image-events-2"]),
            "on_unknown": st.sampled_from(["retry_once", "park", "fail"]),
            "max_cost_usd": st.floats(0.01, 1e6) | st.integers(1, 100),
            "deadline": st.datetimes(timezones=st.timezones(), allow_imaginary=False)
            .filter(lambda moment: 2000 < moment.year < 9999)
            .map(datetime.isoformat),
            "not_before": st.just("1999-12-31T23:00:00Z"),
            "priority": st.sampled_from(["normal", "low"]),
            "tenant": st.sampled_from(["default", "shop", "a-1"]),
            "tags": TAGS,
            "traceparent": st.just("00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
        },
    )
    prompts: st.SearchStrategy[dict[str, Any]] = st.one_of(
        PROMPTS.map(lambda text: {"prompt": text}), BLOBS.map(lambda name: {"prompt_blob": name})
    )
    return st.tuples(prompts, rest, FORMATS, MODELS, MASKS).map(
        lambda parts: {name: value for part in parts for name, value in part.items()}
    )


def read(message: object, *, seed: str = "message-1") -> Job:
    """Read a message as the queue delivers it."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return read_job(Message(body, seed, INSERTED_AT))


def faults(message: object) -> dict[str, str]:
    """Read a message that must be refused, and return its faults by field."""
    with pytest.raises(InvalidJob) as refused:
        read(message)
    return {fault.field: fault.message for fault in refused.value.faults}
