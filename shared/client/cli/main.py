"""Run the command: print each error as a sentence, and return an exit code."""

import json
import sys
from collections.abc import Sequence

from ...errors import IllegalStep, ImageJobsError, Misconfigured, Rejected, Unavailable
from ..operators import NotAMessage
from ..results import NoSuchBlob, NoSuchJob, StillRunning


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from .commands import app  # noqa: PLC0415 - needs the extra `cli`
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        return _write_error("the command needs typer and rich: pip install 'image-jobs[cli]'", 2)
    try:
        app(given, prog_name="image-jobs")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the pipe has ended: no error
        return 0
    except ImageJobsError as error:
        return _report_error(error, as_json="--json" in given)
    return 0


def exit_code(error: ImageJobsError) -> int:
    """Return the exit code of an error, as in `docs/client.md`."""
    match error:
        case Rejected() | Misconfigured() | NotAMessage() | IllegalStep():
            return 2
        case Unavailable():
            return 3
        case NoSuchJob() | NoSuchBlob():
            return 4
        case StillRunning():
            return 5
        case _:
            return 1


def _report_error(error: ImageJobsError, *, as_json: bool) -> int:
    code = exit_code(error)
    if as_json:
        told: dict[str, object] = {"error": type(error).__name__, "message": str(error)}
        if isinstance(error, Rejected):
            told["code"] = error.code
            told["faults"] = [
                {"field": fault.field, "message": fault.message} for fault in error.faults
            ]
        return _write_error(json.dumps(told, ensure_ascii=False), code)
    if isinstance(error, Rejected):
        return _write_error("\n".join(map(str, error.faults)), code)
    return _write_error(str(error), code)


def _write_error(text: str, code: int) -> int:
    sys.stderr.write(f"{text}\n")
    return code
