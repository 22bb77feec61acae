"""`make package`: the app starts from what it builds alone, whatever the working directory."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from local.stack.stack import ROOT
from tests.architecture.test_index import SETTINGS, TRIGGERS

#: The packages of the archive and the standard library, and nothing else of this machine.
START = """
import sys
sys.path[:] = [sys.argv[1] + "/.python_packages/lib/site-packages", *sys.path, sys.argv[1]]
import function_app
print(*sorted(each.get_function_name() for each in function_app.app.get_functions()))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked archive."""
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    built = subprocess.run(  # noqa: S603 (a script of this project)
        [str(ROOT / "scripts" / "package")],
        env={**os.environ, "UV": uv},
        capture_output=True,
        check=False,
        text=True,
    )
    offline = re.search("failed to fetch|request failed|error sending", built.stderr, re.IGNORECASE)
    if offline and "CI" not in os.environ:
        pytest.skip("the package index does not answer")
    assert built.returncode == 0, built.stderr
    place = tmp_path_factory.mktemp("package")
    with zipfile.ZipFile(ROOT / "dist" / "package.zip") as archive:
        archive.extractall(place)
    return place


def start(package: Path, directory: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Import the app as a warm instance does: from another directory, its own folder last."""
    return subprocess.run(  # noqa: S603 (the arguments are fixed)
        [sys.executable, "-I", "-S", "-c", START, str(package)],
        cwd=directory,
        env={**SETTINGS, **settings},
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.mark.timeout(180)
def test_the_package_has_all_that_the_app_imports(package: Path, tmp_path: Path) -> None:
    done = start(package, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == sorted(TRIGGERS)


@pytest.mark.timeout(180)
def test_a_start_compiles_nothing(package: Path) -> None:
    # The second word of a compiled module: the source is not compared with it (PEP 552).
    unchecked = (1).to_bytes(4, "little")
    modules = list(package.rglob("*.py"))
    compiled = [Path(importlib.util.cache_from_source(str(module))) for module in modules]
    assert [path for path in compiled if path.read_bytes()[4:8] != unchecked] == []


@pytest.mark.timeout(180)
def test_a_setting_that_names_a_file_names_one_of_the_package(
    package: Path, tmp_path: Path
) -> None:
    (package / "locales.txt").write_text("$prompt in $language")
    (package / "models.toml").write_bytes((package / "shared/catalogue/models.toml").read_bytes())
    files = {"LOCALE_TEMPLATE": "locales.txt", "MODEL_CATALOGUE": "models.toml"}
    done = start(package, tmp_path, **files)
    assert done.returncode == 0, done.stderr
    wrong = start(package, tmp_path, LOCALE_TEMPLATE="missing.txt")
    assert "LOCALE_TEMPLATE: 'missing.txt' can't be read" in wrong.stderr
