"""Define the types of single fields of a job: each with its check, error message and JSON Schema.

A check raises `ValueError` with a sentence that names the value and a correct one; `parsing` turns
it into a fault. The text of a prompt is never repeated.
"""

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import core_schema

from ..catalogue.sizes import parse_size

MAX_PROMPT_CHARACTERS = 32_000
#: Of a prompt in a blob: a character has at most four bytes of UTF-8.
MAX_PROMPT_BYTES = 4 * MAX_PROMPT_CHARACTERS
#: Of a template, by name.
MAX_VARIABLES = 50
MAX_SIZE_CHARACTERS = 40
MAX_OPTIONS = 20
MAX_OPTION_CHARACTERS = 256
#: Names of blobs in `inputs/`; storage allows 1,024, our prefixes and logs need some of it.
MAX_BLOB_NAME = 512
MAX_URL_CHARACTERS = 2_048

#: As `string.Template` has it.
VARIABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"
OPTION_NAME = r"^[a-z][a-z0-9_]{0,63}$"
JOB_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
MODEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
TENANT_NAME = r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$"
QUEUE_NAME = r"^[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]$"
#: Hours or days, at most four digits.
DURATION = r"^[1-9][0-9]{0,3}[hd]$"
EXACT_SIZE = r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$"
#: https://www.w3.org/TR/trace-context/#traceparent-header: no version ff, no id of zeros.
TRACEPARENT = r"^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$"
#: BCP 47 (RFC 5646): language, then script, region and variants; no extensions, no private use. At
#: most 35 characters, which section 4.4.1 finds enough: a locale is part of a blob's name.
LOCALE = (
    r"^(?=.{2,35}$)[A-Za-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*$"
)
_PARTS = (
    r"(?!/)(?!.*//)(?!.*/$)(?!.*\.(?:/|$))"  # no empty part, none that ends with a dot
    r"[^\\\u0000-\u001f\u007f-\u009f]{1,512}$"
)
BLOB_NAME = f"^{_PARTS}"
#: A blob in `inputs/`; with a leading slash the name starts with the container. Or a URL.
INPUT_NAME = f"^(?:https?://.+$|(?:/(?=[^/]+/))?{_PARTS})"

_MAX_QUOTED = 60
#: Control characters, lone surrogates, line and paragraph separators.
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_LEAP_SECOND = re.compile(r"(.{10}[Tt ][0-9]{2}:[0-9]{2}:)60(.*)")
#: A number as JSON has it, or a boolean.
_OPTION = re.compile(
    r"-?(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?|true|false"
)
#: Letters and symbols that look like a space: Hangul fillers, a Braille cell without dots.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


class RequestModel(BaseModel):
    """A part of a caller's request: unknown fields and wrong types are rejected."""

    # Inputs are hidden because a prompt must not reach a log through an error.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False
    )


class StoredModel(BaseModel):
    """A part of a stored document, which keeps the fields of a later version."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)


def added_field(default: Any = None, **facts: Any) -> Any:  # noqa: ANN401 (as `Field` of pydantic)
    """Return a field that an earlier version does not know: documents omit it at its default."""
    return Field(default=default, exclude_if=lambda value: value == default, **facts)


def quote_value(value: object) -> str:
    """Return a value for an error message: short, on one line, containers only by their kind."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value) if isinstance(value, str) else str(value)
    if len(text) <= _MAX_QUOTED:
        return text
    end = text[-1] if isinstance(value, str) else ""
    return f"{text[: _MAX_QUOTED - 1 - len(end)]}…{end}"


def is_job_id(value: object) -> bool:
    """Return whether the value can be the id of a job."""
    return isinstance(value, str) and re.fullmatch(JOB_ID, value) is not None


def is_traceparent(value: object) -> bool:
    """Return whether the value is a W3C traceparent."""
    return isinstance(value, str) and re.fullmatch(TRACEPARENT, value) is not None


