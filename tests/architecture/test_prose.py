"""Prose is plain: a short list of literary constructions that no file may use.

CONTRIBUTING says how we write. This list holds only what is never right here.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .tree import files, named

#: A space matches a line break too, with the mark of a comment behind it.
PHRASES = (
    *("is none", "are none", "thrice", "whoever", "whomever"),
    *("wakened", "came of", "comes of it", "comes to pass", "becomes of", "became of"),
    *("kept book", "book is kept", "of its own accord", "by whatever", "that is to be"),
    *("is told", "are told", "was told", "were told", "tells of", "tells so", "tells the world"),
    *("stands in", "stand in for", "is no case", "are all that is", "would have it"),
)
FORBIDDEN = re.compile(
    "|".join(rf"\b{r'\s+(?:#:?\s+|//\s+|\*\s+)?'.join(phrase.split())}\b" for phrase in PHRASES)
)

#: Where people read: code with its comments, docs, pages, templates, workflows.
READ = {".bicep", ".css", ".html", ".js", ".json", ".md", ".py", ".toml", ".yaml", ".yml", ""}
#: Not ours, made from the code, or made of examples of what is wrong.
NOT_READ = (
    "LICENSE",
    "CODE_OF_CONDUCT.md",
    "package-lock.json",
    "tests/architecture/test_prose.py",
)

#: Files and folders that still offend. The list only shrinks.
EXEMPT = ("docs/schemas/",)  # derived from texts of shared/


def lines_with_phrases(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the phrase of each forbidden construction."""
    for found in FORBIDDEN.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, " ".join(found.group().split())


def is_read(path: Path) -> bool:
    return path.suffix in READ and not named(path).startswith(NOT_READ)


def test_no_file_uses_a_literary_construction() -> None:
    offences = [
        f"{named(path)}:{line}: {phrase!r}"
        for path in files()
        if is_read(path) and not named(path).startswith(EXEMPT)
        for line, phrase in lines_with_phrases(path.read_text("utf-8"))
    ]
    assert not offences, "write it plainly (CONTRIBUTING, How we write):\n" + "\n".join(offences)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the size that is\n    none", [(1, "is none")]),
        ("#: what the host\n#: is\n#: told", [(2, "is #: told")]),
        ("value is None", []),
        ("a normal word, a minor one", []),
    ],
)
def test_a_planted_construction_is_found(text: str, found: list[tuple[int, str]]) -> None:
    assert [*lines_with_phrases(text)] == found
