"""The tree as the laws see it: its files, and what each of them imports."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def files() -> tuple[Path, ...]:
    """All files that are in the repository, or would be once they are added."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(  # noqa: S603 (the arguments are fixed)
        command,
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    paths = {ROOT / name for name in listed.split("\0") if name}
    return tuple(sorted(path for path in paths if path.is_file()))


def python_files() -> tuple[Path, ...]:
    """All Python files of the repository."""
    return tuple(path for path in files() if path.suffix == ".py")


def text_files() -> Iterator[tuple[str, str]]:
    """Name and text of all files of the repository that hold text."""
    for path in files():
        try:
            yield named(path), path.read_text("utf-8")
        except UnicodeDecodeError:
            continue


def named(path: Path, root: Path = ROOT) -> str:
    """The path as one reads it in a message."""
    return path.relative_to(root).as_posix()


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name, in full: `from .errors import Rejected` is `shared.errors.Rejected`."""

    path: str
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.name}"

    def is_of(self, *packages: str) -> bool:
        """Tell whether the name is one of these, or inside one of them."""
        return any(self.name == each or self.name.startswith(f"{each}.") for each in packages)


def imports(path: Path, root: Path = ROOT) -> Iterator[Import]:
    """All imports of a file, wherever in it they stand."""
    place = path.relative_to(root)
    package = place.parts[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = [*above, *([node.module] if node.module else [])]
            names = [".".join([*module, alias.name]) for alias in node.names]
        else:
            continue
        for name in names:
            yield Import(place.as_posix(), node.lineno, name)
