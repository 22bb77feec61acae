"""A short `make outage`: the endpoint resets every call, and no job fails for it."""

import pytest

from local.chaos.outage import OutageOptions, run_outages


@pytest.mark.usefixtures("azurite")
@pytest.mark.timeout(240)
def test_no_job_fails_while_the_endpoint_is_down_and_few_calls_are_made() -> None:
    log: list[str] = []
    options = OutageOptions(jobs=20, hosts=2, seconds=6, modes=["reset"], patience=120)
    (made,) = run_outages(options, log.append)
    assert made.wrong == [], "\n".join(log[-200:])
    assert made.unknown > 0
    assert made.audit.ended == {"succeeded": options.jobs}
