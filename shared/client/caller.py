"""A caller of the app: its arguments, what it knows of the app, and its connection.

What it knows are the app's own settings, of which it needs only a few, in the names of
`docs/settings.md`. With `FOUNDRY_DEPLOYMENTS` (and `MODEL_CATALOGUE`, where the app has its own
models) jobs are routed before they are sent.
"""

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Unpack

from ..config.settings import (
    CONNECTION,
    Configuration,
    read_catalogue,
    read_settings,
    resolve_deployments,
)
from ..errors import Misconfigured
from ..jobs.job import Job
from . import batches, submission
from .batches import ManifestCheck
from .connection import Side, connect
from .submission import JobFields

#: The client calls no model, so where its deployments are does not matter.
NOWHERE: Final = "https://endpoint.invalid"


def read_configuration(environ: Mapping[str, str]) -> Configuration:
    """Return what the client knows of the app; `Misconfigured` has a line a wrong variable."""
    given = {name: value for name, value in environ.items() if value}
    settings = read_settings({"FOUNDRY_DEPLOYMENTS": "[]", "FOUNDRY_ENDPOINT": NOWHERE} | given)
    own = settings.model_catalogue
    catalogue = read_catalogue(_read_text(own) if own else None)
    deployments = resolve_deployments(settings, catalogue) if settings.foundry_deployments else ()
    return Configuration(settings, catalogue, deployments)


def merge_arguments(
    environ: Mapping[str, str],
    *,
    connection_string: str | None,
    account: str | None,
    deployments: Sequence[str | Mapping[str, Any]] | None,
) -> Mapping[str, str]:
    """Return the environment, overridden by the arguments."""
    merged = dict(environ)
    if connection_string or account:
        merged = {name: merged[name] for name in merged if name.partition("__")[0] != CONNECTION}
    if connection_string and account:
        raise Misconfigured("give the connection string or the account's name, not both")
    if connection_string:
        merged[CONNECTION] = connection_string
    if account:
        for kind in ("queue", "blob"):
            url = f"https://{account}.{kind}.core.windows.net"
            merged[f"{CONNECTION}__{kind}ServiceUri"] = url
    if deployments is not None:
        rows = [{"name": each} if isinstance(each, str) else dict(each) for each in deployments]
        merged["FOUNDRY_DEPLOYMENTS"] = json.dumps(rows)
    return merged


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"MODEL_CATALOGUE: {path!r} can't be read: {error}") from error


class Caller:
    """A caller of the app, connected to its storage account.

    Without arguments it reads the environment, in the names of `docs/settings.md`. `account` is
    reached with `credential`, or with the identity that `DefaultAzureCredential` finds. Where it
    knows the app's `deployments`, it routes jobs before it sends them.
    """

    _side: ClassVar[Side]

    def __init__(
        self,
        *,
        connection_string: str | None = None,
        account: str | None = None,
        credential: Any = None,  # noqa: ANN401 (any of azure-identity's, or one's own)
        deployments: Sequence[str | Mapping[str, Any]] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        merged = merge_arguments(
            os.environ if environ is None else environ,
            connection_string=connection_string,
            account=account,
            deployments=deployments,
        )
        self._connection = connect(read_configuration(merged), self._side, credential)

    @property
    def app(self) -> Configuration:
        """What this client knows of the app."""
        return self._connection.configuration

    @property
    def addresses(self) -> tuple[str, ...]:
        """URLs of the services of the storage account."""
        return self._connection.addresses

    def prepare(
        self, asked: str | Job | Mapping[str, Any] = "", /, **fields: Unpack[JobFields]
    ) -> Job:
        """Return a valid job with its id, to be kept and submitted; nothing is sent.

        `asked` is a prompt, or the fields of a job, or a job; keywords override them. Raises
        `InvalidJob` with every fault.
        """
        now, chance = self._connection.clock.now(), uuid.uuid4().hex
        return submission.read_fields(asked, fields, now=now, chance=chance)

    def check_manifest(
        self, manifest: bytes, name: str, /, *, tenant: str | None = None
    ) -> ManifestCheck:
        """Read a file of jobs as the app would; the extension of `name` says its format.

        `tenant` is that of all its jobs.
        """
        now = self._connection.clock.now()
        return batches.check_manifest([manifest], name, self.app, now=now, tenant=tenant)
