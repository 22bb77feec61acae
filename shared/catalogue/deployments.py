"""Where a model can be called: the deployments an operator has configured."""

import re
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

#: A host's name of at least two labels; a pattern stands for what is before them.
_HOST: Final = re.compile(r"(\*\.)?([a-z0-9-]+\.)+[a-z][a-z0-9-]*")

type UrlShape = Literal["deployment", "v1", "mai", "bfl"]


class Deployment(BaseModel):
    """One deployment of a model, as `FOUNDRY_DEPLOYMENTS` names it.

    Only `name` is required. What is left out comes from the catalogue's row of the model
    (`url`, `scope`, `rpm`) or from `FOUNDRY_ENDPOINT` (`endpoint`), filled in by
    `shared.config.settings`; see `docs/settings.md`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    #: Catalogue name of the model it serves.
    model: str = ""
    #: `https://resource-host`, or a full URL ending in `/images/generations`, taken as it is.
    endpoint: str = ""
    url: UrlShape | None = None
    api_version: str | None = None
    #: Entra scope of the token; the model's own when None.
    scope: str | None = None
    #: Quota in requests a minute; the catalogue's default for the model when None.
    rpm: float | None = Field(default=None, gt=0, le=100_000)
    #: Deployments that share one quota share a pool; the model's name when empty.
    pool: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")
    #: Ask for the reply as server-sent events where the model and `n` allow.
    stream: bool = True
    #: Put `model` into the body; None: where the URL shape asks for it.
    send_model: bool | None = None
    #: Members added to every body, for hosts with parameters of their own.
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    #: Hosts, or patterns of them, that its replies may link pictures at, beside the endpoint's own.
    picture_hosts: tuple[str, ...] = ()

    @field_validator("picture_hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if not _HOST.fullmatch(host):
                raise ValueError(
                    f"{host!r} is no host; write 'pictures.example' or '*.example.net'"
                )
        return value

    @field_validator("endpoint")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise ValueError(
                f"{value!r} is no https URL (plain http is for 127.0.0.1 and localhost only)"
            )
        return value.rstrip("/")
