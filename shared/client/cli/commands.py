"""The command's sub-commands, put together."""

from typing import Any

import typer
from typer.core import TyperGroup

from . import batches, control, dead_letters, doctor, ledger, submit, watch
from .output import AsJson

app = typer.Typer(
    name="image-jobs",
    help="Ask for pictures, follow them, fetch them. Storage and the app's deployments are told by "
    "the environment (docs/settings.md); exit codes are in docs/client.md.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _whole(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Take what is said before the sub-command as said after it."""
    if as_json:
        context.default_map = _in_json(context.command)


def _in_json(command: object) -> dict[str, Any]:
    """Return the defaults of a command, of all its sub-commands where it has some."""
    if isinstance(command, TyperGroup):
        return {name: _in_json(each) for name, each in command.commands.items()}
    return {"as_json": True}


app.command()(submit.submit)
app.command()(batches.batch)
app.command()(batches.follow)
app.command()(watch.status)
app.command()(watch.watch)
app.command("list")(watch.list_jobs)
app.command()(watch.get)
app.command()(submit.estimate)
app.command()(submit.route)
app.add_typer(dead_letters.app)
app.command()(ledger.ledger)
app.command()(control.cancel)
app.command()(control.release)
app.command()(control.fail)
app.command()(control.replay)
app.command()(doctor.doctor)
