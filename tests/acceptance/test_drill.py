"""A short `make drill`: an alert fires, the commands find its cause, and it ends."""

import re
from pathlib import Path

import pytest

from local.drill.drills import DRILLS
from local.drill.run import RUNBOOK, find_texts, perform
from local.drill.scene import open_scene


def first_words(text: str) -> list[str]:
    """Return the first word of each line up to the cure, which no time or cost changes."""
    found = text.partition("\n# ")[0]
    lines = (re.sub(r"\d", "0", line).split() for line in found.splitlines())
    return [words[0] for words in lines if words]


@pytest.mark.usefixtures("azurite")
@pytest.mark.timeout(330)
def test_the_runbook_shows_what_an_operator_sees(tmp_path: Path) -> None:
    (drill,) = (each for each in DRILLS if each.name == "dead-letters")
    log: list[str] = []
    with open_scene(tmp_path, log.append) as scene:
        seen = "\n".join(perform(drill, scene))
    printed = find_texts(RUNBOOK.read_text())[drill.name]
    assert first_words(seen) == first_words(printed.partition("```text\n")[2])
    assert seen.endswith("RESOLVED Image Jobs: dead-letters")
