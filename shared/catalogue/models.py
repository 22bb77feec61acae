"""The catalogue: what each model can do, what it costs and how it is called, as data."""

import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..errors import Misconfigured
from .deployments import UrlShape
from .sizes import SizeRules, find_broken_rules

type Family = Literal["gpt-image", "mai", "flux"]
type QualityName = Literal["low", "medium", "high", "xhigh", "max"]
type TokenRule = Literal["scaled", "grid", "pixels", "megapixels"]

#: A model that retires within so many days is announced as such.
NOTICE_DAYS = 60
#: What a row says where a fact it would inherit is not known; TOML has no null.
UNKNOWN = "unknown"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class QualityLevel(_Row):
    """One quality a model knows, and the token grids behind it."""

    name: QualityName
    #: Tokens along the long edge; None where the model has no buckets.
    bucket: int | None = Field(default=None, ge=1)
    #: Tokens along the short edge, of the legacy tiers; None where there is none known.
    grid: int | None = Field(default=None, ge=1)
    #: What a picture of 1024x1024 takes.
    seconds: float = Field(gt=0)


class Prices(_Row):
    """USD per million tokens, or per started megapixel for the models billed so."""

    text_in: float = Field(default=0.0, ge=0)
    image_in: float = Field(default=0.0, ge=0)
    image_out: float | None = Field(default=None, ge=0)
    #: None: text in the output is billed as image output.
    text_out: float | None = Field(default=None, ge=0)
    megapixel_in: float = Field(default=0.0, ge=0)
    megapixel_out: float | None = Field(default=None, ge=0)
    #: Added once a call, to the first picture.
    first_output: float = Field(default=0.0, ge=0)


class Edits(_Row):
    """How a model takes pictures to edit."""

    #: A part of a form for each picture, or members of the JSON body in base64.
    how: Literal["multipart", "json"]
    #: Name of the part, or of the first member; the next ones are numbered from 2.
    field: str
    masks: bool = False
    #: Members of the request that it accepts only when it makes a picture from nothing.
    without: tuple[str, ...] = ()


