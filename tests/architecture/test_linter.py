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


#: Where a fault is planted.
PARTS = ("adapters", "client", "pictures", "records", "stores", "triggers", "workflows")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the library, with one more module in each part for a fault to be planted in."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(
        ROOT / "shared", tmp_path / "shared", ignore=shutil.ignore_patterns("__pycache__")
    )
    for part in PARTS:
        (tmp_path / "shared" / part / "planted.py").touch()
    return tmp_path


def test_the_arrows_point_one_way(copy: Path) -> None:
    linted = lint(copy)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("errors", "from . import ports"),
        ("ports", "from .adapters import planted"),
        ("catalogue/deployments", "from ..jobs import job"),
        ("pictures/planted", "from ..config import settings"),
        ("records/planted", "from .. import ports"),
        ("stores/planted", "from ..workflows import planted"),
        ("workflows/planted", "from ..adapters import planted"),
        ("workflows/planted", "from ..triggers import planted"),
        ("adapters/planted", "from ..workflows import planted"),
        ("client/planted", "from ..workflows import planted"),
        ("client/planted", "from ..adapters import planted"),
        ("client/planted", "from ..triggers import planted"),
    ],
)
def test_an_arrow_turned_around_is_seen(copy: Path, module: str, line: str) -> None:
    path = copy / "shared" / f"{module}.py"
    path.write_text(f"{path.read_text()}\n{line}\n")
    linted = lint(copy)
    assert linted.returncode == 1, linted.stdout
    assert "BROKEN" in linted.stdout


def test_a_package_in_no_layer_is_seen(copy: Path) -> None:
    (copy / "shared" / "attic").mkdir()
    (copy / "shared" / "attic" / "__init__.py").touch()
    linted = lint(copy)
    assert linted.returncode == 1, linted.stdout
    assert "attic" in linted.stdout


def test_a_circle_of_modules_is_seen(copy: Path) -> None:
    (copy / "shared" / "records" / "planted.py").write_text("from . import costs\n")
    path = copy / "shared" / "records" / "costs.py"
    path.write_text(f"{path.read_text()}\nfrom . import planted\n")
    linted = lint(copy)
    assert linted.returncode == 1, linted.stdout
