"""The README as a stranger pastes it: the demo, then its lines in the shell that it sets up."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.acceptance.running_stack import ROOT, Json, RunningStack, running_stack
from tests.simulation.waiting import until


def blocks(page: str) -> list[str]:
    """Return what a page shows to paste into a shell, in its order."""
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def paste(lines: str, directory: Path) -> str:
    """Return what a new shell prints for lines."""
    done = subprocess.run(  # noqa: S603 (the pages are ours)
        ["bash", "-euo", "pipefail", "-c", lines],  # noqa: S607 (whichever bash there is)
        cwd=directory,
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that has what `make dev` writes into a clone."""
    return tmp_path_factory.mktemp("clone")


@pytest.fixture(scope="module")
def stack(azurite: str, clone: Path) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack("--folder", str(clone / ".dev")) as stack:
        yield stack


def test_the_first_lines_run_the_demo_and_the_stack() -> None:
    assert blocks("README.md")[0].splitlines() == ["make demo", "make dev"]


def test_the_lines_that_follow_make_pictures_as_pasted(stack: RunningStack, clone: Path) -> None:
    _, *rest = blocks("README.md")
    assert len(rest) == 2
    said = paste("".join(rest), clone)
    (picture,) = (clone / "pictures").rglob("*.png")
    assert str(picture.relative_to(clone)) in said
    with Image.open(picture) as opened:
        assert opened.size == (1280, 720)
    assert "fox-7d2c" in said
    event = stack.event("fox-7d2c")
    assert event["type"] == "image.job.succeeded"
    assert event["data"]["tags"] == {"campaign": "winter"}


def test_the_lines_need_no_feature_that_only_some_shells_have() -> None:
    lines = "".join(blocks("README.md"))
    assert "<<" not in lines  # fish has no here-documents
    shell = re.sub("'.*?'", "''", lines, flags=re.DOTALL)
    assert "#" not in shell  # zsh takes it as a word at its prompt


def test_a_file_of_jobs_is_sent_as_pasted(stack: RunningStack, clone: Path) -> None:
    (upload,) = blocks("docs/batches.md")[:1]
    paste(f"source .dev/env\n{upload}", clone)

    def completed() -> list[Json]:
        found = [each for each in stack.read_events() if each["type"] == "image.batch.completed"]
        return [each["data"] for each in found if each["data"]["manifest"]["blob"] == "foxes.csv"]

    (told,) = until(completed, "end of the batch", seconds=60)
    assert (told["entries"], told["succeeded"], told["images"]) == (2, 2, 2)


@pytest.mark.usefixtures("azurite")
def test_the_demo_cuts_nothing_at_80_columns_and_says_where_to_look_next(tmp_path: Path) -> None:
    out = tmp_path / "out" / "demo"
    done = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, "-m", "local", "demo", "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    assert "…" not in done.stdout.partition("Ready after")[2]
    pictures = {str(path.relative_to(tmp_path)) for path in out.rglob("*.*g")}
    assert pictures
    assert {each for each in pictures if each not in done.stdout} == set()
    assert "make dev" in "\n".join(done.stdout.splitlines()[-2:])
