"""Check the URLs and IP addresses that the app may call: webhooks, callbacks and linked pictures.

A wrong URL, or a host name with a hostile DNS entry, must not make the app call its own network,
its identity endpoint or its host. Settings name the webhooks. A job names the URL of its callback,
and settings the hosts that are allowed: otherwise a caller could make the app call any host. A
secret is given by the name of another setting, in Azure a Key Vault reference.
"""

import base64
import binascii
import fnmatch
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationInfo, field_validator

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

_HTTPS: Final = 443
_PREFIX: Final = "whsec_"
#: Length of a signing key in bytes, by Standard Webhooks.
_SHORTEST, _LONGEST = 24, 64


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


class Webhook(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """One receiver, as `WEBHOOKS` names it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    url: str
    #: Names of the settings with its signing secrets; all of them sign, so that secrets can rotate.
    secrets: tuple[str, ...] = Field(min_length=1, max_length=4)
    #: Patterns of the event types it receives.
    events: tuple[str, ...] = Field(default=("*",), min_length=1)
    #: The secrets, read from the named settings.
    keys: tuple[SecretStr, ...] = Field(default=(), validate_default=True, repr=False)

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        split_url(url)
        return url

    @field_validator("keys", mode="before")
    @classmethod
    def _look_up_keys(cls, _given: object, info: ValidationInfo) -> tuple[str, ...]:
        return look_up_keys(info.data.get("secrets", ()), info)

    def wants(self, event_type: str) -> bool:
        """Return whether this receiver gets events of this type."""
        return any(fnmatch.fnmatchcase(event_type, pattern) for pattern in self.events)


def look_up_keys(names: Iterable[str], info: ValidationInfo) -> tuple[str, ...]:
    """Return the signing secrets in the settings of these names; `ValueError` if one is wrong."""
    environ: Mapping[str, Any] = info.context or {}
    return tuple(_read_secret(name, environ.get(name)) for name in names)


def _read_secret(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"the setting {name!r} is missing; set it to the signing secret")
    if value.startswith("@Microsoft.KeyVault("):
        raise ValueError(
            f"the Key Vault reference in {name!r} was not resolved; allow the app's identity to "
            "read the secret"
        )
    try:
        key = base64.b64decode(value.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(
            f"the secret in {name!r} is not valid; write whsec_ and base64 of {_SHORTEST} to "
            f"{_LONGEST} random bytes"
        )
    return value


def check_hosts(webhooks: Iterable[Webhook], *, hosts: Iterable[str], local: Iterable[str]) -> None:
    """Raise `ValueError` for two webhooks of one name, or one that `check_receiver` refuses."""
    hosts, local, names = tuple(hosts), tuple(local), list[str]()
    for webhook in webhooks:
        names.append(webhook.name)
        try:
            check_receiver(webhook.url, hosts=hosts, local=local)
        except ValueError as error:
            raise ValueError(f"the webhook {webhook.name!r} {error}") from error
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two webhooks have the name {twice!r}; names must be unique")


def check_receiver(
    url: str, *, hosts: Iterable[str], local: Iterable[str], setting: str = "WEBHOOK_HOSTS"
) -> None:
    """Raise `ValueError` for a URL that is not allowed, or whose host is on neither list.

    Hosts in `local` are on this machine or network: http, any port, private addresses.
    """
    parts = split_url(url)
    host = parts.hostname or ""
    if host in local:
        if is_address(host) and not is_reachable_here(host):
            raise ValueError(f"has the address {host}, which is not allowed")
        return
    if parts.scheme != "https" or parts.port not in {None, _HTTPS}:
        raise ValueError("must use https on port 443")
    if is_address(host):
        raise ValueError("has an IP address; write its host name")
    if not any(fnmatch.fnmatchcase(host, pattern) for pattern in hosts):
        raise ValueError(f"has the host {host!r}, which {setting} does not allow")
