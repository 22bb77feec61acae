"""Which way the arrows point, and who may touch the world.

The arrows among the modules of `shared` are held twice: import-linter (`[tool.importlinter]` in
pyproject.toml) sees chains of imports, the laws here see any new module without being told of it.
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

#: What a module directly in `shared/` may not know: the network, the clock, the environment, the
#: log, chance, and the loop it runs on.
THE_WORLD = (
    "opentelemetry",
    *("aiohttp", "azure", "httpx", "httpx_aiohttp", "requests", "urllib.request", "urllib3"),
    *("asyncio", "concurrent", "http.client", "multiprocessing", "selectors", "signal", "socket"),
    *("subprocess", "threading", "logging", "os", "pathlib.Path", "shutil", "ssl", "tempfile"),
    *("time", "random", "secrets", "uuid.uuid1", "uuid.uuid4"),
)
#: Calls that reach the world without an import of their own.
WORLDLY_CALLS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("uuid.uuid1", "uuid.uuid4", "open", "print", "input"),
}
SDKS = ("azure", "httpx", "httpx_aiohttp", "aiohttp", "opentelemetry")
#: The client sends messages, reads events and signs in; it never calls a model.
SDKS_OF_THE_CLIENT = ("azure.storage", "azure.identity", "azure.core")


def modules(root: Path) -> dict[str, Path]:
    """The modules directly in `shared/`."""
    return {path.stem: path for path in sorted((root / "shared").glob("*.py"))}


def place(dotted: str, work: frozenset[str]) -> str:
    """Which part of the house a name inside `shared` belongs to."""
    part = dotted.split(".")[1] if "." in dotted else ""
    if part in {"client", "triggers", "services", "ports", "errors"}:
        return part
    return "work" if part in work else "core"


#: What each part may import of the others.
ARROWS = {
    "errors": set[str](),
    "core": {"core", "errors"},
    "ports": {"core", "errors"},
    "work": {"work", "ports", "core", "errors"},
    "services": {"services", "ports", "core", "errors"},
    "triggers": {"triggers", "services", "work", "ports", "core", "errors"},
    "client": {"client", "core", "errors"},
}


def pieces_of_work(root: Path) -> frozenset[str]:
    """The modules of `shared/` that are written against ports: they, and who builds on them."""
    found: set[str] = set()
    while True:
        more = {
            name
            for name, path in modules(root).items()
            if name not in {"ports", "errors"}
            and any(
                each.is_of("shared.ports", *(f"shared.{one}" for one in found))
                for each in imports(path, root)
            )
        }
        if more <= found:
            return frozenset(found)
        found |= more


def wrong_arrows(root: Path) -> Iterator[str]:
    work = pieces_of_work(root)
    for path in sorted((root / "shared").rglob("*.py")):
        dotted = ".".join(path.relative_to(root).with_suffix("").parts)
        here = place(dotted, work)
        for each in imports(path, root):
            if each.is_of("shared") and (there := place(each.name, work)) not in ARROWS[here]:
                yield f"{each}: {here} may not import {there}"
            elif each.is_of("local", "tests", "function_app"):
                yield f"{each}: what is deployed may not import what is not, nor its entry"


def touches_of_the_world(root: Path) -> Iterator[str]:
    for path in modules(root).values():
        for each in imports(path, root):
            if each.is_of(*THE_WORLD) or each.name == "pathlib":
                yield f"{each}: a module directly in shared/ may not"
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                call = ".".join(ast.unparse(node.func).split(".")[-2:])
                if call in WORLDLY_CALLS:
                    yield f"{named(path, root)}:{node.lineno} calls {call}: be told it instead"


def strangers_with_an_sdk(root: Path) -> Iterator[str]:
    for path in [*(root / "shared").rglob("*.py"), *root.glob("function_app.py")]:
        part = path.relative_to(root).parts[:2][-1]
        for each in imports(path, root):
            functions = each.is_of("azure.functions")
            allowed = (
                (part in {"triggers", "function_app.py"} and functions)
                or (part == "services" and not functions)
                or (part == "client" and each.is_of(*SDKS_OF_THE_CLIENT))
            )
            if each.is_of(*SDKS) and not allowed:
                yield f"{each}: only services may import SDKs, only triggers azure.functions"


def imports_of_the_app(root: Path) -> Iterator[Import]:
    """Of all that is deployed. The client is not: `test_wheel` has its laws."""
    client = root / "shared" / "client"
    for path in [*(root / "shared").rglob("*.py"), *root.glob("function_app.py")]:
        if not path.is_relative_to(client):
            yield from imports(path, root)


def test_arrows_point_one_way() -> None:
    assert [*wrong_arrows(ROOT)] == []


def test_the_core_and_the_work_do_not_touch_the_world() -> None:
    assert [*touches_of_the_world(ROOT)] == []


def test_only_services_know_the_sdks_and_only_triggers_the_functions_library() -> None:
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
    needed = ("azure.functions", "shared.triggers", "shared.services.start", "os")
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
        "sizing": "import re\nfrom .errors import Rejected\n",
        "ports": "from .sizing import Size\n",
        "intake": "from . import ports\n",
        "services/store": "import httpx\nfrom ..ports import Store\n",
        "triggers/queues": "import azure.functions as func\nfrom ..intake import take_in\n",
        "client/send": "from azure.storage.queue import QueueClient\nfrom ..sizing import Size\n",
    }.items():
        path = tmp_path / "shared" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def all_faults(root: Path) -> list[str]:
    return [*wrong_arrows(root), *touches_of_the_world(root), *strangers_with_an_sdk(root)]


def test_a_house_in_order_breaks_no_law(house: Path) -> None:
    assert all_faults(house) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("errors", "from .sizing import Size"),
        ("sizing", "import httpx"),
        ("sizing", "from azure import functions"),
        ("sizing", "import os.path"),
        ("sizing", "from time import monotonic"),
        ("sizing", "from pathlib import Path"),
        ("sizing", "from datetime import datetime; datetime.now()"),
        ("sizing", "import datetime as d; d.date.today()"),
        ("sizing", "from .services import store"),
        ("sizing", "def f():\n    from .triggers import queues"),
        ("ports", "from .intake import take_in"),
        ("intake", "from .services.store import Store"),
        ("intake", "import asyncio"),
        ("intake", "import local"),
        ("services/store", "from ..intake import take_in"),
        ("services/store", "import azure.functions"),
        ("triggers/queues", "from azure.storage.blob import BlobClient"),
        ("triggers/queues", "from opentelemetry import trace"),
        ("client/send", "from ..services import store"),
        ("client/send", "from ..ports import Store"),
        ("client/send", "import httpx"),
    ],
)
def test_a_planted_fault_is_found(house: Path, module: str, line: str) -> None:
    path = house / "shared" / f"{module}.py"
    path.write_text(f"{path.read_text()}{line}\n")
    assert len(all_faults(house)) >= 1
