import json
from typing import Any

import pytest

from shared.errors import Misconfigured
from tests.simulation.scene import configured


def test_deployments_of_one_pool_have_one_quota() -> None:
    def two(**second: Any) -> str:  # noqa: ANN401 - fields of a deployment
        first = {"name": "one", "model": "gpt-image-2", "rpm": 6}
        return json.dumps([first, {"name": "two", "model": "gpt-image-2"} | second])

    configured(FOUNDRY_DEPLOYMENTS=two(rpm=6))
    configured(FOUNDRY_DEPLOYMENTS=two(rpm=9, pool="elsewhere"))
    with pytest.raises(Misconfigured, match="'one' and 'two' share the pool 'gpt-image-2'"):
        configured(FOUNDRY_DEPLOYMENTS=two(rpm=9))


def test_a_pool_is_named_so_that_a_blob_can_be() -> None:
    with pytest.raises(Misconfigured, match="pool"):
        configured(FOUNDRY_DEPLOYMENTS='[{"name": "gpt-image-2", "pool": "../jobs/x"}]')
