"""What programs for Node take as it is: schemas in strict mode, types made from openapi.json."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.acceptance.running_stack import ROOT, RunningStack, running_stack

SCHEMAS = sorted(path.name for path in (ROOT / "docs" / "schemas").glob("*.schema.json"))
#: Compiles the schema of a file, and prints whether each of the documents on stdin is valid.
VALIDATE = """
const Ajv = require("ajv/dist/2020").default;
const fs = require("node:fs");
const ajv = new Ajv({ strict: true });
require("ajv-formats").default(ajv);
const valid = ajv.compile(JSON.parse(fs.readFileSync(process.argv[1])));
console.log(JSON.stringify(JSON.parse(fs.readFileSync(0)).map((each) => valid(each))));
"""


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack() as stack:
        yield stack


def run(command: list[str], *, given: str = "", **environment: str) -> str:
    """Return what a program prints; without its packages this skips, and fails in CI."""
    missing = [
        name for name in ("ajv", "typescript") if not (ROOT / "node_modules" / name).exists()
    ]
    if missing and "CI" not in os.environ:
        pytest.skip(f"{missing[0]} is missing: make setup")
    done = subprocess.run(  # noqa: S603 (our own programs)
        [shutil.which(command[0]) or command[0], *command[1:]],
        cwd=ROOT,
        env={**os.environ, **environment},
        input=given,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("name", SCHEMAS)
def test_ajv_compiles_a_schema_in_strict_mode(name: str) -> None:
    said = run(["node", "-e", VALIDATE, f"docs/schemas/{name}"], given="[{}]")
    assert json.loads(said) == [False]


def test_ajv_refuses_what_the_app_refuses() -> None:
    good = [{"prompt": "a"}, {"prompt_blob": "a.txt", "options": {"seed": 4}, "model": "auto"}]
    bad = [{"prompt": "a", "model": "x", "models": ["y"]}, {"prompt": "a", "options": {"seed": []}}]
    said = run(
        ["node", "-e", VALIDATE, "docs/schemas/job.schema.json"], given=json.dumps(good + bad)
    )
    assert json.loads(said) == [True, True, False, False]


def test_the_example_for_node_compiles_with_generated_types_and_gets_its_picture(
    stack: RunningStack, tmp_path: Path
) -> None:
    picture = tmp_path / "fox.png"
    environment = {"HOST": stack.ready["host"], "KEY": stack.ready["keys"]["function"]}
    said = run(["npm", "run", "example", "--", str(picture)], **environment)
    with Image.open(picture) as opened:
        assert f"{opened.width}x{opened.height}, $" in said
