"""Define a job as options of a command."""

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_type_hints

import typer

from ...catalogue.models import read_builtin
from ...errors import Fault, InvalidJob
from ...jobs.fields import read_option
from ...jobs.job import ANY_MODEL, Job
from ...jobs.parsing import Message, find_repeated, open_envelope, repetition_faults
from ...jobs.text import decode_text, parse_json

_WHAT = "Options of the job"
#: What the shell may complete an option's value to.
type _Words = Callable[[], list[str]]
#: The options, by the field of the job that each one fills.
type Fields = dict[str, Any]


def _option(
    *names: str,
    help: str,  # noqa: A002 (typer's word)
    metavar: str | None = None,
    words: _Words | None = None,
) -> Any:  # noqa: ANN401 (as typer has it)
    return typer.Option(
        *names, help=help, metavar=metavar, autocompletion=words, rich_help_panel=_WHAT
    )


def _words_of(field: str) -> _Words:
    """Return what completes the values of a field that knows a few words only."""
    return lambda: _literals(Job.model_fields[field].annotation)


def _literals(kind: Any) -> list[str]:  # noqa: ANN401 (a type, or one of its words)
    return [kind] if isinstance(kind, str) else [*chain(*map(_literals, get_args(kind)))]


def _models() -> list[str]:
    return [*ANY_MODEL, *read_builtin().models]


_NUMBERS: Final = {"n", "compression", "previews", "max_cost_usd"}
#: A prompt of 32,000 characters, each written as two escapes. Bytes.
_MAX_FILE_BYTES: Final = 1 << 19
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
#: The options of a job by name: most fill the field of that name.
_OPTIONS: Final[dict[str, Any]] = {
    "prompt": Annotated[
        str | None, typer.Argument(help="What the picture shows; `-` reads it from stdin.")
    ],
    "file": Annotated[
        Path | None,
        _option("--file", "-f", help="A job as JSON; `-` is stdin. Options override it."),
    ],
    "job_id": Annotated[str | None, _option("--id", help="Idempotency key.")],
    "template": Annotated[
        str | None, _option("--template", help="Instead of a prompt: one with $names in it.")
    ],
    "variables": Annotated[
        list[str] | None,
        _option("--variable", help="Of the template; repeatable.", metavar="NAME=VALUE"),
    ],
    "model": Annotated[
        list[str] | None,
        _option("--model", "-m", help="Repeat it for the same job on each.", words=_models),
    ],
    "size": Annotated[
        list[str] | None,
        _option("--size", "-s", help="1536x1024, 16:9, 4k, small, auto …; repeatable."),
    ],
    "quality": Annotated[
        str | None,
        _option("--quality", "-q", help="low … max, auto.", words=_words_of("quality")),
    ],
    "routing": Annotated[
        str | None,
        _option("--routing", help="auto, legacy, bucket, service.", words=_words_of("routing")),
    ],
    "fit": Annotated[str | None, _option("--fit", help="scale or reject.", words=_words_of("fit"))],
    "n": Annotated[str | None, _option("--n", "-n", help="Pictures, 1 to 10.", metavar="NUMBER")],
    "format": Annotated[
        str | None, _option("--format", help="png or jpeg.", words=_words_of("format"))
    ],
    "compression": Annotated[
        str | None, _option("--compression", help="Quality of a jpeg, 0-100.", metavar="NUMBER")
    ],
    "background": Annotated[
        str | None,
        _option("--background", help="auto, opaque, transparent.", words=_words_of("background")),
    ],
    "options": Annotated[
        list[str] | None,
        _option("--option", help="What only some models take; repeatable.", metavar="NAME=VALUE"),
    ],
    "locales": Annotated[
        list[str] | None, _option("--locale", "-l", help="BCP 47; repeatable.", metavar="TAG")
    ],
    "inputs": Annotated[
        list[str] | None,
        _option(
            "--input", "-i", help="To edit: a file, a blob in the inputs container, or /images/…"
        ),
    ],
    "mask": Annotated[str | None, _option("--mask", help="Where to edit: a file or a blob.")],
    "finish": Annotated[str | None, _option("--finish", help="As JSON.", metavar="JSON")],
    "reply_to": Annotated[str | None, _option("--reply-to", help="Queue for its events.")],
    "callback": Annotated[str | None, _option("--callback", help="URL for its events.")],
    "reuse": Annotated[
        str | None,
        _option("--reuse", help="Take pictures of an equal job, not older.", metavar="AGE"),
    ],
    "review": Annotated[
        bool | None,
        typer.Option(
            "--review/--no-review",
            help="A person approves the pictures.",
            rich_help_panel=_WHAT,
        ),
    ],
    "publish_pictures": Annotated[
        bool | None,
        typer.Option(
            "--publish-pictures/--no-publish-pictures",
            help="An event for each picture.",
            rich_help_panel=_WHAT,
        ),
    ],
    "previews": Annotated[
        str | None,
        _option("--previews", help="Partial pictures to show, up to 3.", metavar="NUMBER"),
    ],
    "on_unknown": Annotated[
        str | None,
        _option("--on-unknown", help="retry_once, park, fail.", words=_words_of("on_unknown")),
    ],
    "max_cost_usd": Annotated[
        str | None, _option("--max-cost", help="US dollars.", metavar="NUMBER")
    ],
    "deadline": Annotated[
        str | None, _option("--deadline", help="ISO 8601 with a time zone.", metavar="TIME")
    ],
    "not_before": Annotated[
        str | None, _option("--not-before", help="ISO 8601 with a time zone.", metavar="TIME")
    ],
    "priority": Annotated[
        str | None, _option("--priority", help="normal or low.", words=_words_of("priority"))
    ],
    "tenant": Annotated[str | None, _option("--tenant", help="Who the job is for.")],
    "tags": Annotated[
        list[str] | None, _option("--tag", "-t", help="Repeatable.", metavar="NAME=VALUE")
    ],
}


