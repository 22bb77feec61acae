"""Settings, containers and queues of the local stack."""

import json
import runpy
from pathlib import Path
from typing import Final

#: API key of the Foundry emulator; not a secret.
FOUNDRY_KEY: Final = "local-key"

#: Deployments of the emulator, with more requests per minute than a laptop makes.
DEPLOYMENTS: Final = tuple(
    {"name": model, "model": model, "rpm": 600}
    for model in (
        "gpt-image-2",
        "gpt-image-2.5-flare",
        "gpt-image-2.5-sunburst",
        "gpt-image-1.5",
        "gpt-image-1-mini",
        "MAI-Image-2.5",
        "MAI-Image-2.5-Flash",
        "MAI-Image-2.6",
        "MAI-Image-2.7",
        "FLUX.2-pro",
    )
)

#: A queue of a caller, which its jobs may name as `reply_to`.
REPLY_QUEUE: Final = "replies-dev"

MANIFESTS_CONTAINER: Final = "manifests"
MANIFESTS_QUEUE: Final = "image-manifests"

CONTAINERS: Final = ("images", "jobs", "inputs", MANIFESTS_CONTAINER, "dead-letters", "pace")

_TRIGGERING: Final = (
    "image-jobs",
    "image-tasks",
    "image-finish",
    "image-deliveries",
    MANIFESTS_QUEUE,
)

QUEUES: Final = (
    *_TRIGGERING,
    *(f"{queue}-poison" for queue in _TRIGGERING),
    "image-waiting",
    "image-events",
)


#: For trials in which hosts come and go as in Azure: the defaults of the app.
COMING_AND_GOING: Final = {"CALL_GUARD_SECONDS": "4", "LEAD_SECONDS": "40"}


def queues_of(copy: Path) -> tuple[str, ...]:
    """Return the queues that the stack of another working copy makes."""
    made: tuple[str, ...] = runpy.run_path(str(copy / "local" / "stack" / "settings.py"))["QUEUES"]
    return made


def settings(storage: str, foundry: str) -> dict[str, str]:
    """Return the app's settings for a storage connection string and a Foundry URL."""
    return {
        "AzureWebJobsStorage": storage,
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "ImageStorage": storage,
        "FOUNDRY_ENDPOINT": foundry,
        "FOUNDRY_API_KEY": FOUNDRY_KEY,
        "FOUNDRY_DEPLOYMENTS": json.dumps(DEPLOYMENTS),
        "REPLY_QUEUES": "replies-*",
        # Local hosts run all the time and let every invocation end.
        "CALL_GUARD_SECONDS": "0",
        "LEAD_SECONDS": "8",
    }
