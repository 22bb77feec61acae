"""Make the prompt of a job from a template and the values of its variables.

`$name` or `${name}` stands for a variable, and `$$` for a dollar sign, as in the templates of
locales. A value is text: a `$` in it means nothing.
"""

from collections.abc import Iterator, Mapping
from string import Template
from typing import Any

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
