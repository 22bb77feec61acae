"""Read and check webhooks: URL, signing secrets and event types.

Settings name the webhooks. A job names the URL of its callback, and settings the hosts that are
allowed: otherwise a caller could make the app call any host. A secret is given by the name of
another setting, in Azure a Key Vault reference.
"""

import base64
import binascii
import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from .url_policy import is_address, is_reachable_here, split_url

_HTTPS: Final = 443
_PREFIX: Final = "whsec_"
#: Length of a signing key in bytes, by Standard Webhooks.
_SHORTEST, _LONGEST = 24, 64


class Webhook(BaseModel):
    """One receiver, as `WEBHOOKS` names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

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
