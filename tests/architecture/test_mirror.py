"""Tests mirror the house: a module with logic has a test file of its name, and the reverse."""

import ast
from pathlib import Path

import pytest

from .tree import ROOT, named

#: Packages whose tests may also be in `tests/contract`, where fakes and real services are compared.
WITH_CONTRACTS = ("adapters", "stores")
#: Packages that only a host or a shell calls: `tests/acceptance` runs them as a whole.
RUN_AS_A_WHOLE = ("triggers/", "client/cli/")

BRANCHES = (
    ast.If,
    ast.IfExp,
    ast.BoolOp,
    ast.Match,
    ast.Try,
    ast.For,
    ast.While,
    ast.comprehension,
)


def modules(root: Path, package: str) -> list[str]:
    """Return the modules of a package as paths without suffix, relative to it."""
    return sorted(
        path.relative_to(root / package).with_suffix("").as_posix()
        for path in (root / package).rglob("*.py")
        if not path.stem.startswith("__")
    )


def has_logic(path: Path) -> bool:
    """Tell whether a function of the module branches or loops: data and protocols do not."""
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return any(isinstance(node, BRANCHES) for function in functions for node in ast.walk(function))


def find_tests(root: Path, module: str) -> list[Path]:
    """Return the test files of a module: `test_<module>.py` and `test_<module>_<aspect>.py`."""
    folder, _, name = module.rpartition("/")
    places = [root / "tests" / "unit" / folder]
    if module.startswith(WITH_CONTRACTS):
        places.append(root / "tests" / "contract")
    return [
        path
        for place in places
        for pattern in (f"test_{name}.py", f"test_{name}_*.py")
        for path in place.glob(pattern)
    ]


def without_tests(root: Path) -> set[str]:
    return {
        module
        for module in modules(root, "shared")
        if not module.startswith(RUN_AS_A_WHOLE)
        and has_logic(root / "shared" / f"{module}.py")
        and not find_tests(root, module)
    }


def without_module(root: Path, package: str, tests: Path) -> list[str]:
    """Return the unit tests whose name begins with that of no module beside them."""
    known = {*modules(root, package)}
    strays = []
    for path in sorted(tests.rglob("test_*.py")):
        folder = path.parent.relative_to(tests)
        words = path.stem.removeprefix("test_").split("_")
        names = ((folder / "_".join(words[:end])).as_posix() for end in range(1, len(words) + 1))
        if not known & {*names} and not (path.stem == "test_main" and is_program(package, folder)):
            strays.append(named(path, root))
    return strays


def is_program(package: str, folder: Path) -> bool:
    return (ROOT / package / folder / "__main__.py").exists()


def test_every_module_with_logic_has_its_tests() -> None:
    assert without_tests(ROOT) == set(), "give the module a test file of its name"


@pytest.mark.parametrize(
    ("package", "tests"), [("shared", "tests/unit"), ("local", "tests/unit/local")]
)
def test_every_unit_test_names_a_module(package: str, tests: str) -> None:
    strays = without_module(ROOT, package, ROOT / tests)
    assert [name for name in strays if package == "local" or "/local/" not in name] == []


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small house in which every module has its tests."""
    for name, text in {
        "shared/jobs/job.py": "def read(job): return job or 1\n",
        "shared/jobs/words.py": "A = 1\nclass Data:\n  size: int\n",
        "shared/ports.py": "class Blobs:\n  def read(self):\n    'Read a blob.'\n",
        "shared/stores/records.py": "class Records:\n  def read(self): return self or 1\n",
        "tests/unit/jobs/test_job_limits.py": "",
        "tests/contract/test_records.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_house_with_its_tests_breaks_no_law(house: Path) -> None:
    assert without_tests(house) == set()
    assert without_module(house, "shared", house / "tests/unit") == []


def test_a_module_without_tests_is_found(house: Path) -> None:
    (house / "tests/unit/jobs/test_job_limits.py").unlink()
    assert without_tests(house) == {"jobs/job"}


def test_a_test_without_a_module_is_found(house: Path) -> None:
    (house / "tests/unit/jobs/test_size.py").touch()
    assert without_module(house, "shared", house / "tests/unit") == ["tests/unit/jobs/test_size.py"]
