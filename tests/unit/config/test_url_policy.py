"""No URL and no address that an event could be turned inward by."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.url_policy import (
    check_topic_url,
    is_address,
    is_public,
    is_reachable_here,
    split_url,
)
from shared.errors import Misconfigured
from tests.simulation.scene import configured

INWARD = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1", "0.0.0.0", "::"],  # noqa: S104 (data)
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00::1", "fc00::1"],
    "link-local": ["169.254.169.254", "169.254.1.1", "fe80::1", "fe80::1%eth0"],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.254"],
    "6to4": ["2002:7f00:1::", "2002:a00:1::1", "192.88.99.1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8"],
    "compatible": ["::127.0.0.1", "::a00:1"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "multicast": ["224.0.0.1", "239.1.1.1", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.0.1", "198.18.0.1", "100::1", "3fff::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"],
    "site-local": ["fec0::1"],
    "Azure's own host": ["168.63.129.16"],
}


@pytest.mark.parametrize(
    ("kind", "address"), [(kind, each) for kind, them in INWARD.items() for each in them]
)
def test_an_address_that_leads_inward_is_not_public(kind: str, address: str) -> None:
    assert kind
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "20.50.2.1", "2606:4700::1111", "2a01:111::1"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_no_wrapping_of_an_address_in_ipv6_is_public(inner: ipaddress.IPv4Address) -> None:
    number = int(inner)
    for wrapped in (number, 0xFFFF << 32 | number, 0x0064FF9B << 96 | number, 0x2002 << 112):
        assert not is_public(str(ipaddress.IPv6Address(wrapped)))


@pytest.mark.parametrize(
    ("address", "reachable"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("1.1.1.1", True),
        ("169.254.169.254", False),
        ("fe80::1", False),
        ("0.0.0.0", False),  # noqa: S104 (data)
        ("168.63.129.16", False),
        ("224.0.0.1", False),
    ],
)
def test_on_a_laptop_all_but_metadata_endpoints_can_be_reached(
    address: str, *, reachable: bool
) -> None:
    assert is_reachable_here(address) is reachable


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "2130706433", "0x7f000001", "0x7f.1", "127.1", "017700000001"]
)
def test_an_address_is_told_in_any_spelling(host: str) -> None:
    assert is_address(host)


@pytest.mark.parametrize("host", ["hooks.example.com", "localhost", "x2.example", "a.b1c"])
def test_a_name_is_no_address(host: str) -> None:
    assert not is_address(host)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example/x",
        "//hooks.example",
        "hooks.example/x",
        "https://",
        "https:///x",
        "https://user@hooks.example/",
        "https://user:word@hooks.example/",
        "https://hooks.example\\@inside.example/",
        "https://hooks.example/ x",
        "https://hooks.example/\n",
        "https://hooks.example/#part",
        "https://hooks.example:99999/",
        "https://[::1/",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_url_that_hides_something_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_url(url)


def test_a_topic_is_reached_by_https_alone() -> None:
    assert check_topic_url("https://t.westeurope-1.eventgrid.azure.net/api/events")
    assert check_topic_url("http://127.0.0.1:7000/api/events")
    for url in ("http://t.eventgrid.azure.net/api/events", "https://t.example/api/events?x=1"):
        with pytest.raises(ValueError, match=r"https|query"):
            check_topic_url(url)


def test_a_wrong_topic_stops_the_app_and_its_key_is_not_repeated() -> None:
    with pytest.raises(Misconfigured, match="EVENT_GRID_TOPIC_ENDPOINT") as caught:
        configured(EVENT_GRID_TOPIC_ENDPOINT="http://t.example", EVENT_GRID_TOPIC_KEY="a-secret")
    assert "a-secret" not in str(caught.value)
