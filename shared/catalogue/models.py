"""Read the catalogue: what each model can do, what it costs and how it is called."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pkgutil import get_data
from types import MappingProxyType
from typing import Any, Final, Literal, Self, cast

from pydantic import Field, TypeAdapter, field_validator, model_validator

from ..errors import Misconfigured
from .deployments import UrlShape
from .sizes import Row, SizeRules, find_broken_rules

type Family = Literal["gpt-image", "mai", "flux"]
type QualityName = Literal["low", "medium", "high", "xhigh", "max"]
#: Members of a request body that a job's fields set; what only some models take is in `options`.
type Parameter = Literal[
    "n",
    "num_images",
    "size",
    "width",
    "height",
    "quality",
    "output_format",
    "output_compression",
    "background",
]
type TokenRule = Literal["bucket", "grid", "pixels", "megapixels"]

#: Plans warn about a model that retires within this many days.
RETIREMENT_NOTICE_DAYS = 60
#: The value that removes a copied fact from a row; TOML has no null.
UNKNOWN = "unknown"
#: Bounds of an operator's figures, so that what is computed with them stays finite.
_HIGHEST_PRICE: Final = 1_000_000.0
_MOST_TOKENS: Final = 10_000
_MOST_SECONDS: Final = 3_600.0
#: The setting that names an operator's file.
_FILE: Final = "MODEL_CATALOGUE"
#: How the parsers of TOML and JSON say where they stopped.
_PLACE: Final = re.compile(r"line ([0-9]+),? column ([0-9]+)")


class QualityLevel(Row):
    """One quality level of a model, and its token counts."""

    name: QualityName
    #: Tokens along the long edge; None where the model has no buckets.
    bucket: int | None = Field(default=None, ge=1, le=_MOST_TOKENS)
    #: Tokens along the short edge, of the legacy count; None where it is not known.
    grid: int | None = Field(default=None, ge=1, le=_MOST_TOKENS)
    #: Seconds for one picture of 1024x1024.
    seconds: float = Field(gt=0, le=_MOST_SECONDS)


class Prices(Row):
    """USD per million tokens, or per started megapixel for models that are billed by area."""

    text_in: float = Field(default=0.0, ge=0, le=_HIGHEST_PRICE)
    image_in: float = Field(default=0.0, ge=0, le=_HIGHEST_PRICE)
    image_out: float | None = Field(default=None, ge=0, le=_HIGHEST_PRICE)
    #: None: text in the output is billed like image output.
    text_out: float | None = Field(default=None, ge=0, le=_HIGHEST_PRICE)
    megapixel_in: float = Field(default=0.0, ge=0, le=_HIGHEST_PRICE)
    megapixel_out: float | None = Field(default=None, ge=0, le=_HIGHEST_PRICE)
    #: Added once for each call.
    first_output: float = Field(default=0.0, ge=0, le=_HIGHEST_PRICE)


class Edits(Row):
    """How a model receives pictures to edit."""

    #: One form part for each picture, or members of the JSON body in base64.
    how: Literal["multipart", "json"]
    #: Name of the part, or of the first member; further members are numbered from 2.
    field: str
    masks: bool = False
    #: Types of the pictures that it takes.
    formats: tuple[Literal["png", "jpeg", "webp"], ...] = ("png", "jpeg")
    #: Members of the request that it accepts for generations only, not for edits.
    without: tuple[Parameter, ...] = ()


class Option(Row):
    """A parameter that only some models take; a job sets it in `options`."""

    type: Literal["text", "integer", "number", "boolean"]
    #: Of a text; empty: any text.
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    #: It is accepted with pictures to edit only.
    edits_only: bool = False

    @property
    def allowed(self) -> str:
        """The values that are allowed, as the end of a sentence."""
        if self.choices:
            return " or ".join(map(repr, self.choices))
        kind = {"boolean": "true or false", "text": "text", "number": "a number"}
        ends = (("from", self.minimum), ("to", self.maximum))
        limits = [f" {word} {end:,.10g}" for word, end in ends if end is not None]
        return kind.get(self.type, "a whole number") + "".join(limits)

    def allows(self, value: str | float) -> bool:
        """Return whether the value has the type and is within the limits."""
        if isinstance(value, bool) or self.type == "boolean":
            return isinstance(value, bool) and self.type == "boolean"
        if isinstance(value, str):
            return self.type == "text" and (not self.choices or value in self.choices)
        if self.type == "text" or (self.type == "integer" and not isinstance(value, int)):
            return False
        too_small = self.minimum is not None and value < self.minimum
        return not too_small and (self.maximum is None or value <= self.maximum)


class Model(Row):
    """One row of the catalogue; `models.toml` has the source of each fact."""

    #: Its deployments' pool has this name, if they name none.
    name: str = Field(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    family: Family
    url: UrlShape
    scope: str = Field(pattern=r"^https://\S+$")
    api_version: str
    rpm: float = Field(gt=0, le=100_000)
    streams: bool
    max_n_per_call: int = Field(ge=1, le=10)
    #: Most partial images of a streamed picture; 0: it streams none.
    max_previews: int = Field(default=0, ge=0, le=3)
    formats: tuple[Literal["png", "jpeg"], ...] = Field(min_length=1)
    transparent: bool
    max_prompt_characters: int = Field(ge=1)
    max_inputs: int = Field(ge=0)
    #: None: it edits no pictures.
    edits: Edits | None = None
    status: Literal["ga", "preview"]
    retires: date | None = None
    replacement: str | None = None
    sizes: SizeRules
    #: Recommended sizes; the first is the default.
    usual_sizes: tuple[tuple[int, int], ...] = Field(min_length=1)
    experimental_above_pixels: int | None = None
    qualities: tuple[QualityLevel, ...] = ()
    #: The highest level seen when the service chooses (`quality: auto`); None: it rejects that.
    auto_quality: QualityName | None = None
    #: Seconds for one picture of 1024x1024, for a model without quality levels.
    seconds: float = Field(default=30.0, gt=0, le=_MOST_SECONDS)
    tokens: TokenRule
    #: None: not known; that does not mean free.
    prices: Prices | None = None
    #: Members of the request body that it accepts, besides the prompt.
    parameters: tuple[Parameter, ...]
    #: What only some models take, by its name in the request body.
    options: dict[str, Option] = Field(default_factory=dict)
    #: The source of each fact, by field.
    sources: dict[str, str] = Field(default_factory=dict, repr=False)

    @field_validator("qualities", mode="before")
    @classmethod
    def _name_levels(cls, value: Any) -> Any:  # noqa: ANN401 - the file is validated after this
        if isinstance(value, dict) and all(isinstance(level, dict) for level in value.values()):
            return [{"name": name, **level} for name, level in value.items()]
        return value

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        for width, height in self.usual_sizes:
            if broken := find_broken_rules(self.sizes, width, height):
                raise ValueError(f"usual_sizes: {broken[0]}")
        if self.max_previews and not self.streams:
            raise ValueError("max_previews: the model does not stream; set `streams`, or leave it")
        if self.max_inputs and self.edits is None:
            raise ValueError("max_inputs: the model accepts inputs, but `edits` is missing")
        if self.prices is not None:
            rate = "megapixel_out" if self.tokens == "megapixels" else "image_out"
            if getattr(self.prices, rate) is None:
                raise ValueError(f"prices: {rate} is missing")
        return self

    @model_validator(mode="after")
    def _check_levels(self) -> Self:
        if self.tokens in {"bucket", "grid"}:
            if not self.qualities:
                raise ValueError(f"tokens: {self.tokens!r} needs `qualities`, which are missing")
            for level in self.qualities:
                if getattr(level, self.tokens) is None:
                    raise ValueError(f"qualities: {level.name!r} needs a {self.tokens}")
        if self.auto_quality and self.quality(self.auto_quality) is None:
            raise ValueError(f"auto_quality: {self.auto_quality!r} is not one of `qualities`")
        return self

    def quality(self, name: str | None) -> QualityLevel | None:
        """Return the quality level of this name."""
        return next((level for level in self.qualities if level.name == name), None)

    def most_per_call(self, *, previews: int) -> int:
        """Return the most pictures of one call: with previews one, as a stream has one."""
        return 1 if previews else self.max_n_per_call

    def api_version_for(self, shape: UrlShape) -> str:
        """Return the api-version for a URL shape; "" where the shape has no api-version."""
        return self.api_version if shape == self.url else _API_VERSIONS[shape]

    def retired(self, today: date) -> bool:
        """Return whether its retirement date is reached."""
        return self.retires is not None and self.retires <= today

    def warning(self, today: date) -> str | None:
        """Return a warning if the model is retired or retires soon."""
        if self.retires is None or (left := (self.retires - today).days) > RETIREMENT_NOTICE_DAYS:
            return None
        when = (
            f"was retired on {self.retires} and may stop answering"
            if left <= 0
            else f"retires on {self.retires}, in {left} {'day' if left == 1 else 'days'}"
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
        """Return the model of this name; raise `LookupError` for an unknown name."""
        if model := self.models.get(name):
            return model
        from difflib import get_close_matches  # noqa: PLC0415 (no start waits for it)

        known = {known.lower(): known for known in self.models}
        close = get_close_matches(name.lower(), known)
        advice = (
            f"did you mean {' or '.join(known[match] for match in close)}?"
            if close
            else f"use one of {', '.join(sorted(self.models))}"
        )
        raise LookupError(f"{name!r} is not a model of the catalogue; {advice}")

    def takers(self, option: str) -> list[str]:
        """Return the names of the models that take an option."""
        return [model.name for model in self.models.values() if option in model.options]


@cache
def read_builtin() -> Catalogue:
    """Return the catalogue that is part of the app."""
    text = cast(bytes, get_data(__name__, "models.toml")).decode()
    return extend_catalogue(Catalogue({}), text)


def extend_catalogue(catalogue: Catalogue, text: str) -> Catalogue:
    """Return a catalogue with an operator's models added, or with facts of its models changed.

    The text is TOML or JSON with one object `models`, by name. A row of a known model contains only
    what differs. A row of a new model is complete, or a copy of the row named in `like` plus what
    differs. Raises `Misconfigured`, or `ValidationError` with every fault of the rows.
    """
    rows: dict[str, Any] = {}
    for name, row in _parse_rows(text).items():
        if not isinstance(row, dict):
            raise Misconfigured(f"{_FILE}: model {name!r} must be a table, not {str(row)[:60]!r}")
        changes = dict(row)
        origin = changes.pop("like", name)
        known = isinstance(origin, str) and (origin in rows or origin in catalogue.models)
        if "like" in row and not known:
            raise Misconfigured(
                f"{_FILE}: model {name!r}, field 'like': {str(origin)[:60]!r} is not defined before"
                " it; name a model of the catalogue"
            )
        start = rows.get(origin) or (_dump_row(catalogue.models[origin]) if known else {})
        rows[name] = _merge(start, changes) | {"name": name}
    added = TypeAdapter(dict[str, Model]).validate_python(rows)
    return Catalogue(MappingProxyType({**catalogue.models, **added}))


def _parse_rows(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        where = _find_place(text, error)
        raise Misconfigured(f"{_FILE}: the file is not valid TOML or JSON{where}") from error
    rows = document.get("models")
    if not isinstance(rows, dict) or set(document) != {"models"}:
        found = ", ".join(map(repr, document))[:200] or "nothing"
        raise Misconfigured(f"{_FILE}: expected only the table 'models', found {found}")
    return rows


def _find_place(text: str, error: Exception) -> str:
    """Return where the file can't be read, with that line, where the parser says it."""
    place = _PLACE.search(str(error))
    if place is None:
        return ""
    line = (text.splitlines() or [""])[min(int(place[1]), len(text.splitlines())) - 1]
    return f": line {place[1]}, column {place[2]}, in {line[:100]!r}"


def _dump_row(model: Model) -> dict[str, Any]:
    row = model.model_dump(exclude_none=True)
    row["qualities"] = {level.pop("name"): level for level in row["qualities"]}
    return row


def _merge(start: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(start)
    for key, value in changes.items():
        old = start.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            another_kind = "kind" in value and value["kind"] != old.get("kind")
            merged[key] = value if another_kind else _merge(old, value)
        else:
            merged[key] = value
        if value == UNKNOWN:
            del merged[key]
    return merged
