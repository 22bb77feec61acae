"""A short piece of `make chaos`: hosts die and calls break, and nothing is lost or unsaid."""

import pytest

from local.chaos.arena import Wish
from local.chaos.run import chaos


@pytest.mark.usefixtures("azurite")
@pytest.mark.timeout(240)
def test_nothing_is_lost_or_paid_twice_unsaid_while_hosts_die() -> None:
    log: list[str] = []
    wish = Wish(jobs=24, hosts=2, seconds=12, seed=7, patience=120, kill_every=2)
    made = chaos(wish, log.append)
    assert made.wrong == [], "\n".join(log[-200:])
    assert made.kills > 0
    assert sum(made.ended.values()) == wish.jobs
