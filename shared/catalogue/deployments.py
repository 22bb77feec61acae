"""Describe the deployments of models that an operator has configured."""

import re
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, JsonValue, field_validator

#: A host name of at least two labels, with an optional `*.` before it.
_HOST: Final = re.compile(r"(\*\.)?([a-z0-9-]+\.)+[a-z][a-z0-9-]*")

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def check_endpoint(url: str) -> str:
    """Return the URL of an endpoint without a slash at its end; `ValueError` if it is not one.

    An empty URL is allowed: another setting has it. A user in it could make one host look like
    another.
    """
    try:
        parts = urlsplit(url)
        is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
        is_valid = (
            bool(parts.hostname and (parts.scheme == "https" or is_local) and parts.port != 0)
            and not ("@" in parts.netloc or parts.fragment)
            and all(each.isprintable() and each not in " \\" for each in url)
        )
    except ValueError:  # a bracket or a port
        is_valid = False
    if url and not is_valid:
        raise ValueError(
            f"{url!r} is not an https URL (http is allowed for 127.0.0.1 and localhost only); "
            "write it like 'https://my-resource.openai.azure.com'"
        )
    return url.rstrip("/")


type UrlShape = Literal["deployment", "v1", "mai", "bfl"]


class Deployment(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """One deployment of a model, as `FOUNDRY_DEPLOYMENTS` names it.

    Only `name` is required. `shared.config.settings` fills in the other fields from the catalogue
    (`url`, `scope`, `rpm`) and from `FOUNDRY_ENDPOINT` (`endpoint`); see `docs/settings.md`.
    """

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    #: Name of its model in the catalogue; empty: the same as `name`.
    model: str = ""
    #: `https://resource-host`, or a full URL ending in `/images/generations`, used unchanged.
    endpoint: str = ""
    url: UrlShape | None = None
    api_version: str | None = None
    #: Entra scope of the token; None: the scope of the model.
    scope: str | None = None
    #: Quota in requests a minute; None: the default of the model.
    rpm: float | None = Field(default=None, gt=0, le=100_000)
    #: Deployments that share one quota share a pool; empty: the name of the model.
    pool: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")
    #: Request the reply as server-sent events where the model and `n` allow it.
    stream: bool = True
    #: Put `model` into the body; None: decided by the URL shape.
    send_model: bool | None = None
    #: Members added to every body, for hosts that need further parameters.
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    #: Hosts, or patterns of hosts, that replies may link pictures at, besides the endpoint's host.
    picture_hosts: tuple[str, ...] = ()

    @field_validator("picture_hosts")
    @classmethod
    def _check_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if not _HOST.fullmatch(host):
                raise ValueError(
                    f"{host!r} is not a host; write 'pictures.example' or '*.example.net'"
                )
        return value

    @field_validator("endpoint")
    @classmethod
    def _check_url(cls, value: str) -> str:
        return check_endpoint(value)
