"""The app's queues as an AsyncAPI 3.0 document: jobs come in, events go out."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

import yaml

from shared.batches.events import BatchCompletedData, BatchEventType
from shared.config.settings import Settings
from shared.events.projection import DATA
from shared.vocabulary import EventType

_HEAD: Final = "# Printed from the code by `make schemas`.\n"


def asyncapi() -> dict[str, Any]:
    """Return the document; payloads are the schemas beside it."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Image Jobs",
            "version": "1",
            "description": "Put a message on a queue; find a picture in a container.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "storage": {
                "host": "{account}.queue.core.windows.net",
                "protocol": "azure-storage-queue",
                "variables": {"account": {"description": "Name of the storage account."}},
            }
        },
        "channels": _channels(),
        "operations": {
            "receiveJob": {
                "action": "receive",
                "summary": "Accept a job, or reject it with every fault.",
                "channel": {"$ref": "#/channels/jobs"},
                "messages": [{"$ref": "#/channels/jobs/messages/job"}],
            },
            "sendEvent": {
                "action": "send",
                "summary": "Publish what happened to a job or a batch.",
                "channel": {"$ref": "#/channels/events"},
            },
            "sendReply": {
                "action": "send",
                "summary": "Publish it to the queue that the job named, too.",
                "channel": {"$ref": "#/channels/replies"},
            },
        },
        "components": {"messages": _messages()},
    }


def _channels() -> dict[str, Any]:
    queues = {name: Settings.model_fields[name].default for name in ("jobs_queue", "events_queue")}
    return {
        "jobs": {
            "address": queues["jobs_queue"],
            "description": "A message of at most 64 KiB: the job as JSON, bare or in base64, "
            "or as the data of a CloudEvent.",
            "messages": {"job": {"$ref": "#/components/messages/job"}},
        },
        "events": {
            "address": queues["events_queue"],
            "description": "CloudEvents 1.0 in structured JSON, at least once; an event that is "
            "published again has the same id.",
            "messages": _references((*EventType, *BatchEventType)),
        },
        "replies": {
            "address": "{queue}",
            "description": "The same events, of jobs that name this queue in `reply_to`.",
            "parameters": {"queue": {"description": "A queue that `REPLY_QUEUES` allows."}},
            "messages": _references(EventType),
        },
    }


def _references(events: Iterable[StrEnum]) -> dict[str, Any]:
    return {_name(event): {"$ref": f"#/components/messages/{_name(event)}"} for event in events}


def _messages() -> dict[str, Any]:
    data: list[tuple[StrEnum, Any]] = [
        *DATA.items(),
        (BatchEventType.COMPLETED, BatchCompletedData),
    ]
    return {
        "job": {
            "name": "job",
            "contentType": "application/json",
            "summary": "One request for pictures.",
            "payload": {"$ref": "./job.schema.json"},
        },
        **{
            _name(event): {
                "name": event.value,
                "contentType": "application/cloudevents+json",
                "summary": (model.__doc__ or "").partition("\n")[0],
                "payload": {"$ref": f"./{event.value}.schema.json"},
            }
            for event, model in data
        },
    }


def _name(event: StrEnum) -> str:
    """Return the event's name as a key: `jobSucceeded`."""
    first, *rest = event.value.removeprefix("image.").split(".")
    return first + "".join(word.capitalize() for word in rest)


def printed() -> str:
    """Return the document as the text of its file."""
    return _HEAD + yaml.dump(asyncapi(), sort_keys=False, allow_unicode=True, width=100)
