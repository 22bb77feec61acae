"""The compiled requirements are what pyproject.toml asks for. `make pins` recompiles to be sure."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .tree import ROOT

COMPILED = {
    "requirements.txt": "app",
    "requirements-dev.txt": "dev",
    "requirements-bench.txt": "bench",
    "requirements-fuzz.txt": "fuzz",
    "requirements-sdks.txt": "sdks",
}


def asked(group: str) -> list[Requirement]:
    """What a dependency group asks for, with the groups it includes."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    found: list[Requirement] = []
    for entry in groups[group]:
        if isinstance(entry, str):
            found.append(Requirement(entry))
        else:
            found += asked(entry["include-group"])
    return found


def blocks(file: str) -> list[str]:
    """The requirements of a compiled file, each with its hashes on one line."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / file).read_text(), flags=re.MULTILINE)
    return text.replace("\\\n", " ").splitlines()


def pins(file: str) -> dict[str, str]:
    """The version a compiled file gives each package."""
    found: dict[str, str] = {}
    for block in blocks(file):
        requirement = Requirement(block.split(" --hash", 1)[0])
        (only,) = requirement.specifier
        assert only.operator == "=="
        found[canonicalize_name(requirement.name)] = only.version
    return found


@pytest.mark.parametrize(("file", "group"), COMPILED.items())
def test_every_dependency_is_pinned_to_a_version_it_allows(file: str, group: str) -> None:
    pinned = pins(file)
    wrong = [
        f"{each} is pinned to {pinned.get(canonicalize_name(each.name))}"
        for each in asked(group)
        if not each.specifier.contains(pinned.get(canonicalize_name(each.name), "0"))
    ]
    assert wrong == []


@pytest.mark.parametrize("file", COMPILED)
def test_every_pin_has_a_hash(file: str) -> None:
    assert [
        block for block in blocks(file) if not re.search(r"--hash=sha256:[0-9a-f]{64}", block)
    ] == []


@pytest.mark.parametrize("file", COMPILED)
def test_no_option_and_no_address_is_in_what_is_installed(file: str) -> None:
    assert [block for block in blocks(file) if block.startswith("-") or "://" in block] == []


@pytest.mark.parametrize(
    "file", sorted(COMPILED.keys() - {"requirements.txt", "requirements-sdks.txt"})
)
def test_tests_run_with_the_very_versions_that_are_deployed(file: str) -> None:
    tested = pins(file)
    other = {name: at for name, at in pins("requirements.txt").items() if tested.get(name) != at}
    assert other == {}


def test_the_client_is_tested_with_all_that_it_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tested = pins("requirements-dev.txt")
    needed = [Requirement(line) for line in project["dependencies"]]
    assert [str(each) for each in needed if canonicalize_name(each.name) not in tested] == []
