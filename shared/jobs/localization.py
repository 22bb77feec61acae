"""Adapting a prompt to a locale: by a template of the operator's, with lettering kept apart.

In a prompt, words between double quotation marks are lettering, to be translated; words between
backticks are lettering as well, to be left letter by letter: names, brands. All the rest describes
the picture and is left in its own language, which the models read better than a translation.

Locales as people name them: language, script and direction, in English and in full.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, Final, Literal

type Direction = Literal["left to right", "right to left"]


@dataclass(frozen=True, slots=True)
class LocaleName:
    """What a locale is, in words: `Portuguese (Brazil)`, `Latin script`, `left to right`."""

    locale: str
    language: str
    script: str
    direction: Direction


def describe_locale(locale: str) -> LocaleName:
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
    return LocaleName(
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


DEFAULT_TEMPLATE: Final = """\
$prompt

This is the version for $language ($locale).
All lettering in the picture is rendered in $language, in $script, from $direction.
$lettering
The text above describes the picture; none of its other words appear in it."""

#: What a template may hold; `$prompt` it must.
PLACEHOLDERS: Final = frozenset(
    {"prompt", "locale", "language", "script", "direction", "lettering"}
)
_TRANSLATED: Final = re.compile(r'"([^"\n]+)"|“([^”\n]+)”')
_VERBATIM: Final = re.compile(r"`([^`\n]+)`")
_LETTERING_LINE: Final = re.compile(r"^[ \t]*\$(?:lettering|\{lettering\})[ \t]*\n", re.MULTILINE)


def check_template(text: str) -> str:
    """Return the template if it can be filled in; ValueError says what is wrong."""
    template = Template(text)
    if not template.is_valid():
        raise ValueError("a '$' stands before no name; write '$$' for a dollar")
    named = set(template.get_identifiers())
    if unknown := sorted(named - PLACEHOLDERS):
        known = ", ".join(f"${name}" for name in sorted(PLACEHOLDERS))
        raise ValueError(f"${unknown[0]} is not known; there are {known}")
    if "prompt" not in named:
        raise ValueError("it holds no $prompt, so no picture would be described")
    return text


def localize_prompt(prompt: str, locale: str | None, template: str | None = None) -> str:
    """Return the prompt for a locale; without one, the prompt as it is.

    A line of the template with nothing but `$lettering` is left out where a prompt has none.
    """
    if locale is None:
        return prompt
    said = describe_locale(locale)
    lettering = _lettering(prompt, said.language)
    template = template or DEFAULT_TEMPLATE
    if not lettering:
        template = _LETTERING_LINE.sub("", template)
    return Template(template).substitute(
        prompt=prompt,
        locale=locale,
        language=said.language,
        script=said.script,
        direction=said.direction,
        lettering=lettering,
    )


def longest_prompt(prompt: str, locales: Sequence[str], template: str | None = None) -> int:
    """Return the characters of the longest prompt that a job sends."""
    return max(len(localize_prompt(prompt, locale, template)) for locale in locales or (None,))


def _lettering(prompt: str, language: str) -> str:
    left = _VERBATIM.findall(prompt)
    rest = _VERBATIM.sub("", prompt)
    translated = ["".join(found) for found in _TRANSLATED.findall(rest)]
    sentences = []
    if translated:
        words = ", ".join(f'"{text}"' for text in dict.fromkeys(translated))
        sentences.append(f"The lettering, to be translated into natural {language}: {words}.")
    if left:
        words = ", ".join(f"`{text}`" for text in dict.fromkeys(left))
        sentences.append(f"To be lettered exactly as it stands, not translated: {words}.")
    return " ".join(sentences)
