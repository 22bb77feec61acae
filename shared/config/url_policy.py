"""Check the URLs and IP addresses that the app may send events to.

A wrong URL, or a host name with a hostile DNS entry, must not make the app call its own network,
its identity endpoint or its host.
"""

import ipaddress
from typing import Final
from urllib.parse import SplitResult, urlsplit

#: Ranges that `ipaddress` calls global, now or after a change of its tables, but that lead to a
#: local network or contain another address. 168.63.129.16 is a host of Azure, reachable from every
#: machine (https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16).
_INWARD: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",
        "100.64.0.0/10",  # carrier-grade NAT
        "192.88.99.0/24",  # 6to4 relays
        "::/96",  # IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64, local
        "2001::/23",  # Teredo and its siblings
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local
    )
)
#: Never a receiver, not even on a laptop: the ranges of cloud metadata and identity endpoints.
_LINK_LOCAL: Final = (ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("fe80::/10"))


def is_public(address: str) -> bool:
    """Return whether an IP address is on the public internet and contains no other address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inward = any(ip in network for network in _INWARD)
    return ip.is_global and not ip.is_multicast and not inward


def is_reachable_here(address: str) -> bool:
    """Return whether a receiver on this machine or network may have this address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    linked = any(ip in network for network in _LINK_LOCAL)
    return (ip.is_loopback or ip.is_private or ip.is_global) and not (
        linked or ip.is_multicast or ip.is_unspecified or str(ip) == "168.63.129.16"
    )


def is_address(host: str) -> bool:
    """Return whether a URL's host is an IP address, in any spelling that resolvers accept."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # getaddrinfo resolves 0x7f.1, 017700000001 and 2130706433 to 127.0.0.1. They are not DNS
        # names: the last label of a name on the internet is never a number.
        last = host.rstrip(".").rpartition(".")[2]
        return last.isdigit() or last.lower().startswith("0x")
    return True


def split_url(url: str) -> SplitResult:
    """Split a URL; `ValueError` unless it is http(s) with a host, without user and fragment.

    A user name can make one host look like another.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("its host or its port is not valid") from None
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("it contains a space or a control character")
    if parts.scheme not in {"https", "http"}:
        raise ValueError("it must begin with https://")
    if not parts.hostname:
        raise ValueError("it has no host")
    if "@" in parts.netloc or "\\" in url:
        raise ValueError("it must not contain a user name or a backslash")
    if parts.fragment:
        raise ValueError("it must not have a fragment (#…)")
    return parts


def check_topic_url(url: str) -> str:
    """Return the URL of an Event Grid topic if it is https, or an emulator on this machine."""
    parts = split_url(url)
    if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise ValueError("it must begin with https://")
    if parts.query:
        raise ValueError("leave out the query (?…); the app adds the API version")
    return url
