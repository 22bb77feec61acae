"""Who sends a request: by a key, by a sign-in, or nobody."""

import json
from collections.abc import Mapping

import pytest

from shared.config.settings import Settings
from shared.errors import Misconfigured
from shared.http_api.problems import Refused
from shared.http_api.queries import Caller, hash_key, identify_caller
from tests.simulation.scene import configured

SHOP = {"tenant": "shop", "sha256": hash_key("key")}


def settings(*callers: Mapping[str, object], **more: str) -> Settings:
    return configured(CALLERS=json.dumps(callers), **more).settings


def test_a_key_is_known_by_its_hash_whatever_the_case_of_the_header() -> None:
    key = "another"
    known = settings(SHOP, {"operator": True, "sha256": hash_key(key)})
    assert identify_caller({"X-Image-Jobs-Key": "key"}, known) == Caller("shop")
    assert identify_caller({"x-image-jobs-key": key}, known) == Caller()
    for wrong in ({}, {"x-image-jobs-key": ""}, {"x-image-jobs-key": "kéy"}, {"code": "key"}):
        with pytest.raises(Refused, match="x-image-jobs-key"):
            identify_caller(wrong, known)


def test_a_caller_sees_its_tenant_and_an_operator_sees_all() -> None:
    assert Caller("shop").sees("shop")
    assert not Caller("shop").sees("default")
    assert Caller().sees("shop")


@pytest.mark.parametrize(
    ("callers", "said"),
    [
        ([{"sha256": "0" * 64}], "either a tenant, or operator"),
        ([{"tenant": "shop", "operator": True, "sha256": "0" * 64}], "either a tenant"),
        ([{"tenant": "shop"}], "either sha256"),
        ([{"tenant": "shop", "sha256": "secret"}], "sha256"),
        ([SHOP, SHOP], "two callers have"),
        ([{"tenant": "shop", "principal": "id"}], "TRUST_SIGN_IN=true"),
    ],
)
def test_a_wrong_caller_stops_the_app(callers: list[dict[str, object]], said: str) -> None:
    with pytest.raises(Misconfigured, match="CALLERS") as caught:
        settings(*callers)
    assert said in str(caught.value)
