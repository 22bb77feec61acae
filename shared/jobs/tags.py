"""Tags: a caller's own words about a job, copied to its record, its events and its blobs' metadata.

Metadata travels as HTTP headers, which sets the bounds: names are identifiers that storage compares
without case, values are ASCII on the wire, and a blob has 8 KiB of it in all.
"""

import unicodedata
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, WithJsonSchema

from .fields import check_pattern, pattern_schema, quote_value

MAX_TAGS = 20
MAX_TAG_KEY = 64
MAX_TAG_VALUE = 256
#: All tags together as `encode_tags` writes them: ours needs some of a blob's 8 KiB too.
MAX_TAG_BYTES = 4_096
#: Control characters, halves of surrogate pairs, line and paragraph separators.
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})

TAG_KEY = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"


def _is_a_tag_value(value: str) -> str:
    if len(value) > MAX_TAG_VALUE:
        raise ValueError(
            f"{quote_value(value)} has {len(value)} characters; a tag's value has at most "
            f"{MAX_TAG_VALUE}"
        )
    if any(unicodedata.category(character) in _UNPRINTABLE for character in value):
        raise ValueError(f"{quote_value(value)} holds a control character; use text of one line")
    return value


def encode_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags as blob metadata: `tag_` before each name, values percent-encoded UTF-8.

    The prefix keeps a caller's names apart from ours: two equal headers would fail the upload of a
    picture that is paid for.
    """
    return {f"tag_{key}": quote(value, safe="") for key, value in tags.items()}


def _metadata_bytes(tags: dict[str, str]) -> int:
    return sum(len(key) + len(value) for key, value in encode_tags(tags).items())


def _are_tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise ValueError(f"{len(tags)} tags are too many; at most {MAX_TAGS} are kept")
    folded: dict[str, str] = {}
    for key in tags:
        other = folded.setdefault(key.lower(), key)
        if other != key:
            raise ValueError(
                f"{other!r} and {key!r} differ only by case, which blob metadata does not tell "
                "apart; rename one"
            )
    if (size := _metadata_bytes(tags)) > MAX_TAG_BYTES:
        raise ValueError(
            f"the tags take {size:,} bytes as blob metadata (percent-encoded UTF-8); "
            f"{MAX_TAG_BYTES:,} are the most"
        )
    return tags


TagKey = Annotated[
    str,
    AfterValidator(
        check_pattern(
            TAG_KEY, "a tag's name is 1 to 64 of A-Z a-z 0-9 _, not starting with a digit"
        )
    ),
    pattern_schema(TAG_KEY),
]
TagValue = Annotated[
    str,
    AfterValidator(_is_a_tag_value),
    WithJsonSchema({"type": "string", "maxLength": MAX_TAG_VALUE}),
]
Tags = Annotated[
    dict[TagKey, TagValue],
    AfterValidator(_are_tags),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MAX_TAGS,
            "propertyNames": {"pattern": TAG_KEY},
            "additionalProperties": {"type": "string", "maxLength": MAX_TAG_VALUE},
        }
    ),
]
