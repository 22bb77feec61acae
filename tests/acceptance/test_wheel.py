"""The wheel as others install it: built, put into an environment of its own, its examples run."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from re import DOTALL, findall

import pytest

from local.stack.settings import DEPLOYMENTS, REPLY_QUEUE
from tests.acceptance.running_stack import ROOT, RunningStack, running_stack

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGE = (ROOT / "docs" / "client.md").read_text()


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
    seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(  # noqa: S603 (programs of this project)
        command,
        cwd=directory,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert not must or ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_within_a_minute(
    stack: RunningStack, installed: Path, example: Path, tmp_path: Path
) -> None:
    environment = {"ImageStorage": stack.ready["storage"], "REPLY_QUEUE": REPLY_QUEUE}
    ended = run([str(installed / "python"), str(example)], tmp_path, environment, seconds=60)
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
