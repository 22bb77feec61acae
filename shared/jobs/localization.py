"""Write the prompt for a locale by a template, with the lettering listed separately.

Words in double quotation marks are lettering to translate. Words in backticks are lettering to keep
unchanged: names, brands. The rest of the prompt describes the picture and keeps its language,
because models follow the original better than a translation.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, Final, Literal

type Direction = Literal["left to right", "right to left"]


@dataclass(frozen=True, slots=True)
class LocaleName:
    """A locale in English words: `Portuguese (Brazil)`, `Latin script`, `left to right`."""

    locale: str
    language: str
    script: str
    direction: Direction


def describe_locale(locale: str) -> LocaleName:
    """Return the words for a BCP 47 tag in the case of RFC 5646; `LookupError` if it is not known.

    Unknown languages are rejected because a country code used as a language (`jp`) would cost a
    picture in no language.
    """
    known = _read_names()
    language, *rest = locale.split("-")
    if language not in known["languages"]:
        raise LookupError(f"{locale!r} does not start with a known language{_suggest(language)}")
    name, script = known["languages"][language]
    region = next((part for part in rest if part in known["regions"]), None)
    script = known["elsewhere"].get(f"{language}-{region}", script)
    for part in rest:
        if len(part) == 4 and part.isalpha():  # noqa: PLR2004 - a script has four letters
            if part not in known["scripts"]:
                raise LookupError(
                    f"{locale!r} has the unknown script {part!r}; use one like 'Latn'"
                )
            script = part
    where = f" ({known['regions'][region][0]})" if region else ""
    backwards = script in known["right_to_left"]["scripts"]
    return LocaleName(
        locale=locale,
        language=f"{name}{where}",
        script=known["scripts"][script],
        direction="right to left" if backwards else "left to right",
    )


def _suggest(tag: str) -> str:
    known = _read_names()
    _, likely = known["regions"].get(tag.upper(), ("", ""))
    if likely in known["languages"]:
        return f"; did you mean {likely!r}, {known['languages'][likely][0]}?"
    return "; use a tag such as 'de', 'pt-BR' or 'zh-Hant-TW'"


@cache
def _read_names() -> Mapping[str, Any]:
    """Read the names when the first locale is looked up."""
    text = files(__package__).joinpath("locales.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


DEFAULT_TEMPLATE: Final = """\
$prompt

This is the version for $language ($locale).
All lettering in the picture is rendered in $language, in $script, from $direction.
$lettering
The text above describes the picture; none of its other words appear in it."""

#: The names a template can use; `$prompt` is required.
PLACEHOLDERS: Final = frozenset(
    {"prompt", "locale", "language", "script", "direction", "lettering"}
)
_TRANSLATED: Final = re.compile(r'"([^"\n]++)"|“([^“”\n]++)”')
_VERBATIM: Final = re.compile(r"`([^`\n]++)`")
_LETTERING_LINE: Final = re.compile(r"^[ \t]*\$(?:lettering|\{lettering\})[ \t]*\n", re.MULTILINE)


def check_template(text: str) -> str:
    """Return the template if it is valid; else raise `ValueError`."""
    template = Template(text)
    if not template.is_valid():
        raise ValueError("a '$' has no name after it; write '$$' for a dollar sign")
    named = set(template.get_identifiers())
    if unknown := sorted(named - PLACEHOLDERS):
        known = ", ".join(f"${name}" for name in sorted(PLACEHOLDERS))
        raise ValueError(f"${unknown[0]} is not a known name; use {known}")
    if "prompt" not in named:
        raise ValueError("it does not contain $prompt; add it where the prompt goes")
    return text


def localize_prompt(prompt: str, locale: str | None, template: str | None = None) -> str:
    """Return the prompt for a locale; without a locale, the prompt unchanged.

    A line of the template that contains only `$lettering` is removed if there is no lettering.
    """
    if locale is None:
        return prompt
    name = describe_locale(locale)
    lettering = _write_lettering(prompt, name.language)
    template = template or DEFAULT_TEMPLATE
    if not lettering:
        template = _LETTERING_LINE.sub("", template)
    return Template(template).substitute(asdict(name), prompt=prompt, lettering=lettering)


def longest_prompt(prompt: str, locales: Sequence[str], template: str | None = None) -> int:
    """Return the length in characters of the longest prompt of a job."""
    return max(len(localize_prompt(prompt, locale, template)) for locale in locales or (None,))


def _write_lettering(prompt: str, language: str) -> str:
    verbatim = dict.fromkeys(_VERBATIM.findall(prompt))
    translated = dict.fromkeys(map("".join, _TRANSLATED.findall(_VERBATIM.sub("", prompt))))
    sentences = []
    if translated:
        words = ", ".join(f'"{text}"' for text in translated)
        sentences.append(f"The lettering, to be translated into natural {language}: {words}.")
    if verbatim:
        words = ", ".join(f"`{text}`" for text in verbatim)
        sentences.append(f"To be lettered exactly as it stands, not translated: {words}.")
    return " ".join(sentences)
