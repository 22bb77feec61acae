"""Event Grid for local manifests: send a queue message for each uploaded blob.

Azurite raises no events, so this polls the container.
"""

import json
import sys
import uuid
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any, Final

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobProperties, BlobServiceClient
from azure.storage.queue import QueueServiceClient

#: Seconds between two polls.
_INTERVAL: Final = 1.0


class BlobWatcher:
    """A thread that sends `Microsoft.Storage.BlobCreated` for each new version of a blob."""

    def __init__(self, storage: str, container: str, queue: str) -> None:
        self._storage, self._container, self._queue = storage, container, queue
        self._seen: dict[str, str] = {}
        self._stopped = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Start polling; existing blobs are sent too, as at-least-once delivery allows."""
        self._thread.start()

    def stop(self) -> None:
        """Stop polling."""
        self._stopped.set()
        self._thread.join(5.0)

    def _watch(self) -> None:
        with (
            BlobServiceClient.from_connection_string(self._storage, retry_total=0) as blobs,
            QueueServiceClient.from_connection_string(self._storage, retry_total=0) as queues,
        ):
            while not self._stopped.wait(_INTERVAL):
                try:
                    self.poll(blobs, queues)
                except AzureError as error:
                    if not self._stopped.is_set():
                        sys.stderr.write(f"[manifests] poll failed: {type(error).__name__}\n")

    def poll(self, blobs: BlobServiceClient, queues: QueueServiceClient) -> None:
        """Send an event for each version that is new."""
        queue = queues.get_queue_client(self._queue)
        for blob in blobs.get_container_client(self._container).list_blobs():
            if self._seen.get(blob.name) != blob.etag:
                queue.send_message(json.dumps(event_of(self._container, blob)), time_to_live=-1)
                self._seen[blob.name] = blob.etag


def event_of(container: str, blob: BlobProperties) -> dict[str, Any]:
    """Return the event of a blob, in the schema of Event Grid."""
    return {
        "topic": "/subscriptions/local/resourceGroups/local/providers/Microsoft.Storage"
        "/storageAccounts/devstoreaccount1",
        "subject": f"/blobServices/default/containers/{container}/blobs/{blob.name}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": datetime.now(UTC).isoformat(),
        "id": str(uuid.uuid4()),
        "data": {
            "api": "PutBlob",
            "requestId": str(uuid.uuid4()),
            "eTag": str(blob.etag).strip('"'),
            "contentType": blob.content_settings.content_type,
            "contentLength": blob.size,
            "blobType": str(blob.blob_type),
        },
        "dataVersion": "",
        "metadataVersion": "1",
    }
