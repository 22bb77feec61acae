"""The wheel as others install it: built, put into an environment of its own, its examples run."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from re import DOTALL, MULTILINE, findall
from typing import Any

import pytest

from local.stack.instructions import exports
from local.stack.settings import DEPLOYMENTS, REPLY_QUEUE
from tests.acceptance.running_stack import ROOT, RunningStack, running_stack
from tests.simulation.waiting import until

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGE = (ROOT / "docs" / "client.md").read_text()
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel, its extras and nothing else of ours."""
    place = tmp_path_factory.mktemp("installed")
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)], ROOT)
    (wheel,) = place.glob("image_jobs-*.whl")
    run([uv, "venv", "--quiet", "--python", sys.executable, str(place / "venv")], place)
    install = [uv, "pip", "install", "--quiet", "--python", str(place / "venv" / "bin" / "python")]
    ended = run([*install, f"image-jobs[aio,cli] @ {wheel.as_uri()}"], place, must=False)
    if ended.returncode and "CI" not in os.environ:
        pytest.skip(f"the wheel's dependencies can't be had here: {ended.stderr[-400:]}")
    assert ended.returncode == 0, ended.stderr
    return place / "venv" / "bin"


def run(
    command: list[str],
    directory: Path,
    environment: Mapping[str, str] | None = None,
    *,
    must: bool = True,
) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(  # noqa: S603 (programs of this project)
        command,
        cwd=directory,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not must or ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(
    stack: RunningStack, installed: Path, example: Path, tmp_path: Path
) -> None:
    environment = {"ImageStorage": stack.ready["storage"], "REPLY_QUEUE": REPLY_QUEUE}
    ended = run([str(installed / "python"), str(example)], tmp_path, environment)
    assert ended.stdout.strip()
    assert ended.stderr == ""


@pytest.mark.parametrize("code", findall(r"```python\n(.*?)```", PAGE, DOTALL))
def test_the_python_of_the_page_runs(
    stack: RunningStack, installed: Path, code: str, tmp_path: Path
) -> None:
    environment = {"ImageStorage": stack.ready["storage"]}
    assert run([str(installed / "python"), "-c", code], tmp_path, environment).stderr == ""


def test_the_commands_of_the_page_run(stack: RunningStack, installed: Path, tmp_path: Path) -> None:
    environment = {
        "ImageStorage": stack.ready["storage"],
        "FOUNDRY_DEPLOYMENTS": json.dumps(DEPLOYMENTS),
        "PATH": f"{installed}:{os.environ['PATH']}",
    }
    (commands,) = findall(r"```console\n(.*?)```", PAGE, DOTALL)
    for line in commands.splitlines():
        assert run(["bash", "-c", line.removeprefix("$ ")], tmp_path, environment).stdout
    assert sorted(path.name for path in tmp_path.rglob("*.png")) == ["0.png", "0.png"]


def test_the_doors_of_the_readme_lead_to_pictures(
    stack: RunningStack, installed: Path, tmp_path: Path
) -> None:
    ask, _ = findall(
        r"^```sh\n(.*?)^```", README.partition("## Ask for a picture")[2], DOTALL | MULTILINE
    )
    _, client = findall(r"^```python\n(.*?)^```", README, DOTALL | MULTILINE)
    environment = {**exports(stack.ready), "PATH": f"{installed}:{os.environ['PATH']}"}
    run(["bash", "-euo", "pipefail", "-c", ask], tmp_path, environment)
    run([str(installed / "python"), "-c", client], tmp_path, environment)
    assert [path.suffix for path in tmp_path.glob("pictures/**/*.*")] == [".png"]
    assert (tmp_path / "fox.png").stat().st_size > 0
    assert stack.event("fox-http")["type"] == "image.job.succeeded"
    (told,) = until(lambda: batches_of(stack, "foxes.csv"), "end of the batch", seconds=60)
    assert (told["entries"], told["succeeded"], told["images"]) == (2, 2, 2)


def batches_of(stack: RunningStack, name: str) -> list[dict[str, Any]]:
    ended = [each for each in stack.read_events() if each["type"] == "image.batch.completed"]
    return [each["data"] for each in ended if each["data"]["manifest"]["blob"] == name]


def test_the_command_is_installed_with_it(
    stack: RunningStack, installed: Path, tmp_path: Path
) -> None:
    environment = {
        "ImageStorage": stack.ready["storage"],
        "FOUNDRY_DEPLOYMENTS": json.dumps(DEPLOYMENTS),
    }
    command = [str(installed / "image-jobs"), "submit", "a fox", "-q", "low", "--wait", "--json"]
    told = json.loads(run(command, tmp_path, environment).stdout)
    assert told["state"] == "succeeded"


def test_its_types_are_seen_by_a_type_checker(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(
        "from image_jobs.client import ImageJobs\n"
        "with ImageJobs() as jobs:\n"
        "    reveal_type(jobs.submit('a fox', size='16:9').job_id)\n"
        "    jobs.submit('a fox', colour='red')\n"
    )
    checker = [sys.executable, "-m", "mypy", "--strict", "--python-executable"]
    said = run([*checker, str(installed / "python"), "service.py"], tmp_path, must=False).stdout
    assert 'Revealed type is "str"' in said
    assert 'Unexpected keyword argument "colour"' in said
