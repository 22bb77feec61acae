"""A short `make chaos`: hosts die, calls break, and no job is lost or silently paid twice."""

import pytest

from local.chaos.run import ChaosOptions, run_chaos


@pytest.mark.usefixtures("azurite")
@pytest.mark.timeout(330)
def test_no_job_is_lost_or_paid_twice_without_a_flag_while_hosts_die() -> None:
    log: list[str] = []
    options = ChaosOptions(jobs=24, hosts=2, seconds=12, seed=7, patience=240, kill_every=2)
    made = run_chaos(options, log.append)
    assert made.wrong == [], "\n".join(log[-200:])
    assert sum(made.mishaps.values()) > 0
    assert sum(made.ended.values()) == options.jobs
