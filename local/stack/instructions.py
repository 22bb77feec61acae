"""Instructions for another shell: the variables and the alias that the README uses."""

import json
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from local.stack.settings import MANIFESTS_CONTAINER

ROOT: Final = Path(__file__).parents[2]

#: How long the upload token is valid.
TOKEN_LIFE: Final = timedelta(days=7)


def instructions(ready: Mapping[str, Any]) -> str:
    """Return lines for a shell and the address of the gallery; `ready` is what `up` prints."""
    command = f"PYTHONPATH={shlex.quote(str(ROOT))} {shlex.quote(sys.executable)}"
    key = ready["keys"].get("function")
    return "\n".join(
        [
            "",
            "To use it from another shell, paste these lines there:",
            "",
            *(f"export {name}={shlex.quote(value)}" for name, value in exports(ready).items()),
            f"alias image-jobs={shlex.quote(f'{command} -m shared.client.cli')}",
            "",
            f"The gallery: {ready['host']}/api/gallery{f'#key={key}' if key else ''}",
            "Press Ctrl-C to stop everything.",
        ]
    )


def exports(ready: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of the README's examples for the running stack."""
    with BlobServiceClient.from_connection_string(ready["storage"]) as blobs:
        return {
            "ImageStorage": ready["storage"],
            "FOUNDRY_DEPLOYMENTS": json.dumps(ready["deployments"]),
            "HOST": ready["host"],
            "IMAGE_JOBS_URL": ready["host"],
            "KEY": ready["keys"].get("function", ""),  # Core Tools need no key
            "MANIFESTS": blobs.get_container_client(MANIFESTS_CONTAINER).url,
            "SAS": generate_container_sas(
                account_name=str(blobs.account_name),
                container_name=MANIFESTS_CONTAINER,
                account_key=blobs.credential.account_key,
                permission=ContainerSasPermissions(create=True, write=True),
                expiry=datetime.now(UTC) + TOKEN_LIFE,
            ),
        }
