"""What the wheel `image-jobs` holds: the client and the core it needs; never the app itself."""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .tree import ROOT, imports

#: What is not a module.
DATA = ("catalogue/models.toml", "jobs/locales.toml", "py.typed")
#: The extras that a module or a package needs, by its name.
EXTRAS = {"cli": ("cli",), "mcp_server": ("mcp",)}
#: What comes with a dependency, which says what version it must be.
BROUGHT = {"azure-core", "pydantic-core"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel, built without asking anybody for anything."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 (fixed)
    (built,) = out.glob("image_jobs-*.whl")
    return ZipFile(built)


def modules(wheel: ZipFile) -> list[Path]:
    """The files of the tree that are in the wheel."""
    names = [name for name in wheel.namelist() if name.startswith("image_jobs/")]
    return [ROOT / "shared" / name.removeprefix("image_jobs/") for name in names]


def needs(*extras: str) -> set[str]:
    """What comes with the wheel, and with these of its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def strangers(path: Path) -> set[str]:
    """The distributions that a module imports from."""
    provided = packages_distributions()
    tops = {each.name.split(".")[0] for each in imports(path)} - sys.stdlib_module_names
    # Of the one name `azure` the SDKs are shares.
    shares = {
        "-".join(each.name.split(".")[:3]) for each in imports(path) if each.is_of("azure.storage")
    } | {
        "-".join(each.name.split(".")[:2])
        for each in imports(path)
        if each.is_of("azure.core", "azure.identity")
    }
    others = {
        canonicalize_name(name)
        for top in tops - {"shared", "azure"}
        for name in provided.get(top, [top])
    }
    return shares | others


def test_the_wheel_holds_the_client_and_data(wheel: ZipFile) -> None:
    held = set(modules(wheel))
    assert {ROOT / "shared" / name for name in DATA} <= held
    assert set((ROOT / "shared" / "client").rglob("*.py")) <= held


def test_nothing_of_the_app_itself_is_in_the_wheel(wheel: ZipFile) -> None:
    inside = {path.relative_to(ROOT / "shared") for path in modules(wheel)}
    assert [path for path in inside if path.parts[0] in {"adapters", "triggers", "workflows"}] == []
    assert [name for name in wheel.namelist() if not name.startswith("image_jobs")] == []


def test_what_the_wheel_imports_comes_with_it(wheel: ZipFile) -> None:
    missing = {}
    for path in modules(wheel):
        if path.suffix == ".py":
            given = needs(*EXTRAS.get(path.stem, EXTRAS.get(path.parent.name, ())))
            if more := strangers(path) - given - BROUGHT:
                missing[path.name] = more
    assert missing == {}


def test_the_wheel_says_that_it_is_typed_and_has_a_command(wheel: ZipFile) -> None:
    (about,) = [name for name in wheel.namelist() if name.endswith("/entry_points.txt")]
    assert "image-jobs = image_jobs.client.cli.main:main" in wheel.read(about).decode()
    assert "image_jobs/py.typed" in wheel.namelist()