@dataclass(frozen=True, slots=True)
class Pattern:
    """Annotates text that must match `regex` as a whole; `rule` is the advice in the error."""

    regex: str
    rule: str

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, *_: object) -> dict[str, Any]:
        return {"type": "string", "pattern": self.regex}

    def _check(self, value: str) -> str:
        if re.fullmatch(self.regex, value) is None:
            raise ValueError(f"{quote_value(value)} is not allowed; {self.rule}")
        return value


def _is_visible(character: str) -> bool:
    category = unicodedata.category(character)
    # A mark needs a letter to stand on. What is not assigned may be a newer emoji.
    hidden = category[0] == "Z" or category in {"Cc", "Cf", "Cs", "Me", "Mn"}
    return not hidden and character not in _BLANKS


#: The categories Cc and Cs, which never change, without line breaks and tabs. A look at each
#: character by itself takes 3 ms in a long prompt, each time that its job is read.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def check_prompt(value: str) -> str:
    """Return the prompt if it is valid; else raise `ValueError`. It is never repeated."""
    if not any(map(_is_visible, value)):
        raise ValueError("is empty; describe the picture in 1 to 32,000 characters")
    if len(value) > MAX_PROMPT_CHARACTERS:
        raise ValueError(
            f"has {len(value):,} characters; at most {MAX_PROMPT_CHARACTERS:,} are allowed"
        )
    if control := _CONTROL.search(value):
        raise ValueError(
            f"contains the character U+{ord(control[0]):04X} at position {control.start()}; "
            "the only control characters allowed are line breaks and tabs"
        )
    return value


def check_line(value: str) -> str:
    """Return one line of text that can be shown; `ValueError` for control characters."""
    if any(unicodedata.category(character) in _UNPRINTABLE for character in value):
        raise ValueError(f"{quote_value(value)} contains a control character; use one line of text")
    return value


def _check_size(value: str) -> str:
    if len(value) > MAX_SIZE_CHARACTERS:
        raise ValueError(f"{quote_value(value)} is too long for a size; write it like '1536x1024'")
    parse_size(value)
    return value


def _check_option(value: object) -> object:
    finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    if isinstance(value, str) and len(value) <= MAX_OPTION_CHARACTERS:
        return check_line(value)
    if finite:
        return value
    raise ValueError(
        f"{quote_value(value)} is not allowed; use text up to {MAX_OPTION_CHARACTERS} characters, "
        "a number, true or false"
    )


def _limit(most: int, things: str) -> AfterValidator:
    """Return the check that a field has at most so many things."""

    def check(given: dict[str, Any]) -> dict[str, Any]:
        if len(given) > most:
            raise ValueError(f"has {len(given)} {things}; at most {most} are allowed")
        return given

    return AfterValidator(check)


def _map_schema(most: int, names: str, values: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "type": "object",
            "maxProperties": most,
            "propertyNames": {"pattern": names},
            "additionalProperties": values,
        }
    )


def read_option(text: str) -> str | float:
    """Return the value of an option that is written as text: a number, a boolean, or the text."""
    value: str | float = json.loads(text) if _OPTION.fullmatch(text) else text
    return value


def is_link(name: str) -> bool:
    """Tell whether a picture to edit is given by its URL; no blob's name looks like one."""
    return name.startswith(("https://", "http://"))


def _check_input_name(value: str) -> str:
    if is_link(value):
        return _check_url(value)
    if value.startswith("/") and "/" not in value[1:]:
        raise ValueError(
            f"{quote_value(value)} is not a picture to edit; give the name of a blob in the inputs "
            "container, or of a picture made by this app, like '/images/fox-7d2c/default/0.png'"
        )
    _check_blob_name(value.removeprefix("/"))
    return value


def _check_url(value: str) -> str:
    """Check what a URL has at least; it may hold a secret, so it is never repeated."""
    if len(value) > MAX_URL_CHARACTERS:
        raise ValueError(
            f"has {len(value):,} characters; at most {MAX_URL_CHARACTERS:,} are allowed"
        )
    if not is_link(value):
        raise ValueError("is not a URL; write it like 'https://hooks.example.com/pictures'")
    return value


