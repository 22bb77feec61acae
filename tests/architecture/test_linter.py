"""The arrows as import-linter holds them, and the proof that it would see one turned around."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .tree import ROOT


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the tree at `root`."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(  # noqa: S603 (a tool of this project)
        command, cwd=root, capture_output=True, check=False, text=True
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the library, with one more module in each part for a fault to be planted in."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(
        ROOT / "shared", tmp_path / "shared", ignore=shutil.ignore_patterns("__pycache__")
    )
    for part in ("services", "triggers", "client"):
        folder = tmp_path / "shared" / part
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
        (folder / "planted.py").touch()
    (tmp_path / "shared" / "planted.py").write_text('"""A piece of work."""\nfrom . import ports\n')
    return tmp_path


def test_the_arrows_point_one_way(copy: Path) -> None:
    linted = lint(copy)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("errors", "from . import ports"),
        ("ports", "from .services import planted"),
        ("deployments", "from .services import planted"),
        ("planted", "from .services import planted"),
        ("planted", "from .triggers import planted"),
        ("ports", "from . import planted"),
        ("services/planted", "from ..triggers import planted"),
        ("client/planted", "from .. import planted"),
        ("client/planted", "from ..services import planted"),
    ],
)
def test_an_arrow_turned_around_is_seen(copy: Path, module: str, line: str) -> None:
    path = copy / "shared" / f"{module}.py"
    path.write_text(f"{path.read_text()}\n{line}\n")
    linted = lint(copy)
    assert linted.returncode == 1, linted.stdout
    assert "BROKEN" in linted.stdout
