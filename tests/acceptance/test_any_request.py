"""Whatever the description makes it possible to ask, the running app answers as it describes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.contracts.operations import OPERATIONS
from tests.acceptance.callers import caller_of
from tests.acceptance.running_stack import ROOT, running_stack

#: Seconds of asking.
BUDGET_SECONDS = 40
#: What the description cannot say, and so no answer can break.
UNSAID = (
    # Which models there are, and which inputs, only the app knows.
    "positive_data_acceptance",
    # The platform answers 404 to a method that no function has, before the app hears of it.
    "unsupported_method",
    # DELETE cancels a job, whose record stays to be looked at.
    "use_after_free",
)


@pytest.mark.timeout(300)
def test_no_request_gets_an_answer_that_is_not_described(azurite: str, tmp_path: Path) -> None:
    del azurite  # where it is missing, this skips or fails
    with running_stack("--set", "READ_LINK_SECONDS=600") as stack:
        caller = caller_of(stack)
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            str(ROOT / "docs/schemas/openapi.json"),
            *("--url", caller.host, "--header", f"x-functions-key: {caller.key}"),
            *("--max-time", str(BUDGET_SECONDS), "--seed", "1", "--workers", "2"),
            *("--exclude-checks", ",".join(UNSAID)),
            *("--continue-on-failure", "--warnings", "off", "--no-color"),
        ]
        done = subprocess.run(  # noqa: S603 (the arguments are ours)
            command, cwd=tmp_path, capture_output=True, check=False, text=True, timeout=240
        )
        assert done.returncode == 0, done.stdout
        assert f"{len(OPERATIONS)} selected / {len(OPERATIONS)} total" in done.stdout
        os.kill(stack.child.process.pid, signal.SIGTERM)
    # The laptop's web server complains of bytes that are no HTTP; the app must not of anything.
    found = [line for line in stack.log if "Traceback" in line and "aiohttp.server" not in line]
    assert found == []
