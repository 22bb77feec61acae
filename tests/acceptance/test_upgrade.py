"""A short `make upgrade`: hosts of two working copies share the jobs, and none is lost."""

import pytest

from local.chaos.upgrade import UpgradeOptions, run_upgrade
from local.stack.stack import ROOT


@pytest.mark.usefixtures("azurite")
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a working copy of git")
@pytest.mark.timeout(240)
def test_no_job_is_lost_while_two_versions_run_side_by_side() -> None:
    log: list[str] = []
    made = run_upgrade(UpgradeOptions("HEAD", jobs=8, seed=3, seconds=8), log.append)
    assert made.wrong == [], "\n".join(log[-200:])
    assert sum(made.ended.values()) == 8
    assert {"-before]" in line for line in log if "INFO image_jobs" in line} == {True, False}
