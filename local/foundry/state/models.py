"""The models: rules, prices and latencies, each with its source.

Seconds are those of one picture at 1K sizes. Measured on Azure: gpt-image-2 (medium and edits in
April 2026, the rest in September), 2.5 flare, low and high of 2.5 sunburst, MAI-Image-2.6 and
FLUX.2-pro (6.2-6.9 s); the rest is assumed.
Prices are USD per million tokens, or per megapixel for FLUX.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

type Family = Literal["gpt-image", "mai", "flux"]
type SizeRules = Literal["free", "fixed", "mai", "flux"]


@dataclass(frozen=True, slots=True)
class Quality:
    """One quality level: tokens along the long edge, along the short edge, seconds to make."""

    bucket: int
    tier: int
    seconds: float
    edit_seconds: float


@dataclass(frozen=True, slots=True)
class Prices:
    """USD per million tokens; `megapixel` (USD) for models billed by area."""

    text_in: float = 0.0
    image_in: float = 0.0
    image_out: float = 0.0
    megapixel: float = 0.0


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the service."""

    name: str
    family: Family
    sizes: SizeRules
    prices: Prices
    qualities: Mapping[str, Quality] = field(default_factory=dict)
    default_quality: str = ""
    auto_quality: str = ""  # the level of `auto`; "" where the model rejects it
    seconds: float = 0.0
    prompt_limit: int = 32_000
    max_inputs: int = 16
    max_pixels: int = 1_048_576  # of MAI
    extras: frozenset[str] = frozenset()  # members that only some MAI models accept
    path: str = ""  # the last part of a FLUX URL

    @property
    def counts_area(self) -> bool:
        """Whether the token formula counts the area; the grid of 1.x does not."""
        return self.sizes == "free"


#: An edit compared with a generation; measured for gpt-image-2 only.
_EDIT = 1.6

_TWO = {
    "low": Quality(16, 16, 23, 55),
    "medium": Quality(48, 32, 59, 93),
    "high": Quality(96, 64, 151, 240),
}


def _two_and_a_half(*seconds: float) -> dict[str, Quality]:
    grids = {"low": (16, 16), "medium": (24, 32), "high": (48, 64), "xhigh": (64, 64),
             "max": (96, 64)}  # fmt: skip
    return {
        name: Quality(*grid, each, each * _EDIT)
        for (name, grid), each in zip(grids.items(), seconds, strict=True)
    }


_FLARE = _two_and_a_half(21, 24, 34, 43, 73)
_SUNBURST = _two_and_a_half(31, 37, 72, 108, 210)


def _gpt(
    name: str, qualities: Mapping[str, Quality], prices: Prices, sizes: SizeRules, auto: str = ""
) -> Model:
    default = "medium" if name == "gpt-image-1-mini" else "high"
    return Model(
        name, "gpt-image", sizes, prices, qualities, default_quality=default, auto_quality=auto
    )


def _mai(
    name: str,
    prices: Prices,
    seconds: float,
    *,
    max_inputs: int = 1,
    edge: int = 1024,
    extras: tuple[str, ...] = (),
) -> Model:
    return Model(
        name,
        "mai",
        "mai",
        prices,
        seconds=seconds,
        max_inputs=max_inputs,
        max_pixels=edge * edge,
        extras=frozenset(extras),
    )


def _mai_6(name: str, prices: Prices, seconds: float) -> Model:
    extras = ("auto_aspect_ratio", "web_grounding")
    return _mai(name, prices, seconds, max_inputs=5, edge=1536, extras=extras)


def _mai_7(name: str, prices: Prices, seconds: float) -> Model:
    extras = ("auto_aspect_ratio", "web_grounding", "background")
    return _mai(name, prices, seconds, max_inputs=5, edge=2048, extras=extras)


