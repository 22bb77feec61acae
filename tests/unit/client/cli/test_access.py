"""What a command says within seconds where storage or a sign-in is missing."""

import json
import socket
import time
from collections.abc import Iterator

import pytest

from shared.client.cli import access
from shared.client.cli.main import main

ACCOUNT = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=YWJj;"
#: A user sees the sentence after this many seconds at most.
PATIENCE = 5.0


@pytest.fixture(autouse=True)
def _nobody_is_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "IDENTITY_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("ImageStorage", raising=False)


@pytest.fixture
def listening() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def dead_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return int(closed.getsockname()[1])


def ended(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command says that ends with 3 in time."""
    began = time.monotonic()
    code = main(arguments)
    took = time.monotonic() - began
    out, err = capsys.readouterr()
    assert (code, out) == (3, ""), err
    assert took < PATIENCE
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("command", [("list",), ("doctor",), ("submit", "a fox")])
def test_a_server_that_is_not_there_is_told_in_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    url = f"http://127.0.0.1:{dead_port()}/devstoreaccount1"
    monkeypatch.setenv("ImageStorage", f"{ACCOUNT}BlobEndpoint={url};QueueEndpoint={url}")
    said = ended(capsys, *command)
    assert "does not answer (Connection refused): start the stack (`make dev`)" in said
    assert json.loads(ended(capsys, *command, "--json"))["error"] == "StoreUnavailable"


def test_a_missing_sign_in_is_told_in_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, listening: int
) -> None:
    for kind in ("blob", "queue"):
        monkeypatch.setenv(f"ImageStorage__{kind}ServiceUri", f"https://127.0.0.1:{listening}")
    said = ended(capsys, "list")
    assert said == "nobody is signed in to Azure here: run `az login`, then try again\n"


def test_whatever_answers_late_is_not_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, listening: int
) -> None:
    for kind in ("blob", "queue"):
        monkeypatch.setenv(f"ImageStorage__{kind}ServiceUri", f"https://127.0.0.1:{listening}")
    monkeypatch.setattr(access, "PATIENCE", 0.05)
    monkeypatch.setattr(access, "_sign_in", lambda _: time.sleep(30))
    assert "(no answer within 0.05 s)" in ended(capsys, "list")