def _check_blob_name(value: str) -> str:
    segments = value.split("/")
    if not value or len(value) > MAX_BLOB_NAME:
        rule = f"use 1 to {MAX_BLOB_NAME} characters"
    elif "\\" in value or any(unicodedata.category(c) in {"Cc", "Cs"} for c in value):
        rule = "backslashes and control characters are not allowed"
    elif any(not segment for segment in segments):
        rule = "it must not start or end with '/' or contain '//'"
    elif any(segment.endswith(".") for segment in segments):
        rule = "no part between slashes may end with a dot, so '..' is not allowed"
    else:
        return value
    raise ValueError(f"{quote_value(value)} is not a valid blob name; {rule}")


def _normalize_case(locale: str) -> str:
    """Return a locale in the case of RFC 5646 section 2.1.1: `zh-Hant-TW`, `de-1996`."""
    language, *rest = locale.split("-")
    normal = [language.lower()]
    for part in rest:
        if len(part) == 4 and part.isalpha():  # noqa: PLR2004 - a script has four letters
            normal.append(part.title())
        elif len(part) == 2:  # noqa: PLR2004 - a region has two
            normal.append(part.upper())
        else:
            normal.append(part.lower())
    return "-".join(normal)


def read_moment(text: str) -> datetime:
    """Return the moment of an RFC 3339 text, or of ISO 8601; `ValueError` if it is neither.

    A leap second, which Python's time does not have, is the second after the one before it.
    """
    leap = _LEAP_SECOND.fullmatch(text)
    moment = datetime.fromisoformat((f"{leap[1]}59{leap[2]}" if leap else text).upper())
    return moment + timedelta(seconds=bool(leap))


def read_duration(text: str) -> timedelta:
    """Return the length of a valid `Duration`."""
    count, unit = int(text[:-1]), text[-1]
    return timedelta(days=count) if unit == "d" else timedelta(hours=count)


def parse_moment(value: object) -> datetime:
    """Parse ISO 8601 text and convert it to UTC, so that equal moments compare equal."""
    if isinstance(value, str):
        try:
            moment = read_moment(value)
        except (ValueError, OverflowError):
            raise ValueError(
                f"{quote_value(value)} is not an ISO 8601 time; write '2026-11-30T18:00:00Z'"
            ) from None
    elif isinstance(value, datetime):
        moment = value
    else:
        raise ValueError(  # noqa: TRY004 - pydantic turns only ValueErrors into faults
            f"{quote_value(value)} is not a time; write ISO 8601 text: '2026-11-30T18:00:00Z'"
        )
    if moment.utcoffset() is None:
        raise ValueError(f"{quote_value(str(value))} has no time zone; add 'Z' or an offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{quote_value(str(value))} is outside the calendar") from None


def check_distinct[T](values: tuple[T, ...]) -> tuple[T, ...]:
    """Raise `ValueError` for a list that contains a value twice."""
    seen = set[T]()
    for value in values:
        if value in seen:
            text = quote_value(value if isinstance(value, str) else str(value))
            raise ValueError(f"{text} appears twice; list each value once")
        seen.add(value)
    return values


