"""Settings, containers and queues of the local stack."""

import json
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

_JOB_QUEUES: Final = ("image-jobs", "image-jobs-small", "image-jobs-standard", "image-jobs-large")

_TRIGGERING: Final = (*_JOB_QUEUES, "image-finish", "image-deliveries", MANIFESTS_QUEUE)

QUEUES: Final = (
    *_TRIGGERING,
    *(f"{queue}-poison" for queue in _TRIGGERING),
    "image-waiting",
    "image-events",
)


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
        # The local host lets every invocation end, so that the first picture need not wait.
        "CALL_GUARD_SECONDS": "0",
    }
