"""The direction of imports, and the packages that may reach the world.

The arrows among the modules of `shared` are held twice: import-linter (`[tool.importlinter]` in
pyproject.toml) sees chains of imports, the laws here see any new module without a list.
"""

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from .test_requirements import pins
from .tree import ROOT, Import, imports, named

#: The parts that touch the world; all others are handed the time, the bytes and the settings.
WORLDLY = {"adapters", "client", "stores", "triggers"}
#: What the others may not know: the network, the clock, the environment, the
#: log, chance, and the loop it runs on.
THE_WORLD = (
    "opentelemetry",
    *("aiohttp", "azure", "httpx", "requests", "urllib.request", "urllib3"),
    *("asyncio", "concurrent", "http.client", "multiprocessing", "selectors", "signal", "socket"),
    *("subprocess", "threading", "logging", "os", "pathlib.Path", "shutil", "ssl", "tempfile"),
    *("time", "random", "secrets", "uuid.uuid1", "uuid.uuid4"),
)
#: Calls that reach the world without an import of their own.
WORLDLY_CALLS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("uuid.uuid1", "uuid.uuid4", "open", "print", "input"),
}
SDKS = ("azure", "httpx", "aiohttp", "opentelemetry")
#: The client sends messages, reads events and signs in; it never calls a model.
SDKS_OF_THE_CLIENT = ("azure.storage", "azure.identity", "azure.core")


def part(dotted: str) -> str:
    """The package or module of `shared` that a name belongs to; empty outside."""
    parts = dotted.split(".")
    return parts[1] if parts[0] == "shared" and len(parts) > 1 else ""


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Every module of `shared`, with its part of the house."""
    for path in sorted((root / "shared").rglob("*.py")):
        yield part(".".join(path.relative_to(root).with_suffix("").parts)), path


def strangers_inside(root: Path) -> Iterator[str]:
    for _, path in modules(root):
        for each in imports(path, root):
            if each.is_of("local", "tests", "function_app"):
                yield f"{each}: what is deployed may not import what is not, nor its entry"


def touches_of_the_world(root: Path) -> Iterator[str]:
    for here, path in modules(root):
        if here in WORLDLY:
            continue
        for each in imports(path, root):
            if each.is_of(*THE_WORLD) or each.name == "pathlib":
                yield f"{each}: only {', '.join(sorted(WORLDLY))} may"
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                call = ".".join(ast.unparse(node.func).split(".")[-2:])
                if call in WORLDLY_CALLS:
                    yield f"{named(path, root)}:{node.lineno} calls {call}: take it as an argument"


def strangers_with_an_sdk(root: Path) -> Iterator[str]:
    for path in [*(root / "shared").rglob("*.py"), *root.glob("function_app.py")]:
        here = path.relative_to(root).parts[:2][-1]
        for each in imports(path, root):
            functions = each.is_of("azure.functions")
            allowed = (
                (here in {"triggers", "function_app.py"} and functions)
                or (here == "adapters" and not functions)
                or (here == "client" and each.is_of(*SDKS_OF_THE_CLIENT))
            )
            if each.is_of(*SDKS) and not allowed:
                yield f"{each}: only adapters may import SDKs, only triggers azure.functions"


def imports_of_the_app(root: Path) -> Iterator[Import]:
    """Of all that is deployed. The client is not: `test_wheel` has its laws."""
    client = root / "shared" / "client"
    for path in [*(root / "shared").rglob("*.py"), *root.glob("function_app.py")]:
        if not path.is_relative_to(client):
            yield from imports(path, root)


def test_what_is_deployed_imports_nothing_that_is_not() -> None:
    assert [*strangers_inside(ROOT)] == []


def test_the_core_and_the_workflows_do_not_touch_the_world() -> None:
    assert [*touches_of_the_world(ROOT)] == []


def test_only_adapters_know_the_sdks_and_only_triggers_the_functions_library() -> None:
    assert [*strangers_with_an_sdk(ROOT)] == []


def test_inside_the_package_imports_are_relative() -> None:
    absolute = [
        f"{named(path)}:{node.lineno}"
        for path in (ROOT / "shared").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "shared")
        or (isinstance(node, ast.Import) and any(a.name.startswith("shared") for a in node.names))
    ]
    assert absolute == []


def test_the_entry_names_triggers_and_nothing_else() -> None:
    app = ROOT / "function_app.py"
    if not app.exists():
        pytest.skip("function_app.py is not written yet")
    needed = ("azure.functions", "shared.triggers", "shared.adapters.world", "gc", "os")
    assert [str(each) for each in imports(app) if not each.is_of(*needed)] == []


def test_what_is_deployed_imports_only_what_is_installed_with_it() -> None:
    installed = set(pins("requirements.txt"))
    provided = packages_distributions()
    uninstalled = [
        str(each)
        for each in imports_of_the_app(ROOT)
        if (top := each.name.split(".")[0]) not in sys.stdlib_module_names
        and top != "shared"
        and not installed & {canonicalize_name(name) for name in provided.get(top, [])}
    ]
    assert uninstalled == []


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small house in which all is well."""
    for name, text in {
        "errors": "",
        "catalogue/sizes": "import re\nfrom ..errors import Rejected\n",
        "ports": "from .catalogue.sizes import Size\n",
        "workflows/intake": "from .. import ports\n",
        "stores/records": "import uuid\nfrom ..ports import Blobs\n",
        "adapters/storage": "import httpx\nfrom ..ports import Blobs\n",
        "triggers/queues": "import azure.functions as func\nfrom ..workflows import intake\n",
        "client/send": "from azure.storage.queue import QueueClient\n",
    }.items():
        path = tmp_path / "shared" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def all_faults(root: Path) -> list[str]:
    return [*strangers_inside(root), *touches_of_the_world(root), *strangers_with_an_sdk(root)]


def test_a_house_in_order_breaks_no_law(house: Path) -> None:
    assert all_faults(house) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("catalogue/sizes", "import httpx"),
        ("catalogue/sizes", "from azure import functions"),
        ("catalogue/sizes", "import os.path"),
        ("catalogue/sizes", "from time import monotonic"),
        ("catalogue/sizes", "from pathlib import Path"),
        ("catalogue/sizes", "from datetime import datetime; datetime.now()"),
        ("catalogue/sizes", "import datetime as d; d.date.today()"),
        ("workflows/intake", "import asyncio"),
        ("workflows/intake", "import local"),
        ("stores/records", "import aiohttp"),
        ("adapters/storage", "import azure.functions"),
        ("adapters/storage", "from tests import fakes"),
        ("triggers/queues", "from azure.storage.blob import BlobClient"),
        ("triggers/queues", "from opentelemetry import trace"),
        ("client/send", "import httpx"),
    ],
)
def test_a_planted_fault_is_found(house: Path, module: str, line: str) -> None:
    path = house / "shared" / f"{module}.py"
    path.write_text(f"{path.read_text()}{line}\n")
    assert len(all_faults(house)) >= 1