JobId = Annotated[
    str, Pattern(JOB_ID, "use 1 to 64 of A-Z a-z 0-9 _ -, starting with a letter or digit")
]
Prompt = Annotated[
    str,
    AfterValidator(check_prompt),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_PROMPT_CHARACTERS}),
]
TemplateText = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]
Variables = Annotated[
    dict[Annotated[str, Pattern(VARIABLE_NAME, "use letters, digits and _, like 'colour'")], str],
    _limit(MAX_VARIABLES, "variables"),
    _map_schema(MAX_VARIABLES, VARIABLE_NAME, {"type": "string"}),
]
BlobName = Annotated[
    str,
    AfterValidator(_check_blob_name),
    WithJsonSchema({"type": "string", "pattern": BLOB_NAME, "maxLength": MAX_BLOB_NAME}),
]
InputName = Annotated[
    str,
    AfterValidator(_check_input_name),
    WithJsonSchema({"type": "string", "pattern": INPUT_NAME, "maxLength": MAX_URL_CHARACTERS}),
]
ModelName = Annotated[
    str, Pattern(MODEL_NAME, "name a model of the catalogue, 'auto' or 'cheapest'")
]
SizeText = Annotated[
    str,
    AfterValidator(_check_size),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_SIZE_CHARACTERS}),
]
Options = Annotated[
    dict[
        Annotated[str, Pattern(OPTION_NAME, "name a parameter of the model, like 'moderation'")],
        Annotated[Any, AfterValidator(_check_option)],
    ],
    _limit(MAX_OPTIONS, "options"),
    _map_schema(
        MAX_OPTIONS,
        OPTION_NAME,
        {"anyOf": [{"type": kind} for kind in ("string", "number", "boolean")]},
    ),
]
Duration = Annotated[str, Pattern(DURATION, "write hours or days, like '12h' or '30d'")]
ExactSize = Annotated[str, Pattern(EXACT_SIZE, "write width and height in pixels, like '1200x628'")]
Locale = Annotated[
    str,
    Pattern(
        LOCALE, "use a BCP 47 tag such as 'de', 'pt-BR' or 'zh-Hant-TW', of at most 35 characters"
    ),
    AfterValidator(_normalize_case),
]
TenantName = Annotated[
    str,
    Pattern(TENANT_NAME, "use 1 to 40 of a-z 0-9 -, starting and ending with a letter or digit"),
]
QueueName = Annotated[
    str,
    Pattern(QUEUE_NAME, "use 3 to 63 of a-z 0-9 -, without a hyphen at either end or two in a row"),
]
Url = Annotated[
    str,
    AfterValidator(_check_url),
    WithJsonSchema({"type": "string", "pattern": "^https?://", "maxLength": MAX_URL_CHARACTERS}),
]
Moment = Annotated[
    datetime,
    BeforeValidator(parse_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Traceparent = Annotated[
    str, Pattern(TRACEPARENT, "it must be a W3C traceparent, 00-<32 hex>-<16 hex>-01")
]

# Tags are copied to the blob metadata, which is sent as HTTP headers. That sets their limits: names
# are identifiers that storage compares without case, values are ASCII, and all metadata of a blob
# together has at most 8 KiB.
MAX_TAGS = 20
MAX_TAG_VALUE = 256
#: All tags together as `encode_tags` writes them: our own metadata needs some of the 8 KiB.
MAX_TAG_BYTES = 4_096

TAG_KEY = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"


def _check_tag_value(value: str) -> str:
    if len(value) > MAX_TAG_VALUE:
        raise ValueError(
            f"{quote_value(value)} has {len(value)} characters; a tag's value has at most "
            f"{MAX_TAG_VALUE}"
        )
    return check_line(value)


def encode_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags as blob metadata: names start with `tag_`, values are percent-encoded UTF-8.

    The prefix separates a caller's names from ours: two equal headers would make the upload of a
    paid picture fail.
    """
    return {f"tag_{key}": quote(value, safe="") for key, value in tags.items()}


def _check_tags(tags: dict[str, str]) -> dict[str, str]:
    folded: dict[str, str] = {}
    for key in tags:
        other = folded.setdefault(key.lower(), key)
        if other != key:
            raise ValueError(
                f"{other!r} and {key!r} differ only by case, which blob metadata ignores; "
                "rename one"
            )
    size = sum(len(key) + len(value) for key, value in encode_tags(tags).items())
    if size > MAX_TAG_BYTES:
        raise ValueError(
            f"has {size:,} bytes as blob metadata (percent-encoded UTF-8); at most "
            f"{MAX_TAG_BYTES:,} are allowed"
        )
    return tags


Tags = Annotated[
    dict[
        Annotated[
            str,
            Pattern(TAG_KEY, "a tag's name is 1 to 64 of A-Z a-z 0-9 _, not starting with a digit"),
        ],
        Annotated[str, AfterValidator(_check_tag_value)],
    ],
    _limit(MAX_TAGS, "tags"),
    AfterValidator(_check_tags),
    _map_schema(MAX_TAGS, TAG_KEY, {"type": "string", "maxLength": MAX_TAG_VALUE}),
]
