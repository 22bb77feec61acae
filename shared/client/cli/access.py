"""Open the client of a command, or say within seconds why storage can't be reached."""

import logging
import os
import socket
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ...config.settings import CONNECTION, Configuration, Settings
from ...errors import StoreUnavailable
from ..caller import read_configuration
from ..clients import ImageJobs

#: To sign in, and to reach storage meanwhile, seconds. The SDK alone tries for half a minute.
PATIENCE: Final = 4.0
#: What a token for storage is requested for.
SCOPE: Final = "https://storage.azure.com/.default"
#: For commands that only calculate.
_NO_STORAGE: Final = {CONNECTION: "UseDevelopmentStorage=true"}


def client() -> ImageJobs:
    """Return a client with the settings of the environment.

    Raises `StoreUnavailable` within a few seconds if storage does not answer, or if nobody is
    signed in.
    """
    logging.getLogger("azure").setLevel(logging.CRITICAL)  # the error is printed, in one sentence
    settings = read_configuration(os.environ).settings
    signing_in = None
    if settings.storage_connection is None:
        signing_in = _begin(lambda: _sign_in(settings))
    jobs = ImageJobs(credential=signing_in and _Credential(signing_in))
    connecting = [(url, _begin(partial(_connect, url))) for url in jobs.addresses]
    for url, connected in connecting:
        _check(connected, f"{urlsplit(url).netloc} does not answer", _advice(url))
    if signing_in:
        _check(signing_in, "nobody is signed in to Azure here", "run `az login`, then try again")
    return jobs


def read_app() -> Configuration:
    """Return the configuration from the environment, for commands that need no storage."""
    is_configured = any(name.startswith(CONNECTION) for name in os.environ)
    return read_configuration({**os.environ, **({} if is_configured else _NO_STORAGE)})


class _Credential:
    """The credential that signs in already."""

    def __init__(self, signing_in: "Future[Any]") -> None:
        self._signing_in = signing_in

    def get_token(self, *scopes: str, **options: Any) -> Any:  # noqa: ANN401 (of azure-core)
        return self._signing_in.result().get_token(*scopes, **options)


def _begin[T](work: Callable[[], T]) -> "Future[T]":
    """Run work in a thread that keeps no command from ending."""
    future = Future[T]()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 (the caller of `result` gets it)
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def _check(work: "Future[Any]", problem: str, advice: str) -> None:
    from azure.core.exceptions import AzureError  # noqa: PLC0415 (the SDK is slow to import)

    try:
        work.result(PATIENCE)
    except TimeoutError as error:
        raise StoreUnavailable(f"{problem} (no answer within {PATIENCE:g} s): {advice}") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreUnavailable(f"{problem} ({reason}): {advice}") from error
    except AzureError as error:
        raise StoreUnavailable(f"{problem}: {advice}") from error


def _sign_in(settings: Settings) -> object:
    """Return the credential that `DefaultAzureCredential` finds, with its first token."""
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 (slow, and not on a laptop)

    credential = DefaultAzureCredential(managed_identity_client_id=settings.client_id)
    credential.get_token(SCOPE)
    return credential


def _connect(url: str) -> None:
    """Open and close a connection to a server; through a proxy only the proxy could."""
    address = urlsplit(url)
    host = address.hostname or ""
    if address.scheme in getproxies() and not proxy_bypass(host):
        return
    port = address.port or (443 if address.scheme == "https" else 80)
    socket.create_connection((host, port), PATIENCE).close()


def _advice(url: str) -> str:
    where = f"check {CONNECTION} and the network"
    is_local = urlsplit(url).hostname in {"127.0.0.1", "localhost"}
    return f"start the stack (`make dev`), or {where}" if is_local else where