def job_fields(given: Mapping[str, Any]) -> Fields:
    """Return the fields of a job from the file and the options."""
    rest = {name: value for name, value in given.items() if value not in (None, [])}
    for name in ("job_id", "finish"):  # a blank one, from an empty shell variable, is left out
        if not rest.get(name, True):
            del rest[name]
    fields = _of_file(file) if (file := rest.pop("file", None)) else {}
    fields |= _one_or_more("model", "models", rest.pop("model", None))
    fields |= _one_or_more("size", "size", rest.pop("size", None))
    if rest.get("prompt") == "-":
        rest["prompt"] = _prompt_of_stdin()
    for name in {"tags", "variables"} & rest.keys():
        rest[name] = dict(_pair(name, each) for each in rest[name])
    if "options" in rest:
        pairs = (_pair("options", each) for each in rest["options"])
        rest["options"] = {name: read_option(value) for name, value in pairs}
    if "finish" in rest:
        rest["finish"] = _json("finish", rest["finish"])
    for name in _NUMBERS & rest.keys():
        rest[name] = _number(rest[name])
    return {**fields, **rest}


def add_job_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a job to a command, which gets the fields as its first argument."""
    own = list(inspect.signature(command).parameters.values())[1:]
    hints = get_type_hints(command, include_extras=True)

    @functools.wraps(command)
    def called(**given: Any) -> None:  # noqa: ANN401 (what typer has read)
        fields = job_fields({name: given.pop(name) for name in _OPTIONS})
        command(fields, **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    options = [
        inspect.Parameter(name, keyword, default=None, annotation=kind)
        for name, kind in _OPTIONS.items()
    ]
    parameters = [*options, *(each.replace(kind=keyword) for each in own)]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # typer reads it
    called.__annotations__ = _OPTIONS | {each.name: hints[each.name] for each in own}
    return called


def read_file(path: Path) -> bytes:
    """Return the bytes of a file, or of stdin for `-`; bad usage if it can't be read."""
    if str(path) == "-":
        # It may be replaced by a stream of text, which has no bytes (Python's docs on sys.stdin).
        stream = getattr(sys.stdin, "buffer", None)
        return stream.read() if stream else sys.stdin.read().encode("utf-8", "surrogatepass")
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path} can't be read: {error.strerror}") from error


def _of_file(path: Path) -> Fields:
    """Return the job in a file, which is read as the app reads a message."""
    message = Message(read_file(path), str(path), _EPOCH)
    envelope = open_envelope(message, _MAX_FILE_BYTES)
    if envelope.repeated:
        raise InvalidJob(repetition_faults(envelope.repeated))
    return envelope.content


def _prompt_of_stdin() -> str:
    try:
        return decode_text(read_file(Path("-")))
    except ValueError as error:
        raise InvalidJob([Fault("prompt", str(error))]) from error


def _json(field: str, text: str) -> Any:  # noqa: ANN401 (whatever the JSON holds)
    try:
        value = parse_json(text)
    except ValueError as error:
        raise InvalidJob([Fault(field, f"is not valid JSON: {error}")]) from error
    if names := find_repeated(value, field):
        raise InvalidJob(repetition_faults(names))
    return value


def _number(text: str) -> Any:  # noqa: ANN401 (text, where it is not a number)
    """Return a number as JSON reads it; else the text, which its field rejects."""
    try:
        value = parse_json(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text


def _one_or_more(one: str, more: str, given: list[str] | None) -> Mapping[str, Any]:
    match given:
        case None | []:
            return {}
        case [only]:
            return {one: only}
        case several:
            return {more: several}


def _pair(field: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidJob([Fault(field, f"{text!r} has no value; write NAME=VALUE")])
    return name, value
