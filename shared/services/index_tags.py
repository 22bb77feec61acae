"""What a picture can be found by in storage: blob index tags, sent with the commit that makes it.

At most ten a blob, of few characters: what does not fit is in the metadata and in the record, and
is left out here. https://learn.microsoft.com/azure/storage/blobs/storage-manage-find-blobs
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, unquote

MAX_TAGS: Final = 10
#: Labels of ours that become tags, before the caller's own.
_OURS: Final = ("job_id", "model", "locale")
_OWN: Final = "tag_"
_NAME: Final = re.compile(r"[A-Za-z0-9 +\-./:=_]{1,128}")
_VALUE: Final = re.compile(r"[A-Za-z0-9 +\-./:=_]{0,256}")


def index_tags(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a picture that is stored with these labels; ours win over equal names."""
    tags: dict[str, str] = {}
    for name, value in _wanted(labels):
        if len(tags) < MAX_TAGS and _NAME.fullmatch(name) and _VALUE.fullmatch(value):
            tags.setdefault(name, value)
    return tags


def header_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the header that writes the tags along with a blob; none where there are none."""
    pairs = (f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in tags.items())
    said = "&".join(pairs)
    return {"x-ms-tags": said} if said else {}


def _wanted(labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in _OURS:
        if value := labels.get(name):
            yield name, value
    for name, value in labels.items():
        if name.startswith(_OWN):
            yield name.removeprefix(_OWN), unquote(value)
