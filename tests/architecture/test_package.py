"""What a deployment holds: the app, and nothing that only serves its making or its callers."""

import shutil
import subprocess
from pathlib import Path

import pytest

from .tree import ROOT

APP = {"function_app.py", "host.json", "requirements.txt"}
#: What the gallery is made of.
PAGE = {
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "shared" / "triggers" / "http" / "gallery_files").iterdir()
    if path.suffix in {".css", ".html", ".js", ".svg"}
}
DATA = {"shared/jobs/locales.toml", "shared/catalogue/models.toml", "shared/py.typed", *PAGE}

#: What may lie about in a tree, and must stay there.
LITTER = (
    *(".git/config", ".github/workflows/ci.yml", ".gitignore", ".gitattributes", ".ci/run"),
    *(".venv/bin/python", ".venv/lib/python3.13/site-packages/httpx/__init__.py", ".tools/bin/uv"),
    *(".venv-bench/bin/python", "requirements-bench.txt", "docs/benchmarks.svg"),
    *("node_modules/azurite/package.json", "package.json", "package-lock.json", ".npmrc"),
    *("tests/unit/test_sizing.py", "tests/__init__.py", "local/stack.py", "local/fonts/a.ttf"),
    *("infra/main.bicep", "azure.yaml", ".azure/dev/.env", ".env", "local.settings.json"),
    *("docs/settings.md", "README.md", "CONTRIBUTING.md", "LICENSE", "shared/stores/NOTES.md"),
    *("out/fox.png", "dist/image_jobs-0.1.0-py3-none-any.whl", "scripts/package", "Makefile"),
    *("shared/client/__init__.py", "shared/client/cli/main.py", "examples/submit.py"),
    *("pyproject.toml", "requirements-dev.txt", "uv.lock", ".python-version", ".editorconfig"),
    *("shared/__pycache__/sizing.cpython-313.pyc", ".mypy_cache/3.13/x.json", ".coverage"),
    *(".ruff_cache/x", ".pytest_cache/v/x", ".import_linter_cache/x", ".hypothesis/x"),
    *("__azurite_db_blob__.json", "__blobstorage__/x", "__queuestorage__/x", "AzuriteConfig"),
    *(".pre-commit-config.yaml", ".funcignore", ".vscode/settings.json", ".devcontainer/x.json"),
    ".dev/env",
)


def deployed(root: Path) -> set[str]:
    """The files of the app that `make package` takes."""
    command = [str(root / "scripts" / "package"), "--list"]
    listed = subprocess.run(  # noqa: S603 (a script of this project)
        command, capture_output=True, check=True, text=True
    )
    return set(listed.stdout.splitlines())


def belongs(name: str) -> bool:
    """Tell whether a file is part of the app."""
    is_of_the_client = name.startswith("shared/client/")
    is_a_module = name.startswith("shared/") and name.endswith(".py")
    return name in APP | DATA or (is_a_module and not is_of_the_client)


def test_what_is_deployed_is_the_app_and_nothing_else() -> None:
    assert sorted(name for name in deployed(ROOT) if not belongs(name)) == []


def test_all_of_the_app_is_deployed() -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "shared").rglob("*.py")}
    app = {name for name in modules if not name.startswith("shared/client/")}
    expected = APP | DATA | app
    if not (ROOT / "function_app.py").exists():
        pytest.skip("function_app.py is not written yet")
    assert sorted(expected - deployed(ROOT)) == []


def test_litter_stays_behind_and_built_packages_do_not(tmp_path: Path) -> None:
    app = {*APP, *DATA, "shared/catalogue/sizes.py", "shared/adapters/storage/queues.py"}
    built = {".python_packages/lib/site-packages/httpx/__init__.py"}
    for name in {*app, *built, *LITTER}:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name in ("scripts/package", ".funcignore"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.rmtree(tmp_path / ".git")
    command = ["git", "init", "--quiet", str(tmp_path)]
    subprocess.run(command, check=True)  # noqa: S603 (the arguments are fixed)
    assert deployed(tmp_path) == app | built


def test_the_list_of_what_stays_is_a_plain_one() -> None:
    lines = (ROOT / ".funcignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in patterns if line.startswith("!")] == []
    assert not {".*", "/.*", "*", "/*"} & set(patterns)
