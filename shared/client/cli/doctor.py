"""Check storage, endpoints and permissions; make keys for callers of the HTTP API."""

import json
import os
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import Annotated, Final

import typer
from pydantic import ValidationError
from rich.text import Text

from ...config.settings import Configuration
from ...config.tenants import CallerEntry
from ...http_api.queries import KEY_HEADER, hash_key
from ...jobs.validation import plain_faults
from ...redaction import printable
from ..azure_checks import check_azure
from ..caller import NOWHERE
from ..operators import Check
from .access import client
from .output import AsJson, console, print_json, styled

MARKS: Final = {"good": ("✔", "green"), "doubtful": ("!", "yellow"), "bad": ("✘", "red")}
#: For an endpoint to answer anything at all, seconds.
TIMEOUT: Final = 10.0
#: Of a key for a caller: too many to guess.
_KEY_BYTES: Final = 32
#: Between this machine's clock and storage's, seconds; the header Date has whole seconds.
MAX_SKEW: Final = 5.0


def doctor(
    *,
    send: Annotated[
        bool,
        typer.Option("--send", help="Test sending too, with a hidden message that is deleted."),
    ] = False,
    azure: Annotated[
        bool,
        typer.Option("--azure", help="Check the deployment too, with `az` (docs/first-day.md)."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check storage, endpoints and your permissions.

    The exit code is 1 if a check fails.
    """
    checks = []
    with client() as jobs:
        clocks = map(check_clock, jobs.addresses[:1])
        found = chain(clocks, jobs.operator.check(send=send), _check_endpoints(jobs.app))
        for check in chain(found, check_azure(os.environ, jobs.app.deployments) if azure else ()):
            checks.append(check)
            if as_json:
                print_json(asdict(check))
            else:
                words = f" {printable(check.what)}  ", styled(check.message, "dim")
                console().print(Text.assemble(MARKS[check.state], *words))
    raise typer.Exit(1 if any(check.state == "bad" for check in checks) else 0)


def _check_endpoints(app: Configuration) -> Iterator[Check]:
    if not app.deployments:
        message = "FOUNDRY_DEPLOYMENTS is not set here: jobs are checked field by field, not routed"
        yield Check("deployments", "doubtful", message)
    elsewhere = [each for each in app.deployments if each.endpoint != NOWHERE]
    for endpoint in dict.fromkeys(each.endpoint for each in elsewhere):
        yield _check_endpoint(endpoint)
    if app.settings.foundry_api_key is None:
        scopes = dict.fromkeys(each.scope for each in elsewhere if each.scope)
        yield from (_check_token(scope, app) for scope in scopes)


def _check_endpoint(endpoint: str) -> Check:
    what, began = f"endpoint {endpoint}", time.monotonic()
    try:
        request = urllib.request.Request(endpoint, method="HEAD")  # noqa: S310 (checked by Deployment)
        urllib.request.urlopen(request, timeout=TIMEOUT).close()  # noqa: S310 (likewise)
    except urllib.error.HTTPError as error:
        error.close()  # any answer is one
    except OSError as error:
        return Check(what, "bad", f"does not answer: {error}")
    return Check(what, "good", f"answers in {(time.monotonic() - began) * 1000:.0f} ms")


def check_clock(url: str) -> Check:
    """Compare this machine's clock with that of a server, which any answer of it tells."""
    what, began = "clock", datetime.now(UTC)
    try:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 (of the settings)
        with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:  # noqa: S310 (likewise)
            date = reply.headers["date"]
    except urllib.error.HTTPError as error:
        with error:
            date = error.headers["date"]
    except OSError as error:
        return Check(what, "bad", f"storage does not answer: {error}")
    ended = datetime.now(UTC)
    if not date:
        return Check(what, "doubtful", "storage does not tell the time")
    skew = (began + (ended - began) / 2 - parsedate_to_datetime(date)).total_seconds()
    if abs(skew) <= MAX_SKEW:
        return Check(what, "good", "as storage's, to a few seconds")
    where = "ahead of" if skew > 0 else "behind"
    return Check(what, "bad", f"{abs(skew):,.0f} s {where} storage's: correct it (NTP)")


def _check_token(scope: str, app: Configuration) -> Check:
    from azure.core.exceptions import ClientAuthenticationError  # noqa: PLC0415 - slow, seldom
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - likewise

    what = f"token for {scope}"
    client_id = app.settings.client_id
    with DefaultAzureCredential(managed_identity_client_id=client_id) as credential:
        try:
            credential.get_token(scope)
        except ClientAuthenticationError as error:
            why = str(error).partition("\n")[0]
            return Check(what, "bad", f"{why} Sign in (`az login`); the app has its own identity")
    return Check(what, "good")


def make_caller_key(
    *,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Who may use the key; without: operators.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key for the HTTP API, and its entry for the setting CALLERS.

    The app knows only the hash: the key is shown once.
    """
    key = secrets.token_urlsafe(_KEY_BYTES)
    who = {"operator": True} if tenant is None else {"tenant": tenant}
    try:
        entry = CallerEntry.model_validate({**who, "sha256": hash_key(key)})
    except ValidationError as error:
        raise typer.BadParameter(f"--tenant: {plain_faults(error)[0].message}") from None
    told = entry.model_dump(mode="json", exclude_defaults=True)
    if as_json:
        print_json({"key": key, "entry": told})
        return
    console().print(f"key for the caller ({KEY_HEADER}): {key}", soft_wrap=True)
    console().print(f"entry for CALLERS: {json.dumps(told)}", soft_wrap=True)
