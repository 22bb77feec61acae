"""What `make dev` tells a person: the variables that the README uses, and where to look."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from local.stack.settings import FOUNDRY_KEY, MANIFESTS_CONTAINER, REPLY_QUEUE

#: How long the upload token is valid.
TOKEN_LIFE: Final = timedelta(days=7)


def instructions(ready: Mapping[str, Any], folder: Path) -> str:
    """Return what to do next; `ready` is what `up` prints, `folder` has its variables."""
    env = os.path.relpath(folder / "env")
    key = ready["keys"].get("function")
    return f"""
Image Jobs runs. In another shell, from {Path.cwd()}:

  source {env}   (fish: source {env}.fish; PowerShell: . {env}.ps1)
  image-jobs submit "a fox in the snow" --size 16:9 --out pictures

Gallery   {ready["host"]}/api/gallery{f"#key={key}" if key else ""}
HTTP      {ready["host"]}/api
Foundry   {ready["foundry"]}

The ports and the key stay the same when you start it again; jobs and pictures do not stay.
Press Ctrl-C to stop everything. The log follows.
"""


def exports(ready: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of the README's examples for the running stack."""
    emulated = {"FOUNDRY_API_KEY": FOUNDRY_KEY} if ready["pids"]["foundry"] else {}
    with BlobServiceClient.from_connection_string(ready["storage"]) as blobs:
        return {
            "ImageStorage": ready["storage"],
            "FOUNDRY_ENDPOINT": ready["foundry"],
            **emulated,
            "FOUNDRY_DEPLOYMENTS": json.dumps(ready["deployments"]),
            "REPLY_QUEUE": REPLY_QUEUE,
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