class Model(_Row):
    """One row of the catalogue; `models.toml` says what each fact rests on."""

    name: str = Field(min_length=1, max_length=64)
    family: Family
    url: UrlShape
    scope: str = Field(pattern=r"^https://\S+$")
    api_version: str
    rpm: float = Field(gt=0)
    streams: bool
    max_n_per_call: int = Field(ge=1, le=10)
    formats: tuple[Literal["png", "jpeg"], ...] = Field(min_length=1)
    transparent: bool
    max_prompt_characters: int = Field(ge=1)
    max_inputs: int = Field(ge=0)
    #: None: it edits nothing.
    edits: Edits | None = None
    status: Literal["ga", "preview"]
    retires: date | None = None
    replacement: str | None = None
    sizes: SizeRules
    #: The sizes it is best at; the first is its default.
    usual_sizes: tuple[tuple[int, int], ...] = Field(min_length=1)
    experimental_above_pixels: int | None = None
    qualities: tuple[QualityLevel, ...] = ()
    #: Of a picture of 1024x1024, for a model without quality levels.
    seconds: float = Field(default=30.0, gt=0)
    tokens: TokenRule
    #: None: not known, which is not the same as free.
    prices: Prices | None = None
    #: Members of the request body that it accepts.
    parameters: tuple[str, ...] = Field(min_length=1)
    #: What the facts rest on, by field.
    sources: dict[str, str] = Field(default_factory=dict, repr=False)

    @field_validator("qualities", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:  # noqa: ANN401 - what a file holds is checked after this
        if isinstance(value, dict) and all(isinstance(level, dict) for level in value.values()):
            return [{"name": name, **level} for name, level in value.items()]
        return value

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        for width, height in self.usual_sizes:
            if broken := find_broken_rules(self.sizes, width, height):
                raise ValueError(f"usual_sizes: {broken[0]}")
        if self.tokens in {"scaled", "grid"} and not self.qualities:
            raise ValueError(f"tokens: {self.tokens!r} counts by quality, and it has no qualities")
        for level in self.qualities:
            if level.grid is None and (level.bucket is None or self.tokens == "grid"):
                raise ValueError(f"qualities: {level.name!r} has no grid to count its tokens by")
        if self.max_inputs and self.edits is None:
            raise ValueError("max_inputs: it takes inputs, and edits does not say how")
        if self.prices is not None:
            rate = "megapixel_out" if self.tokens == "megapixels" else "image_out"
            if getattr(self.prices, rate) is None:
                raise ValueError(f"prices: {rate} is missing")
        return self

    def quality(self, name: str | None) -> QualityLevel | None:
        """Look up a quality level by name."""
        return next((level for level in self.qualities if level.name == name), None)

    def api_version_for(self, shape: UrlShape) -> str:
        """Say the api-version of a URL shape, which need not be the model's own; "" is none."""
        return self.api_version if shape == self.url else _API_VERSIONS[shape]

    def retired(self, today: date) -> bool:
        """Tell whether its retirement date has come."""
        return self.retires is not None and self.retires <= today

    def warning(self, today: date) -> str | None:
        """Say that it is retired, or will be soon."""
        if self.retires is None or (left := (self.retires - today).days) > NOTICE_DAYS:
            return None
        when = (
            f"was retired on {self.retires} and may stop answering"
            if left <= 0
            else f"retires on {self.retires}, in {left} day{'s' if left > 1 else ''}"
        )
        instead = f"; its replacement is {self.replacement}" if self.replacement else ""
        return f"{self.name} {when}{instead}"


#: Microsoft how-to, 2026-04-17: https://learn.microsoft.com/azure/foundry/openai/how-to/dall-e
_API_VERSIONS: dict[UrlShape, str] = {
    "deployment": "2025-04-01-preview",
    "v1": "preview",
    "mai": "",
    "bfl": "preview",
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The models that can be configured, by name."""

    models: Mapping[str, Model]

    def get(self, name: str) -> Model:
        """Look up a model; a name it does not hold is a LookupError with a sentence."""
        if model := self.models.get(name):
            return model
        raise LookupError(f"{name!r} is no model of the catalogue{self._instead(name)}")

    def _instead(self, name: str) -> str:
        known = {known.lower(): known for known in self.models}
        close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
        if close:
            return f"; did you mean {' or '.join(known[match] for match in close)}?"
        return f"; it has {', '.join(sorted(known.values()))}"


@cache
def read_builtin() -> Catalogue:
    """Read the catalogue that comes with the app."""
    text = files(__package__).joinpath("models.toml").read_text(encoding="utf-8")
    return extend_catalogue(Catalogue({}), text)


def extend_catalogue(catalogue: Catalogue, text: str) -> Catalogue:
    """Add an operator's own models to a catalogue, or change single facts of its models.

    The text is TOML or JSON with one object `models`, by name. A row of a known model states what
    differs; a new one states everything, or starts as a copy of the row it names in `like`.
    """
    models = dict(catalogue.models)
    for name, row in _rows(text).items():
        if not isinstance(row, dict):
            raise Misconfigured(f"catalogue: model {name!r} must be a table, not {row!r}")
        changes = dict(row)
        origin = changes.pop("like", name)
        if origin not in models and "like" in row:
            raise Misconfigured(
                f"catalogue: model {name!r}, field 'like': {origin!r} is no model known before it"
            )
        start = _plain(models[origin]) if origin in models else {}
        models[name] = _model(name, _merged(start, changes))
    return Catalogue(MappingProxyType(models))


def _rows(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except ValueError as error:
        raise Misconfigured(f"catalogue: it is neither TOML nor JSON: {error}") from error
    rows = document.get("models")
    if not isinstance(rows, dict) or set(document) != {"models"}:
        held = ", ".join(document) or "nothing"
        raise Misconfigured(f"catalogue: it must hold the table 'models' alone, and holds {held}")
    return rows


def _plain(model: Model) -> dict[str, Any]:
    row = model.model_dump(exclude_none=True)
    row["qualities"] = {level.pop("name"): level for level in row["qualities"]}
    return row


def _merged(start: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(start)
    for key, value in changes.items():
        old = start.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            another_kind = "kind" in value and value["kind"] != old.get("kind")
            merged[key] = value if another_kind else _merged(old, value)
        else:
            merged[key] = None if value == UNKNOWN else value
    return merged


def _model(name: str, row: dict[str, Any]) -> Model:
    try:
        return Model.model_validate({**row, "name": name})
    except ValidationError as error:
        faults = "; ".join(
            f"field {'.'.join(map(str, fault['loc'])) or 'row'!r}: {fault['msg']}"
            + ("" if fault["type"] == "missing" else f" (it is {str(fault['input'])[:60]!r})")
            for fault in error.errors()
        )
        raise Misconfigured(f"catalogue: model {name!r}, {faults}") from error
