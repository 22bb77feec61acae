"""The index of the app, as the bindings that each listener needs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local.host.configuration import Misconfigured, is_disabled, resolve
from local.host.ncrontab import Schedule
from local.host.ncrontab import parse as parse_schedule

type AuthLevel = Literal["anonymous", "function", "admin"]

#: The worker's name of the return value.
RETURN = "$return"


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """A trigger that runs for each message of a queue."""

    parameter: str
    queue: str
    connection: str
    binary: bool


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """A trigger that runs on a schedule."""

    parameter: str
    schedule: Schedule
    run_on_startup: bool
    use_monitor: bool


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """A trigger that runs for the requests of a route."""

    parameter: str
    route: str
    methods: frozenset[str]
    level: AuthLevel


@dataclass(frozen=True, slots=True)
class QueueOutput:
    """An output that sends the value of a parameter, or the return value."""

    parameter: str
    queue: str
    connection: str


type Trigger = QueueTrigger | TimerTrigger | HttpTrigger


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app: its trigger and its outputs."""

    name: str
    id: str
    trigger: Trigger
    outputs: tuple[QueueOutput, ...]
    http_output: str | None


@dataclass(frozen=True, slots=True)
class Broken:
    """A function that cannot start or is disabled, and the reason."""

    name: str
    reason: str


def read(
    metadata: Iterable[Any], settings: Mapping[str, str]
) -> tuple[tuple[Function, ...], tuple[Broken, ...]]:
    """Return the functions that can run and those that cannot, from the worker's metadata.

    As in the real host, a missing setting stops only the function that needs it.
    """
    functions: list[Function] = []
    broken: list[Broken] = []
    for entry in metadata:
        if is_disabled(entry.name, settings):
            broken.append(Broken(entry.name, "disabled by its app setting"))
            continue
        try:
            functions.append(_function(entry, settings))
        except ValueError as error:
            broken.append(Broken(entry.name, str(error)))
    return tuple(functions), tuple(broken)


def _function(entry: Any, settings: Mapping[str, str]) -> Function:  # noqa: ANN401 - the worker's
    triggers: list[Trigger] = []
    outputs: list[QueueOutput] = []
    http_output = None
    for raw in entry.raw_bindings:
        binding = json.loads(raw)
        match binding["type"]:
            case "queueTrigger":
                triggers.append(_queue_trigger(binding, settings))
            case "timerTrigger":
                triggers.append(_timer_trigger(binding, settings))
            case "httpTrigger":
                triggers.append(_http_trigger(entry.name, binding))
            case "queue":
                queue = resolve(binding["queueName"], settings)
                outputs.append(QueueOutput(binding["name"], queue, binding.get("connection", "")))
            case "http":
                http_output = binding["name"]
            case other:
                raise Misconfigured(f"binding {other} is not supported: use queue, timer or HTTP")
    if len(triggers) != 1:
        raise Misconfigured(f"{len(triggers)} triggers: a function must have exactly one")
    return Function(entry.name, entry.function_id, triggers[0], tuple(outputs), http_output)


def _queue_trigger(binding: Mapping[str, Any], settings: Mapping[str, str]) -> QueueTrigger:
    return QueueTrigger(
        parameter=binding["name"],
        queue=resolve(binding["queueName"], settings),
        connection=binding.get("connection", ""),
        binary=str(binding.get("dataType", "")).lower() in {"binary", "1"},
    )


def _timer_trigger(binding: Mapping[str, Any], settings: Mapping[str, str]) -> TimerTrigger:
    return TimerTrigger(
        parameter=binding["name"],
        schedule=parse_schedule(resolve(binding["schedule"], settings)),
        run_on_startup=bool(binding.get("runOnStartup")),
        use_monitor=binding.get("useMonitor") is not False,
    )


def _http_trigger(name: str, binding: Mapping[str, Any]) -> HttpTrigger:
    return HttpTrigger(
        parameter=binding["name"],
        route=str(binding.get("route") or name).strip("/"),
        methods=frozenset(str(method).upper() for method in binding.get("methods") or ()),
        level=str(binding.get("authLevel") or "function").lower(),  # type: ignore[arg-type]  # the library's enum
    )


def describe(function: Function | Broken) -> dict[str, Any]:
    """Return a function as in the ready line."""
    match function:
        case Broken(name, reason):
            return {"name": name, "trigger": None, "error": reason}
        case Function(name, trigger=QueueTrigger() as it):
            return {"name": name, "trigger": "queue", "queue": it.queue}
        case Function(name, trigger=TimerTrigger() as it):
            return {"name": name, "trigger": "timer", "schedule": it.schedule.text}
        case Function(name, trigger=HttpTrigger() as it):
            methods = sorted(it.methods)
            return {"name": name, "trigger": "http", "route": it.route, "methods": methods}
    raise AssertionError(function)
