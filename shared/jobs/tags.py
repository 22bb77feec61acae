"""Check tags: a caller's key-value pairs, copied to the record, the events and the blob metadata.

Metadata is sent as HTTP headers, which sets the limits: names are identifiers that storage compares
without case, values are ASCII, and all metadata of a blob together has at most 8 KiB.
"""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, WithJsonSchema

from .fields import Pattern, check_line, quote_value

MAX_TAGS = 20
MAX_TAG_VALUE = 256
#: All tags together as `encode_tags` writes them: our own metadata needs some of the 8 KiB.
MAX_TAG_BYTES = 4_096

TAG_KEY = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"


def _check_tag_value(value: str) -> str:
    if len(value) > MAX_TAG_VALUE:
        raise ValueError(
            f"{quote_value(value)} has {len(value)} characters; a tag's value has at most "
            f"{MAX_TAG_VALUE}"
        )
    return check_line(value)


def encode_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags as blob metadata: names start with `tag_`, values are percent-encoded UTF-8.

    The prefix separates a caller's names from ours: two equal headers would make the upload of a
    paid picture fail.
    """
    return {f"tag_{key}": quote(value, safe="") for key, value in tags.items()}


def _check_tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise ValueError(f"has {len(tags)} tags; at most {MAX_TAGS} are allowed")
    folded: dict[str, str] = {}
    for key in tags:
        other = folded.setdefault(key.lower(), key)
        if other != key:
            raise ValueError(
                f"{other!r} and {key!r} differ only by case, which blob metadata ignores; "
                "rename one"
            )
    size = sum(len(key) + len(value) for key, value in encode_tags(tags).items())
    if size > MAX_TAG_BYTES:
        raise ValueError(
            f"has {size:,} bytes as blob metadata (percent-encoded UTF-8); at most "
            f"{MAX_TAG_BYTES:,} are allowed"
        )
    return tags


Tags = Annotated[
    dict[
        Annotated[
            str,
            Pattern(TAG_KEY, "a tag's name is 1 to 64 of A-Z a-z 0-9 _, not starting with a digit"),
        ],
        Annotated[str, AfterValidator(_check_tag_value)],
    ],
    AfterValidator(_check_tags),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MAX_TAGS,
            "propertyNames": {"pattern": TAG_KEY},
            "additionalProperties": {"type": "string", "maxLength": MAX_TAG_VALUE},
        }
    ),
]
