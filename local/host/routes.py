"""Routes of the HTTP functions: templates, methods, keys."""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from local.host.bindings import Function, HttpTrigger

#: Supported route constraints of ASP.NET; any other one matches everything.
_CONSTRAINTS = {
    "int": r"-?\d+",
    "long": r"-?\d+",
    "alpha": r"[A-Za-z]+",
    "bool": r"(?i:true|false)",
    "guid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}
_SEGMENT = re.compile(r"\{(\*?)(\w+)(?::(\w+)(?:\([^)]*\))?)?(\??)\}")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the host: the master key for everything, the function key except for admin."""

    function: str
    master: str

    def opens(self, level: str, key: str | None) -> bool:
        """Return whether a key is valid for an authorisation level."""
        if level == "anonymous":
            return True
        valid = (self.master,) if level == "admin" else (self.function, self.master)
        return key is not None and any(hmac.compare_digest(key, each) for each in valid)


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP function and the pattern of its paths."""

    function: Function
    trigger: HttpTrigger
    pattern: re.Pattern[str]


def routes(functions: Iterable[Function], prefix: str) -> tuple[Route, ...]:
    """Return the routes of the HTTP functions, those with fewest parameters first."""
    found = [
        Route(function, function.trigger, _pattern(f"{prefix}/{function.trigger.route}".strip("/")))
        for function in functions
        if isinstance(function.trigger, HttpTrigger)
    ]
    return tuple(sorted(found, key=lambda route: route.trigger.route.count("{")))


def match(routes: Iterable[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the route and its parameters; None for an unknown path or method.

    The real host returns 404 for both (Azure/azure-functions-host#10098), HEAD included (#11625).
    """
    for route in routes:
        found = route.pattern.fullmatch(path.strip("/"))
        if found and (not route.trigger.methods or method in route.trigger.methods):
            return route, {name: value for name, value in found.groupdict().items() if value}
    return None


def _pattern(template: str) -> re.Pattern[str]:
    text = ""
    for segment in template.split("/"):
        slash = "/" if text else ""
        parameter = _SEGMENT.fullmatch(segment)
        if not parameter:
            text += slash + _mixed(segment)
            continue
        rest, name, constraint, optional = parameter.groups()
        if rest:
            text += f"(?:{slash}(?P<{name}>.*))?"
        elif optional:
            text += f"(?:{slash}(?P<{name}>{_CONSTRAINTS.get(constraint, '[^/]+')}))?"
        else:
            text += f"{slash}(?P<{name}>{_CONSTRAINTS.get(constraint, '[^/]+')})"
    return re.compile(text, re.IGNORECASE)


def _mixed(segment: str) -> str:
    """Return the pattern of a segment with parameters inside, such as `{name}.{extension}`."""
    text, end = "", 0
    for found in _SEGMENT.finditer(segment):
        text += re.escape(segment[end : found.start()]) + f"(?P<{found[2]}>[^/]+?)"
        end = found.end()
    return text + re.escape(segment[end:])
