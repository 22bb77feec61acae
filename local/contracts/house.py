"""The packages of `shared/` as a picture, drawn from the import graph and the layers of the linter.

It holds no counts, so that only a new module or a new arrow between packages changes it.
"""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Final

import grimp

ROOT: Final = Path(__file__).resolve().parents[2]

#: Imports by which a package reaches the network: it is drawn in the second colour.
_NETWORK: Final = frozenset({"aiohttp", "asyncio", "azure", "httpx"})

#: Pixels.
_WIDTH: Final = 960
_MARGIN: Final = 24
_GAP: Final = 12
_PADDING: Final = 14
_TITLE: Final = 24
_LINE: Final = 18
#: Indent of the lines beside the title, in a box that has its layer to itself.
_INDENT: Final = 120
_HEAD: Final = 66
#: Pixels a character of the monospaced type takes, at most.
_CHARACTER: Final = 7.3

_STYLE: Final = """
  text { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 12px }
  .title { font-size: 14px; font-weight: 600 }
  .heading { font: 600 18px system-ui, -apple-system, "Segoe UI", sans-serif }
  .note { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif }
  .paper { fill: #ffffff } .ink { fill: #1f2933 } .soft { fill: #667380 }
  .pure { fill: #eef4fb; stroke: #b6cce4 } .world { fill: #fdf3e4; stroke: #e3c596 }
  .bar { fill: #4a7fb5 } .bar.of-world { fill: #c98a2b }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0f151c } .ink { fill: #e3e9ef } .soft { fill: #93a1ae }
    .pure { fill: #17222e; stroke: #2f465c } .world { fill: #2a2115; stroke: #5b4726 }
    .bar { fill: #6ea3d8 } .bar.of-world { fill: #dca550 }
  }"""


@dataclass(frozen=True, slots=True)
class Package:
    """A package of `shared/`, or a module directly in it."""

    name: str
    #: Its modules by folder: the folder's own name, or empty for the package itself.
    modules: tuple[tuple[str, tuple[str, ...]], ...]
    imports: tuple[str, ...]
    reaches_network: bool

    def lines(self, pixels: float) -> tuple[list[str], list[str]]:
        """Return the lines of modules and of imports, each at most `pixels` wide."""
        most = int(pixels / _CHARACTER)
        modules: list[str] = []
        for folder, names in self.modules:
            text = (f"{folder}/: " if folder else "") + ", ".join(names)
            modules += wrap(text, most, break_on_hyphens=False)
        return modules, wrap(f"→ {', '.join(self.imports)}", most) if self.imports else []


def layers() -> list[list[str]]:
    """Return the layers that import-linter holds, from the top, with the packages of each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (found,) = (each["layers"] for each in contracts if each["type"] == "layers")
    return [[name.strip() for name in layer.split("|")] for layer in found]


def packages() -> dict[str, Package]:
    """Return the packages of `shared/` by name, read from the import graph."""
    graph = grimp.build_graph("shared", include_external_packages=True, cache_dir=None)
    order = [name for layer in layers() for name in layer]
    found: dict[str, Package] = {}
    for name in order:
        inside = {f"shared.{name}", *graph.find_descendants(f"shared.{name}")}
        imported = {
            each for module in inside for each in graph.find_modules_directly_imported_by(module)
        }
        others = {each.split(".")[1] for each in imported if each.startswith("shared.")} - {name}
        found[name] = Package(
            name,
            tuple(_folders(name, inside, graph)),
            tuple(sorted(others, key=order.index)),
            reaches_network=bool(imported & _NETWORK),
        )
    return found


def _folders(
    name: str, inside: set[str], graph: grimp.ImportGraph
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the modules of each folder of a package, the package itself first."""
    root = f"shared.{name}"
    folders = sorted(module for module in inside if graph.find_children(module))
    for folder in folders:
        modules = sorted(
            child.rpartition(".")[2]
            for child in graph.find_children(folder)
            if not graph.find_children(child) and not child.endswith("__")
        )
        yield folder.removeprefix(root).removeprefix(".").replace(".", "/"), tuple(modules)


def printed() -> str:
    """Return the picture as SVG, in light and dark colours."""
    known = packages()
    body: list[str] = []
    top = float(_HEAD)
    for layer in layers():
        row = [known[name] for name in layer]
        width = (_WIDTH - 2 * _MARGIN - _GAP * (len(row) - 1)) / len(row)
        beside = len(row) == 1
        height = max(_height(each, width, beside=beside) for each in row)
        for number, package in enumerate(row):
            left = _MARGIN + number * (width + _GAP)
            body += _frame(package, left, top, width, height)
            body += _words(package, left + _PADDING, top + _PADDING + 11, width, beside=beside)
        top += height + _GAP
    return "\n".join(_document(body, top - _GAP + _MARGIN))


def _room(width: float, *, beside: bool) -> float:
    return width - 2 * _PADDING - (_INDENT if beside else 0)


def _height(package: Package, width: float, *, beside: bool) -> float:
    lines = sum(map(len, package.lines(_room(width, beside=beside))))
    return 2 * _PADDING + _LINE * max(lines, 1) - 6 + (_TITLE if lines and not beside else 0)


def _frame(package: Package, left: float, top: float, width: float, height: float) -> Iterator[str]:
    """Yield the box of a package and the bar at its left."""
    kind, bar = ("world", "bar of-world") if package.reaches_network else ("pure", "bar")
    place = f'x="{left:g}" y="{top:g}" height="{height:g}"'
    yield f'<rect class="{kind}" {place} width="{width:g}" rx="6"/>'
    yield f'<rect class="{bar}" {place} width="4" rx="2"/>'


def _words(package: Package, x: float, y: float, width: float, *, beside: bool) -> Iterator[str]:
    """Yield the name of a package, its modules, and the packages that it imports."""
    yield _text("title ink", x, y, f"{package.name}/" if package.modules else f"{package.name}.py")
    modules, imports = package.lines(_room(width, beside=beside))
    x, y = (x + _INDENT, y) if beside else (x, y + _TITLE)
    for number, line in enumerate([*modules, *imports]):
        yield _text("ink" if number < len(modules) else "soft", x, y + number * _LINE, line)


def _text(style: str, x: float, y: float, text: str) -> str:
    return f'<text class="{style}" x="{x:g}" y="{y:g}">{escape(text)}</text>'


def _document(body: Sequence[str], height: float) -> Iterator[str]:
    note = "Each layer may import the layers below it. → names what a package imports."
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" '
        f'width="{_WIDTH}" height="{height:g}" role="img" aria-label="The packages of shared/">'
    )
    yield f"<style>{_STYLE}\n</style>"
    yield f'<rect class="paper" width="{_WIDTH}" height="{height:g}" rx="8"/>'
    yield _text("heading ink", _MARGIN, 30, "shared/")
    yield _text("note soft", _MARGIN, 49, note)
    yield from _legend()
    yield from body
    yield "</svg>\n"


def _legend() -> Iterator[str]:
    for left, kind, text in (
        (632, "bar", "no network"),
        (742, "bar of-world", "reaches the network"),
    ):
        yield f'<rect class="{kind}" x="{left}" y="39" width="10" height="10" rx="2"/>'
        yield _text("note soft", left + 17, 49, text)
