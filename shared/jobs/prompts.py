"""Make the prompt that is sent: from a template and its variables, and for a locale.

`$name` or `${name}` stands for a variable or a fact of the locale, and `$$` for a dollar sign. A
value is text: a `$` in it means nothing.

For a locale, words in double quotation marks are lettering to translate, and words in backticks are
lettering to keep unchanged: names, brands. The rest of the prompt describes the picture and keeps
its language, because models follow the original better than a translation.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pkgutil import get_data
from string import Template
from typing import Any, Final, Literal, cast

from .fields import MAX_PROMPT_CHARACTERS, MAX_VARIABLES, quote_value


def fill_template(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a job with the prompt that its template makes, instead of both.

    Fields without a template, with another prompt or with a fault are returned as they are.
    """
    found = _find_template(given)
    prompts = (given.get("prompt"), given.get("prompt_blob"))
    if found is None or prompts != (None, None) or [*list_template_faults(given)]:
        return given
    template, variables = found
    rest = {name: given[name] for name in given if name not in {"template", "variables"}}
    return {**rest, "prompt": Template(template).substitute(variables)}


def list_template_faults(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the field and the message of each fault between a template and its variables.

    A value of another type is a fault of its own field. The template is never repeated.
    """
    found = _find_template(given)
    if found is None:
        return
    template, variables = found
    # Not `Template.get_identifiers`: its time grows with the square of the number of names.
    marks = [*Template.pattern.finditer(template)]
    if any(mark["invalid"] is not None for mark in marks):
        yield "template", "has a '$' without a name after it; write '$$' for a dollar sign"
        return
    used = dict.fromkeys(name for mark in marks if (name := mark["named"] or mark["braced"]))
    if len(used) > MAX_VARIABLES:
        yield "template", f"uses {len(used):,} variables; at most {MAX_VARIABLES} are allowed"
        return
    missing = [name for name in used if name not in variables]
    for name in missing:
        yield "variables", f"{quote_value(name)} is missing; the template uses it"
    for name in variables:
        if name not in used:
            yield "variables", f"{quote_value(name)} is not used by the template; leave it out"
    if not missing and (length := _filled_length(template, variables)) > MAX_PROMPT_CHARACTERS:
        message = f"makes a prompt of {length:,} characters; at most {MAX_PROMPT_CHARACTERS:,} are"
        yield "template", f"{message} allowed"


def _find_template(given: Mapping[str, Any]) -> tuple[str, Mapping[str, str]] | None:
    """Return the template and its variables, if both have the right types."""
    template, variables = given.get("template"), given.get("variables") or {}
    if not isinstance(template, str) or not isinstance(variables, dict):
        return None
    is_text = all(isinstance(part, str) for pair in variables.items() for part in pair)
    return (template, variables) if is_text else None


def _filled_length(template: str, variables: Mapping[str, str]) -> int:
    """Return the length of the prompt, which may be too long to be made."""
    length = len(template)
    for match in Template.pattern.finditer(template):
        name = match["named"] or match["braced"]
        length += (len(variables[name]) if name else 1) - len(match[0])
    return length


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
    text = cast(bytes, get_data(__name__, "locales.toml")).decode()
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
