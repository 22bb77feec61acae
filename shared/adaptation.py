"""Adapting a prompt to a locale: by a template of the operator's, with lettering kept apart.

In a prompt, words between double quotation marks are lettering, to be translated; words between
backticks are lettering as well, to be left letter by letter: names, brands. All the rest describes
the picture and is left in its own language, which the models read better than a translation.
"""

import re
from collections.abc import Sequence
from string import Template
from typing import Final

from .locales import spoken

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


def checked_template(text: str) -> str:
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


def adapted(prompt: str, locale: str | None, template: str | None = None) -> str:
    """Return the prompt for a locale; without one, the prompt as it is.

    A line of the template with nothing but `$lettering` is left out where a prompt has none.
    """
    if locale is None:
        return prompt
    said = spoken(locale)
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


def longest(prompt: str, locales: Sequence[str], template: str | None = None) -> int:
    """Return the characters of the longest prompt that a job sends."""
    return max(len(adapted(prompt, locale, template)) for locale in locales or (None,))


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
