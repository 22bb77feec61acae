"""Turn the errors of pydantic into faults: one sentence for each wrong field.

A sentence has the wrong value, shortened, and says what is valid. The text of a prompt is never
repeated, because faults are part of events and logs.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..catalogue.models import read_builtin
from ..errors import Fault
from .fields import quote_value
from .job import ONE_SIZE, SEVERAL_SIZES, Finish, Rendition

#: Names in other image APIs, and ours.
_ALIASES: Final = {
    "aspect_ratio": "size",
    "height": "size",
    "output_compression": "compression",
    "output_format": "format",
    "width": "size",
}
_WANTED: Final = {
    **dict.fromkeys(("bool_parsing", "bool_type"), "'true' or 'false'"),
    **dict.fromkeys(("dict_type", "model_attributes_type", "model_type"), "an object"),
    **dict.fromkeys(("float_parsing", "float_type"), "a number"),
    **dict.fromkeys(
        ("int_from_float", "int_parsing", "int_parsing_size", "int_type"), "a whole number"
    ),
    **dict.fromkeys(("datetime_from_date_parsing", "datetime_parsing", "datetime_type"), "a time"),
    **dict.fromkeys(
        ("date_from_datetime_inexact", "date_from_datetime_parsing", "date_parsing", "date_type"),
        "a date like '2027-04-01'",
    ),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    "string_type": "text",
}
#: Characters of a name that is compared with ours.
_MAX_NAME: Final = 40
#: Faults of one message that are listed.
_MAX_FAULTS: Final = 100
_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def validation_faults(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Return every fault of a single field of a job or a command, whichever `model` is.

    Rules between fields of a job are in `find_conflicts`.
    """
    found = [each for each in error.errors() if each["loc"] or each["type"] != "value_error"]
    return limit_faults(found, lambda detail: Fault(path(detail["loc"]), _sentence(detail, model)))


def plain_faults(error: ValidationError) -> list[Fault]:
    """Return one fault for each error of a model that is not a job."""
    return [
        Fault(path(detail["loc"]), describe_error(detail))
        for detail in error.errors(include_url=False)
    ]


def limit_faults[T](found: Sequence[T], write: Callable[[T], Fault]) -> list[Fault]:
    """Return the faults of the first that were found, and a last one that counts the others."""
    faults = [write(each) for each in found[:_MAX_FAULTS]]
    if more := len(found) - len(faults):
        faults.append(Fault("", f"{more:,} more faults are not listed"))
    return faults


def in_order(faults: Iterable[Fault], model: type[BaseModel]) -> list[Fault]:
    """Return the faults in the order of the model's fields, unknown fields last."""
    order = {name: place for place, name in enumerate(model.model_fields)}
    return sorted(faults, key=lambda fault: order.get(top_field(fault), len(order)))


def top_field(fault: Fault) -> str:
    """Return the field of the job that a fault is in: `size` for `size[1]`."""
    return re.split(r"[.\[]", fault.field, maxsplit=1)[0]


def path(loc: tuple[str | int, ...]) -> str:
    """Write a place in a job as a path: `tags.colour`, `size[1]`, `tags['my key']`."""
    written = ""
    for place, step in enumerate(loc):
        if (
            place == 1 and loc[0] == "size" and step in {ONE_SIZE, SEVERAL_SIZES}
        ) or step == "[key]":
            continue
        if isinstance(step, str) and _PLAIN_NAME.fullmatch(step):
            written += f".{step}" if written else step
        elif isinstance(step, str) and not written:
            written = quote_value(step)
        else:
            written += f"[{quote_value(step)}]"
    return written


def _sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    if detail["type"] == "extra_forbidden":
        return _unknown(detail["loc"], model)
    return describe_error(detail)


