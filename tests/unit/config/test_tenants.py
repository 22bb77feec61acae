import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.settings import Configuration
from shared.errors import Misconfigured
from tests.simulation.scene import configured

SHOP = {"name": "shop", "weight": 2, "daily_budget_usd": 20, "models": ["gpt-image-2"]}


def tenants(*listed: dict[str, object], **more: str) -> Configuration:
    return configured(TENANTS=json.dumps(listed), **more)


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ([SHOP, SHOP], "two tenants have the name 'shop'"),
        ([{"name": "Shop"}], "use 1 to 40 of a-z 0-9 -"),
        ([{"name": "shop", "weight": 0}], "weight"),
        ([{"name": "shop", "daily_budget_usd": 0}], "daily_budget_usd"),
        ([{"name": "shop", "budget": 1}], "budget"),
        ([{"name": "shop", "models": ["fox"]}], "may use the unknown model 'fox'"),
    ],
)
def test_a_wrong_tenant_stops_the_app(listed: list[dict[str, object]], said: str) -> None:
    with pytest.raises(Misconfigured, match="TENANTS") as caught:
        tenants(*listed)
    assert said in str(caught.value)


def test_a_tenant_has_its_own_limits() -> None:
    shop = tenants(SHOP).settings.find_tenant("shop")
    assert (shop.name, shop.weight, shop.daily_budget_usd) == ("shop", 2, 20)
    assert shop.may_use("gpt-image-2")
    assert not shop.may_use("MAI-Image-2.5")


@given(st.from_regex(r"[a-z0-9]{1,40}", fullmatch=True))
def test_a_new_name_has_the_limits_of_default_and_gains_no_share(name: str) -> None:
    settings = tenants(SHOP, {"name": "default", "weight": 3}).settings
    expected = "shop" if name == "shop" else "default"
    assert settings.find_tenant(name).name == expected
    assert configured().settings.find_tenant(name).name == "default"


def test_unknown_tenants_are_served_unless_a_setting_says_otherwise() -> None:
    assert tenants(SHOP).settings.serves_tenant("other")
    strict = tenants(SHOP, UNKNOWN_TENANTS="reject").settings
    assert strict.serves_tenant("shop")
    assert not strict.serves_tenant("other")
    assert not strict.serves_tenant("default")
