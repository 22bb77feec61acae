"""Run the command: print each error as a sentence, and return an exit code."""

import sys
from collections.abc import Sequence

from ...errors import IllegalStep, ImageJobsError, Misconfigured, Rejected, Unavailable
from ..operators import NotAMessage
from ..results import NoSuchBlob, NoSuchJob, StillRunning


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from typer import TyperException  # noqa: PLC0415 - of the extra `cli`

        from . import commands, output  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.stderr.write("the command needs typer and rich: the extra `cli` of the wheel\n")
        return 2
    try:
        ended = commands.app(given, prog_name="image-jobs", standalone_mode=False)
    except TyperException as error:
        output.print_usage_error(error, as_json="--json" in given)
        return 2
    except SystemExit as end:  # of the completion of a shell
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the pipe has ended: no error
        return 0
    except ImageJobsError as error:
        output.print_error(error, as_json="--json" in given)
        return exit_code(error)
    return ended if isinstance(ended, int) else 0


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
