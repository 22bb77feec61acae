"""Variables for other shells, and the ports and keys that the next run uses again."""

import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.stack.dev_folder import (
    PARTS,
    READY,
    Addresses,
    fish,
    free_or_any,
    posix,
    powershell,
    read_addresses,
    write_folder,
)

STRANGE = 'it\'s $HOME \\ `date` "quoted" \u2019; exit 3'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ready(ports: list[int]) -> dict[str, object]:
    blob, queue, table, foundry, host = (f"http://127.0.0.1:{port}" for port in ports)
    return {
        "storage": f"AccountKey=YQ==;BlobEndpoint={blob}/a;QueueEndpoint={queue}/a;"
        f"TableEndpoint={table}/a;",
        "foundry": foundry,
        "host": host,
        "keys": {"function": "f", "master": "m"},
    }


def test_the_first_run_uses_any_free_port_and_new_keys(tmp_path: Path) -> None:
    first, second = read_addresses(None), read_addresses(tmp_path)
    assert set(first.ports.values()) == {0}
    assert len({*first.keys.values(), *second.keys.values()}) == 4


def test_the_next_run_uses_the_same_ports_and_keys(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(5)]
    write_folder(tmp_path, ready(ports), {})
    kept = Addresses(dict(zip(PARTS, ports, strict=True)), {"function": "f", "master": "m"})
    assert read_addresses(tmp_path) == kept


def test_a_port_that_another_program_uses_is_left_to_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        write_folder(tmp_path, ready([taken, *(free_port() for _ in range(4))]), {})
        assert free_or_any(taken) == 0
        assert read_addresses(tmp_path).ports["blob"] == 0


def test_a_host_without_keys_gets_new_ones(tmp_path: Path) -> None:
    write_folder(tmp_path, ready([0] * 5) | {"keys": {}}, {})
    assert len(read_addresses(tmp_path).keys["function"]) == 64


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / READY).write_text("{}")
    with pytest.raises(SystemExit, match=r"ready\.json is not from this version: delete it"):
        read_addresses(tmp_path)


def test_only_the_owner_reads_the_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "dev", ready([0] * 5), {"KEY": "f"})
    assert (tmp_path / "dev").stat().st_mode & 0o077 == 0
    names = {path.name for path in (tmp_path / "dev").iterdir()}
    assert names == {"env", "env.fish", "env.ps1", READY}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_posix_shell_reads_each_value_as_it_is(value: str) -> None:
    line = posix({"NAME": value}, "/bin").removesuffix("\n").rsplit("\n", 1)[0]
    assert shlex.split(line) == ["export", f"NAME={value}"]


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish", "pwsh"])
def test_a_shell_sets_the_variables_and_finds_the_commands_first(
    shell: str, tmp_path: Path
) -> None:
    program = shutil.which(shell)
    if not program:
        pytest.skip(f"{shell} is not installed here")
    write = {"fish": fish, "pwsh": powershell}.get(shell, posix)
    commands = tmp_path / "it's here"
    commands.mkdir()
    file = tmp_path / f"env{'.ps1' if shell == 'pwsh' else ''}"
    file.write_text(write({"NAME": STRANGE}, str(commands)))
    (commands / "show").write_text('#!/bin/sh\nprintf "%s|%s" "$NAME" "$PATH"\n')
    (commands / "show").chmod(0o755)
    source = f". '{file}'" if shell != "fish" else f"source '{file}'"
    said = subprocess.run(  # noqa: S603 (a shell of this machine)
        [program, "-c", f"{source}; {source}; show"], capture_output=True, check=True, text=True
    )
    name, path = said.stdout.split("|")
    assert name == STRANGE
    assert path.split(":")[0] == str(commands)
    assert path.count(str(commands)) == 1
