"""Locales as people name them: language, script and direction, in English and in full."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

type Direction = Literal["left to right", "right to left"]


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a locale is, in words: `Portuguese (Brazil)`, `Latin script`, `left to right`."""

    locale: str
    language: str
    script: str
    direction: Direction


def spoken(locale: str) -> Spoken:
    """Name a BCP 47 tag in the case of RFC 5646; LookupError with a sentence if nobody speaks it.

    A language that is mistaken for a country (`jp`) would cost a picture in no language at all.
    """
    known = _known()
    language, *rest = locale.split("-")
    if language not in known["languages"]:
        raise LookupError(f"{locale!r} begins with no known language{_instead(language)}")
    name, script = known["languages"][language]
    region = next((part for part in rest if part in known["regions"]), None)
    script = known["elsewhere"].get(f"{language}-{region}", script)
    for part in rest:
        if len(part) == 4 and part.isalpha():  # noqa: PLR2004 - a script has four letters
            if part not in known["scripts"]:
                raise LookupError(f"{locale!r} names the script {part!r}, which is not known")
            script = part
    where = f" ({known['regions'][region][0]})" if region else ""
    backwards = script in known["right_to_left"]["scripts"]
    return Spoken(
        locale=locale,
        language=f"{name}{where}",
        script=known["scripts"][script],
        direction="right to left" if backwards else "left to right",
    )


def _instead(tag: str) -> str:
    _, likely = _known()["regions"].get(tag.upper(), ("", ""))
    if likely in _known()["languages"]:
        return f"; did you mean {likely!r}, {_known()['languages'][likely][0]}?"
    return "; use a tag such as 'de', 'pt-BR' or 'zh-Hant-TW'"


@cache
def _known() -> Mapping[str, Any]:
    """Read the names, at the first locale that is asked for."""
    text = files(__package__).joinpath("locales.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