def describe_error(detail: ErrorDetails) -> str:
    """Return what is wrong with a value and what would be right; never pydantic's own words."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind in _WANTED:
        return _wrong_type(value, _WANTED[kind])
    write = _SENTENCES.get(kind)
    return write(value, context) if write else f"{quote_value(value)} is not allowed here"


def _wrong_type(value: object, wanted: str) -> str:
    hint = ""
    if isinstance(value, str) and "number" in wanted and _NUMBER.fullmatch(value):
        hint = "; write it without quotes"
    elif isinstance(value, float) and value.is_integer():
        hint = f"; write {value:.0f}"
    elif wanted == "a list" and isinstance(value, str):
        hint = "; write it in brackets"
    elif wanted == "a time":
        hint = "; write it like '2026-11-30T18:00:00Z'"
    return f"{quote_value(value)} is not {wanted}{hint}"


def _closest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 (no start waits for it)

    close = get_close_matches(word[:_MAX_NAME], list(known), n=1, cutoff=cutoff)
    return close[0] if close else None


def _not_among(value: object, context: Mapping[str, Any]) -> str:
    allowed = re.findall(r"'([^']*)'", context["expected"])
    close = _closest(value.lower(), allowed) if isinstance(value, str) else None
    meant = f"did you mean {close!r}? " if close else ""
    return f"{quote_value(value)} is not allowed; {meant}use {context['expected']}"


_SENTENCES: Final[Mapping[str, Callable[[Any, Mapping[str, Any]], str]]] = {
    "value_error": lambda _, context: str(context["error"]),
    "enum": _not_among,
    "extra_forbidden": lambda *_: "is not a field here",
    "json_invalid": lambda *_: "is not valid JSON",
    "literal_error": _not_among,
    "int_parsing": lambda v, _: f"{quote_value(v)} is not a whole number",
    "greater_than": lambda v, c: f"{quote_value(v)} is too small; it must be above {c['gt']:g}",
    "greater_than_equal": lambda v, c: f"{quote_value(v)} is too small; at least {c['ge']:g}",
    "less_than_equal": lambda v, c: f"{quote_value(v)} is too big; at most {c['le']:g}",
    "finite_number": lambda v, _: f"{quote_value(v)} is not a finite number",
    "too_long": lambda _, c: f"has {c['actual_length']} entries; at most {c['max_length']}",
    "too_short": lambda _, c: f"has {c['actual_length']} entries; at least {c['min_length']}",
    "string_pattern_mismatch": lambda v, c: f"{quote_value(v)} must match {c['pattern']}",
    "string_too_long": lambda v, c: f"has {len(v):,} characters; at most {c['max_length']:,}",
    "string_too_short": lambda v, c: f"has {len(v):,} characters; at least {c['min_length']:,}",
    "string_unicode": lambda *_: "a name in it is not valid Unicode (a lone surrogate); send UTF-8",
    "union_tag_invalid": lambda _, c: (
        f"{c['discriminator']} {quote_value(c['tag'])} is not allowed; use {c['expected_tags']}"
    ),
    "union_tag_not_found": lambda _, c: f"has no {c['discriminator']}",
    "timezone_aware": lambda v, _: f"{quote_value(v)} has no time zone; add 'Z' or an offset",
    "missing": lambda *_: "is missing",
}


def _unknown(loc: tuple[str | int, ...], model: type[BaseModel]) -> str:
    name = str(loc[-1])
    if loc == ("id",):
        return (
            "is not a field here; use job_id: a payload field of this name overwrites the "
            "metadata of the queue"
        )
    if len(loc) > 1:
        model = Rendition if "renditions" in loc[:-1] else Finish
    elif "options" in model.model_fields and read_builtin().takers(name):
        return f'is not a field here but an option; write "options": {{"{name}": …}}'
    known = list(model.model_fields)
    plain = {_squeezed(field): field for field in known}
    close = _closest(_squeezed(name), plain, cutoff=0.7)
    meant = plain[close] if close else _ALIASES.get(name)
    if meant in known:
        return f"is not a field here; did you mean {meant!r}?"
    return f"is not a field here; use one of {', '.join(known)}"


def _squeezed(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