def _flux(name: str, path: str, usd: float, seconds: float, max_inputs: int) -> Model:
    return Model(
        name,
        "flux",
        "flux",
        Prices(megapixel=usd),
        seconds=seconds,
        max_inputs=max_inputs,
        path=path,
    )


_FREE = Prices(5, 8, 30)

MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        _gpt("gpt-image-1", _TWO, Prices(5, 10, 40), "fixed", "high"),
        _gpt("gpt-image-1-mini", _TWO, Prices(2, 2.5, 8), "fixed", "medium"),
        _gpt("gpt-image-1.5", _TWO, Prices(5, 8, 32), "fixed", "high"),
        _gpt("gpt-image-2", _TWO, _FREE, "free"),
        _gpt("gpt-image-2.5-flare", _FLARE, _FREE, "free", "medium"),
        _gpt("gpt-image-2.5-sunburst", _SUNBURST, _FREE, "free", "medium"),
        _mai("MAI-Image-2.5", Prices(5, 8, 47), 10),
        _mai("MAI-Image-2.5-Flash", Prices(1.75, 1.75, 19.5), 5),
        _mai("MAI-Image-2.5-Pro", Prices(5, 8, 106), 14),
        _mai_6("MAI-Image-2.6", Prices(5, 8, 38), 30),
        _mai_6("MAI-Image-2.6-Flash", Prices(1.75, 1.75, 19.5), 17),  # output: that of 2.5-Flash
        _mai_7("MAI-Image-2.7", Prices(5, 8, 34), 30),
        _mai_7("MAI-Image-2.7-Flash", Prices(5, 8, 34), 17),
        _flux("FLUX.2-pro", "flux-2-pro", 0.015, 6.5, 8),
        _flux("FLUX.2-flex", "flux-2-flex", 0.05, 10, 10),
        _flux("FLUX.1-Kontext-pro", "flux-kontext-pro", 0.04, 6, 1),
        _flux("FLUX-1.1-pro", "flux-pro-1.1", 0.04, 5, 0),
    )
}


class Deployment(BaseModel):
    """A named deployment of a model with a quota; other keys of the app's list are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1)
    model: str = ""
    rpm: float = Field(default=600, gt=0)
    pool: str = ""
    resource: str = "local"

    @property
    def facts(self) -> Model:
        """The model of the deployment."""
        return MODELS[self.model]


def default_deployments(rpm: float) -> tuple[Deployment, ...]:
    """Return a deployment of each model, with the model's name and `rpm` requests per minute."""
    return tuple(Deployment(name=name, model=name, rpm=rpm, pool=name) for name in MODELS)


_LIST: TypeAdapter[list[Deployment]] = TypeAdapter(list[Deployment])


def read_deployments(text: str, rpm: float) -> tuple[Deployment, ...]:
    """Read a JSON list like the app's; raise ValueError for an unknown model."""
    found = []
    for each in _LIST.validate_json(text):
        model = each.model or each.name
        if model not in MODELS:
            known = ", ".join(MODELS)
            raise ValueError(f"deployment {each.name!r}: no model {model!r}; known: {known}")
        quota = each.rpm if "rpm" in each.model_fields_set else rpm
        changes = {"model": model, "pool": each.pool or model, "rpm": quota}
        found.append(each.model_copy(update=changes))
    return tuple(found)


def by_name(deployments: Sequence[Deployment]) -> dict[str, Deployment]:
    """Return the deployments by name."""
    return {each.name: each for each in deployments}


def seconds_to_make(model: Model, *, quality: str, pixels: int, n: int, edit: bool) -> float:
    """Return the duration of a call in seconds of the real service.

    Nothing above 1K was measured: we assume the square root of the area beyond 1.6 megapixels,
    and a quarter more for each further picture.
    """
    level = model.qualities.get(quality)
    base = (level.edit_seconds if edit else level.seconds) if level else model.seconds
    return float(base * max(1.0, pixels / 1_600_000) ** 0.5 * (1 + 0.25 * (n - 1)))
