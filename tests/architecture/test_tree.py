"""Size, names, reasons, one Python, and nothing of one machine."""

import ast
import io
import json
import re
import tokenize
import tomllib
from collections.abc import Iterator

import pytest

from .tree import ROOT, named, python_files, text_files

#: Walls, not goals: a module is usually 100 to 350 lines, and a function fits on a screen.
MAX_MODULE_LINES = 500
MAX_FUNCTION_LINES = 60

#: Names that say nothing of what is inside, whole or as a part: `string_utils` is one too.
EMPTY_NAMES = {
    "base",
    "common",
    "helper",
    "helpers",
    "manager",
    "managers",
    "misc",
    "util",
    "utils",
}

SILENCERS = re.compile(
    r"#\s*((?:ruff:\s*)?noqa|type:\s*ignore|pragma:\s*no cover|pragma:\s*no branch)"
)
WITH_REASON = re.compile(
    r"#\s*(?:(?:ruff:\s*)?noqa:\s*[A-Z]+\d+(?:,?\s*[A-Z]+\d+)*+"
    r"|type:\s*ignore\[[\w, -]+\]|pragma:\s*no \w+)"
    r"\W+\w.{2,}"
)

#: Where packages come from is the machine's business: its address is in no file.
REGISTRIES = re.compile(
    r"https?://[\w.-]*(?:pypi|pythonhosted|npm|registry|artifactory|nexus|devpi)"
)
MACHINES = re.compile(r"(?<![\w.:/*-])/(?:root|work|Users|opt/pypi|home/(?!site/|user/)\w+)/\w")


def comments(text: str) -> list[tuple[int, str]]:
    """Line and text of each comment."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [(each.start[0], each.string) for each in tokens if each.type == tokenize.COMMENT]


def silenced_without_reason(text: str) -> list[int]:
    """Lines that silence a linter and do not say why."""
    return [
        line
        for line, comment in comments(text)
        if SILENCERS.search(comment) and not WITH_REASON.search(comment)
    ]


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Name and lines of each function, without its decorators."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


def test_no_module_has_more_than_500_lines() -> None:
    lengths = {named(path): len(path.read_text().splitlines()) for path in python_files()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_MODULE_LINES} == {}


def test_no_function_has_more_than_60_lines() -> None:
    long = {
        f"{named(path)}:{name}"
        for path in python_files()
        for name, lines in functions(path.read_text("utf-8"))
        if lines > MAX_FUNCTION_LINES
    }
    assert long == set()


def test_the_lines_of_a_function_are_counted_without_its_decorators() -> None:
    assert [*functions("@one\n@two\ndef f(\n  a,\n):\n  pass\n")] == [("f", 4)]


def test_every_name_says_what_is_inside() -> None:
    empty = [
        named(path)
        for path in python_files()
        if any(EMPTY_NAMES & set(re.split(r"[_.]", part)) for part in named(path).split("/"))
    ]
    assert empty == []


def test_every_silenced_complaint_has_its_reason_on_the_line() -> None:
    silent = [
        f"{named(path)}:{line}"
        for path in python_files()
        for line in silenced_without_reason(path.read_text("utf-8"))
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("comment", "lines"),
    [
        ("# noqa", [1]),
        ("# noqa: S101", [1]),
        ("# ruff: noqa: S101", [1]),
        ("# noqa: S101, S102", [1]),
        ("# type: ignore", [1]),
        ("# type: ignore[attr-defined]", [1]),
        ("# pragma: no cover", [1]),
        ("# noqa: S101 (the host asserts it)", []),
        ("# noqa: S101, S102  # the host asserts it", []),
        ("# type: ignore[attr-defined]  # no stubs yet", []),
        ("# pragma: no cover (needs Azure)", []),
    ],
)
def test_a_silenced_complaint_without_a_reason_is_found(comment: str, lines: list[int]) -> None:
    assert silenced_without_reason(f"pass  {comment}\n") == lines


def test_no_file_names_where_packages_come_from() -> None:
    found = [
        f"{name}: {hit.group()}" for name, text in text_files() for hit in REGISTRIES.finditer(text)
    ]
    assert found == []


def test_no_file_names_a_place_on_one_machine() -> None:
    found = [
        f"{name}: {hit.group()}" for name, text in text_files() for hit in MACHINES.finditer(text)
    ]
    assert found == []


def test_what_npm_locks_is_known_by_hash_not_by_address() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []


def test_there_is_one_python() -> None:
    python = (ROOT / ".python-version").read_text().strip()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["requires-python"] == f">={python}"
    assert project["tool"]["mypy"]["python_version"] == python
    assert project["tool"]["ruff"]["target-version"] == f"py{python.replace('.', '')}"
    others = {
        named(path): version
        for path in (ROOT / "infra").rglob("*.bicep")
        for version in re.findall(r"'(3\.\d{1,2})'", path.read_text())
        if version != python
    }
    assert others == {}


def test_making_the_place_takes_the_python_of_its_file() -> None:
    for name in ("Makefile", "scripts/requirements"):
        text = (ROOT / name).read_text()
        assert ".python-version" in text
        assert not re.search(r"(?:--python(?:-version)?|python)[ =]?\"?3\.\d+", text)
