"""Where the app may send events: the rules of URLs and of addresses, so that none turns inward.

A URL that an operator mistyped, or a name that somebody else's DNS answers for, must not make the
app knock at its own network, at its identity endpoint or at the host it runs on.
"""

import ipaddress
from typing import Final
from urllib.parse import SplitResult, urlsplit

#: Ranges that `ipaddress` calls global, or will once its tables change, and that lead inward or
#: carry another address within. 168.63.129.16 is Azure's own host, reachable from every machine
#: (https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16).
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
#: Never a receiver, not even on a laptop: cloud metadata and identity endpoints stand here.
_LINK_LOCAL: Final = (ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("fe80::/10"))


def is_public(address: str) -> bool:
    """Tell whether an IP address is of the public internet, and carries no other one within."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inward = any(ip in network for network in _INWARD if network.version == ip.version)
    return ip.is_global and not ip.is_multicast and not inward


def is_reachable_here(address: str) -> bool:
    """Tell whether a receiver on this machine or network may have this address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    linked = any(ip in network for network in _LINK_LOCAL if network.version == ip.version)
    return (ip.is_loopback or ip.is_private or ip.is_global) and not (
        linked or ip.is_multicast or ip.is_unspecified or str(ip) == "168.63.129.16"
    )


def is_address(host: str) -> bool:
    """Tell whether a URL's host is an IP address, in any spelling that a resolver would take."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # 0x7f.1, 017700000001 and 2130706433 are 127.0.0.1 to getaddrinfo, and no names to DNS:
        # the last label of a name on the internet is never a number.
        last = host.rstrip(".").rpartition(".")[2]
        return last.isdigit() or last.lower().startswith("0x")
    return True


def split_url(url: str) -> SplitResult:
    """Take a URL apart; `ValueError` unless it is http(s), of a host, without a user or fragment.

    A user in it is the oldest trick to make one host look like another.
    """
    parts = urlsplit(url)
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("it holds a space or a control character")
    if parts.scheme not in {"https", "http"}:
        raise ValueError("it must begin with https://")
    if not parts.hostname:
        raise ValueError("it names no host")
    if "@" in parts.netloc or "\\" in url:
        raise ValueError("it may hold neither a user name nor a backslash")
    if parts.fragment:
        raise ValueError("it may have no fragment (#…)")
    _ = parts.port  # ValueError if it is no number of a port
    return parts


def check_topic_url(url: str) -> str:
    """Check the URL of an Event Grid topic: https, or a stand-in on this very machine."""
    parts = split_url(url)
    if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise ValueError("it must begin with https://")
    if parts.query:
        raise ValueError("leave the query (?…) out; the app adds the API version")
    return url
