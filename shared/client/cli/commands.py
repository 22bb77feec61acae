"""Assemble the sub-commands of `image-jobs`."""

import os
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ...errors import Misconfigured
from . import batches, dead_letters, doctor, jobs, ledger, submit, why
from .output import APP_URL, AsJson, console

app = typer.Typer(
    name="image-jobs",
    help="Submit jobs, watch them, download pictures. Storage and deployments come from "
    "the environment (docs/settings.md); exit codes are in docs/client.md.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:  # noqa: FBT001 (typer's callback)
    """Print the version of the package; of a working copy, its commit if git is there."""
    if value:
        try:
            console().print(f"image-jobs {version('image-jobs')}")
        except PackageNotFoundError:
            console().print(f"image-jobs, a working copy{_describe_commit()}")
        raise typer.Exit


def _describe_commit() -> str:
    """Return the commit of the working copy that this module is in; empty if git has none."""
    folder = Path(__file__).parent
    try:
        found = subprocess.run(  # noqa: S603 (its arguments are constant)
            ["git", "-C", str(folder), "describe", "--always", "--dirty"],  # noqa: S607 (on PATH)
            capture_output=True,
            check=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f" at commit {found.stdout.strip()}"


@app.callback()
def _apply_global_options(
    context: typer.Context,
    *,
    as_json: AsJson = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Apply options before the sub-command as if they came after it."""
    if as_json:
        context.default_map = _set_json_defaults(context.command)


def _set_json_defaults(command: object) -> dict[str, Any]:
    """Return the JSON default of a command and of all its sub-commands."""
    if isinstance(command, TyperGroup):
        return {name: _set_json_defaults(each) for name, each in command.commands.items()}
    return {"as_json": True}


def _serve_agents(
    *,
    ask_above: Annotated[
        float,
        typer.Option("--ask-above", min=0, metavar="USD", help="Ask a person above this estimate."),
    ] = 0.0,
) -> None:
    """Serve the Model Context Protocol on stdin and stdout, for agents (docs/agents.md)."""
    try:
        from ..mcp_server import serve  # noqa: PLC0415 - of the extra `mcp`
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in {"mcp", "aiohttp"}:
            raise
        raise Misconfigured(
            f"the package {package} is missing: pip install 'image-jobs[mcp]'"
        ) from error
    serve(app_url=os.environ.get(APP_URL), ask_above=ask_above)


app.command()(submit.submit)
app.command()(batches.batch)
app.command()(batches.follow)
app.command()(jobs.status)
app.command()(why.why)
app.command()(jobs.watch)
app.command("list")(jobs.list_jobs)
app.command("events")(jobs.print_events)
app.command()(jobs.get)
app.command()(submit.estimate)
app.command()(submit.route)
app.add_typer(dead_letters.app)
app.command()(ledger.ledger)
app.command()(jobs.cancel)
app.command()(jobs.release)
app.command()(jobs.approve)
app.command()(jobs.reject)
app.command()(jobs.fail)
app.command()(jobs.replay)
app.command()(jobs.erase)
app.command()(doctor.doctor)
app.command("mcp")(_serve_agents)
app.command("key")(doctor.make_caller_key)
