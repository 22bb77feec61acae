"""Rules between the fields of a job, told even when other fields are faulty."""

from collections.abc import Iterator, Mapping
from typing import Any

from .errors import Fault


def clashes(given: Mapping[str, Any], *, faulty: frozenset[str] = frozenset()) -> tuple[Fault, ...]:
    """Return the faults between fields: `given` are those the caller wrote, as they were written.

    Fields in `faulty` were refused already and count as given; no rule judges their value.
    """
    said = {name: value for name, value in given.items() if value not in (None, (), [])}
    return tuple(
        Fault(rule_field, message)
        for rule_field, needs, message in _disagreements(said)
        if faulty.isdisjoint(needs)
    )


def _disagreements(said: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield field, the fields whose values were compared, and the sentence."""
    if "prompt" in said and "prompt_blob" in said:
        yield "prompt_blob", (), "stands beside a prompt; give exactly one of the two"
    if "prompt" not in said and "prompt_blob" not in said:
        yield "prompt", (), "is missing; give a prompt, or a prompt_blob that holds one"
    if "models" in said and said.get("model", "auto") != "auto":
        yield "models", ("model",), "stands beside a model; give one of the two"
    if isinstance(said.get("models"), list | tuple) and len(said["models"]) == 1:
        yield "models", ("models",), "names one model only; write it as model"
    if "compression" in said and said.get("format", "png") != "jpeg":
        yield "compression", ("format",), "needs format 'jpeg'; a png is never compressed with loss"
    if said.get("background") == "transparent" and said.get("format", "png") != "png":
        yield "background", ("format",), "'transparent' needs format 'png'; a jpeg has no alpha"
    if "mask" in said and "inputs" not in said:
        yield "mask", (), "masks nothing; name the input picture it belongs to in inputs"
