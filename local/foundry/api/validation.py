"""Validation of single fields of a request, with the error replies of the service."""

from collections.abc import Collection, Mapping

from pydantic import JsonValue

from local.foundry.api import problems

type Members = Mapping[str, JsonValue]

_KINDS = {bool: "a boolean", int: "an integer", float: "a number", str: "a string"}
_BOOLEANS = {"stream", "auto_aspect_ratio", "web_grounding"}
_NUMBERS = {"n", "output_compression", "partial_images", "width", "height", "seed"}


def refuse_unknown(members: Members, known: Collection[str]) -> None:
    """Raise 400 for the first unknown field, also when it is null."""
    for name in members:
        if name not in known:
            raise problems.unknown_parameter(name)


def text(members: Members, name: str) -> str | None:
    """Return a string; None when it is absent or null."""
    value = members.get(name)
    if value is None or isinstance(value, str):
        return value
    raise wrong_type(name, "a string", value)


def boolean(members: Members, name: str) -> bool:
    """Return a boolean; False when it is absent or null."""
    value = members.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise wrong_type(name, "a boolean", value)


def integer(members: Members, name: str, *, least: int, most: int) -> int | None:
    """Return an integer in a range; None when it is absent or null."""
    value = members.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(name, "an integer", value)
    if value < least:
        message = (
            f"Invalid '{name}': integer below minimum value. "
            f"Expected a value >= {least}, but got {value} instead."
        )
        raise problems.invalid(message, name, "integer_below_min_value")
    if value > most:
        message = (
            f"Invalid '{name}': integer above maximum value. "
            f"Expected a value <= {most}, but got {value} instead."
        )
        raise problems.invalid(message, name, "integer_above_max_value")
    return value


def choice(members: Members, name: str, allowed: Collection[str], default: str) -> str:
    """Return one of the allowed words."""
    value = text(members, name)
    if value is None:
        return default
    if value not in allowed:
        *most, last = (f"'{each}'" for each in allowed)
        listed = f"{', '.join(most)}{',' if len(most) > 1 else ''} and {last}" if most else last
        message = f"Invalid value: '{value}'. Supported values are: {listed}."
        raise problems.invalid(message, name, "invalid_value")
    return value


def prompt(members: Members, limit: int) -> str:
    """Return the prompt: not empty, at most `limit` characters."""
    value = text(members, "prompt")
    if value is None:
        raise problems.missing("prompt")
    if not value:
        message = (
            "Invalid 'prompt': empty string. Expected a string with minimum length 1, "
            "but got an empty string instead."
        )
        raise problems.invalid(message, "prompt", "empty_string")
    if len(value) > limit:
        message = (
            f"Invalid 'prompt': string too long. Expected a string with maximum length {limit}, "
            f"but got a string with length {len(value)} instead."
        )
        raise problems.invalid(message, "prompt", "string_above_max_length")
    return value


def wrong_type(name: str, expected: str, value: JsonValue) -> problems.Problem:
    """Return 400: a field of the wrong type."""
    got = "an array" if isinstance(value, list) else _KINDS.get(type(value), "an object")
    message = f"Invalid type for '{name}': expected {expected}, but got {got} instead."
    return problems.invalid(message, name, "invalid_type")


def typed(fields: Mapping[str, str]) -> dict[str, JsonValue]:
    """Return form fields with the types of JSON: numbers and booleans of the API."""
    members: dict[str, JsonValue] = {}
    for name, value in fields.items():
        if name in _NUMBERS and value.removeprefix("-").isdecimal():
            members[name] = int(value)
        elif name in _BOOLEANS and value in {"true", "false"}:
            members[name] = value == "true"
        else:
            members[name] = value
    return members
