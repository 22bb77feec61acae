"""A picture's facts and labels as blob metadata, and back."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from ..errors import StoreUnavailable
from ..pictures import PictureFacts

#: What the metadata of a blob may come to, bytes of names and values: 8 KiB, less some room.
MAX_METADATA_BYTES: Final = 8_000

#: Values travel as HTTP headers: printable ASCII but `%`, which marks what is encoded, and the
#: space, which is lost at either end.
_SAFE: Final = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}"
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_]")


def written(facts: PictureFacts, labels: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of a picture: its facts, and as many of the labels as fit.

    Values are percent-encoded where a header cannot hold them, names are made identifiers, empty
    values are left out: a paid picture is not lost for the sake of a label.
    """
    metadata = {
        "sha256": facts.sha256,
        "width": str(facts.width),
        "height": str(facts.height),
        "bytes": str(facts.bytes),
    }
    left = MAX_METADATA_BYTES - _size(metadata)
    for label, text in labels.items():
        name, value = _identifier(label), quote(text, safe=_SAFE)
        left -= len(name) + len(value)
        if left < 0:
            break
        if value:
            metadata.setdefault(name, value)
    return metadata


def read(name: str, content_type: str | None, metadata: Mapping[str, str]) -> PictureFacts:
    """Return the facts of a stored picture."""
    try:
        return PictureFacts(
            content_type=content_type or "application/octet-stream",
            width=int(metadata["width"]),
            height=int(metadata["height"]),
            bytes=int(metadata["bytes"]),
            sha256=metadata["sha256"],
        )
    except (KeyError, ValueError) as error:
        raise StoreUnavailable(
            f"the blob {name!r} was not stored by this app: its metadata lacks {error}; "
            f"move it out of the way"
        ) from error


def _identifier(label: str) -> str:
    name = _NOT_IN_A_NAME.sub("_", label)
    return name if name[:1].isalpha() or name.startswith("_") else f"_{name}"


def _size(metadata: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in metadata.items())
