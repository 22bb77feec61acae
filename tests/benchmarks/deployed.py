"""The app as it is deployed: the package that `make package` builds, and that of an earlier commit.

A start in the development environment is another one: all is compiled already there, and a file of
one certificate takes no time to read.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
#: What starts are compared with: the last version that was packed without its bytecode.
BEFORE: Final = "b85b543"
_PACKAGES: Final = Path(".python_packages", "lib", "site-packages")
_START: Final = "tests/benchmarks/start.py"
_LIBRARIES: Final = "tests/benchmarks/libraries.py"
#: As a warm instance has it: the packages first, the app last, nothing else of this machine.
_BOOT: Final = f"""
import sys
app, script = sys.argv[1:]
sys.path[:] = [app + "/{_PACKAGES}", *sys.path, app]
exec(compile(open(app + "/" + script).read(), script, "exec"))
"""


def unpack_package(folder: Path) -> Path:
    """Build the package of this tree and return where it is unpacked."""
    _run(str(ROOT / "scripts" / "package"))
    shutil.unpack_archive(ROOT / "dist" / "package.zip", folder)
    for script in (_START, _LIBRARIES):
        shutil.copy(ROOT / script, folder / Path(script).name)
    return folder


def unpack_before(folder: Path) -> Path:
    """Return the app of `BEFORE` as the platform built it: only its packages are compiled."""
    names = ("shared", "function_app.py", "requirements.txt", _START)
    archive = _run("git", "archive", "--format=tar", BEFORE, *names)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    shutil.move(folder / _START, folder / "start.py")
    uv = os.environ.get("UV", "uv")
    install = ("pip", "install", "--quiet", "--compile-bytecode", "--link-mode", "copy")
    requirements = ("--require-hashes", "--requirement", str(folder / "requirements.txt"))
    _run(
        uv, *install, "--python", sys.executable, "--target", str(folder / _PACKAGES), *requirements
    )
    return folder


def start(folder: Path, environ: Mapping[str, str], *, script: str = "start.py") -> str:
    """Run a script beside the app of a folder, which nothing writes to; return what it prints."""
    python = os.path.realpath(sys.executable)
    command = [python, "-B", "-I", "-S", "-c", _BOOT, str(folder), script]
    done = subprocess.run(
        command, cwd="/", env=environ, capture_output=True, check=False, text=True, timeout=60
    )
    if done.returncode:
        raise RuntimeError(f"the app of {folder} did not start: {done.stderr[-2000:]}")
    return done.stdout


def _run(*command: str) -> bytes:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
