"""The folder `.dev`: variables for other shells, and what the next run of the stack uses again.

It holds `env` (POSIX shells), `env.fish`, `env.ps1` (PowerShell) and `ready.json`, the line that
`python -m local up` prints. All of them contain keys, so only the owner may read the folder.
"""

import json
import re
import secrets
import shlex
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

READY: Final = "ready.json"

PARTS: Final = ("blob", "queue", "table", "foundry", "host")

_LOOPBACK: Final = "127.0.0.1"


def _new_keys() -> dict[str, str]:
    # Hexadecimal: a key that begins with a hyphen would be read as an option.
    return {name: secrets.token_hex(32) for name in ("function", "master")}


@dataclass(frozen=True, slots=True)
class Addresses:
    """The ports of the parts, where 0 is any free port, and the keys of the host."""

    ports: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    keys: Mapping[str, str] = field(default_factory=_new_keys)


def read_addresses(folder: Path | None) -> Addresses:
    """Return the keys of the run before, and those of its ports that are free; else new ones."""
    if folder is None or not (folder / READY).exists():
        return Addresses()
    try:
        ready = json.loads((folder / READY).read_text("utf-8"))
        storage = dict(part.split("=", 1) for part in ready["storage"].split(";") if part)
        urls = {part: ready.get(part) or storage[f"{part.title()}Endpoint"] for part in PARTS}
        ports = {part: free_or_any(urlsplit(url).port or 0) for part, url in urls.items()}
        return Addresses(ports, _new_keys() | ready["keys"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SystemExit(f"{folder / READY} is not from this version: delete it") from error


def free_or_any(port: int) -> int:
    """Return a port if nobody listens there, else 0."""
    with socket.socket() as probe:
        # As the servers do: connections that have just ended do not occupy a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return 0
        return port


def write_folder(folder: Path, ready: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    """Write the files; `ready` is what `up` prints, `variables` are those of the README."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    commands = str(Path(sys.executable).parent)
    files = {
        READY: json.dumps(ready) + "\n",
        "env": posix(variables, commands),
        "env.fish": fish(variables, commands),
        "env.ps1": powershell(variables, commands),
    }
    for name, text in files.items():
        partial = folder / f"{name}.partial"
        partial.write_text(text, "utf-8")
        partial.replace(folder / name)


def posix(variables: Mapping[str, str], commands: str) -> str:
    """Return a file for `source` that sets variables and puts a folder in front of PATH, once."""
    quoted = shlex.quote(commands)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    once = f'case ":$PATH:" in *:{quoted}:*) ;; *) export PATH={quoted}:"$PATH" ;; esac'
    return "\n".join([*lines, once, ""])


def fish(variables: Mapping[str, str], commands: str) -> str:
    """Return the same for fish."""

    def quoted(text: str) -> str:
        return "'" + re.sub(r"(['\\])", r"\\\1", text) + "'"

    lines = [f"set -gx {name} {quoted(value)}" for name, value in variables.items()]
    return "\n".join([*lines, f"fish_add_path --path {quoted(commands)}", ""])


def powershell(variables: Mapping[str, str], commands: str) -> str:
    """Return the same for PowerShell."""

    def quoted(text: str) -> str:
        return "'" + re.sub("(['\u2018-\u201b])", r"\1\1", text) + "'"  # it knows five quotes

    lines = [f"$env:{name} = {quoted(value)}" for name, value in variables.items()]
    separator = "[IO.Path]::PathSeparator"
    once = (
        f"if (($env:PATH -split {separator}) -notcontains {quoted(commands)}) "
        f"{{ $env:PATH = {quoted(commands)} + {separator} + $env:PATH }}"
    )
    return "\n".join([*lines, once, ""])
