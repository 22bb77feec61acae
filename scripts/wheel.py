"""What the wheel `image-jobs` holds: the client, and of the core just what the client needs.

Worked out from the imports, so that there is no list to keep: hatchling asks at each build.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: The package here and in the wheel, where it goes by the name of its distribution.
HERE, THERE = "shared", "image_jobs"
TYPED = "py.typed"


def needed(package: Path) -> set[Path]:
    """Return what the wheel needs: modules, and the data beside them that they name."""
    modules = modules_of_the_client(package)
    return {package / TYPED, *modules, *_data(modules)}


def _data(modules: set[Path]) -> Iterator[Path]:
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and str(node.value).endswith(".toml"):
                file = path.with_name(str(node.value))
                if file.is_file():
                    yield file


def modules_of_the_client(package: Path) -> set[Path]:
    """Return the client's modules, and every module that they import, directly or indirectly."""
    found: set[Path] = set()
    ahead = [package / "__init__.py", *sorted((package / "client").rglob("*.py"))]
    while ahead:
        path = ahead.pop()
        if path not in found:
            found.add(path)
            ahead += _imported(path, package)
            ahead += _packages(path, package)
    return found


def _packages(path: Path, package: Path) -> Iterator[Path]:
    """Yield the `__init__.py` of each package that contains a module."""
    for folder in path.relative_to(package).parents:
        yield package / folder / "__init__.py"


def _imported(path: Path, package: Path) -> Iterator[Path]:
    """Yield the package's own modules that a module imports; inside it imports are relative."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        above = path.parents[node.level - 1]
        module = above.joinpath(*(node.module or "").split("."))
        for place in (module, *(module / alias.name for alias in node.names)):
            for file in (place.with_suffix(".py"), place / "__init__.py"):
                if file.is_file() and file.is_relative_to(package):
                    yield file


class WheelHook(BuildHookInterface[Any]):
    """Tells hatchling which files go into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the files in, under the wheel's own name."""
        del version
        package = Path(self.root, HERE)
        for path in sorted(needed(package)):
            inside = path.relative_to(package).as_posix()
            build_data["force_include"][str(path)] = f"{THERE}/{inside}"
