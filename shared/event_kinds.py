"""What an event of an image stream is: a finished picture, a draft, an error, or nothing to us."""

from collections.abc import Mapping
from enum import Enum, auto

from pydantic import JsonValue


class EventKind(Enum):
    """What is to be done with an event."""

    #: Its pictures count, and what else it says (`usage`) belongs to the reply.
    COMPLETED = auto()
    #: A draft of a picture: dropped.
    PARTIAL = auto()
    #: The provider's error.
    ERROR = auto()
    #: Of no concern: `keepalive`, progress, what is yet to be invented.
    OTHER = auto()
    #: Not known: the event has no name (`message` is the name of those that have none).
    UNTOLD = auto()


def kind_of(name: str) -> EventKind:
    """Tell an event by its `event:` line or its `type`.

    `image_generation.completed` and `image_edit.completed` are Azure's and OpenAI's; gateways put
    words of their own before the dot.
    """
    match name.rpartition(".")[2]:
        case "completed":
            return EventKind.COMPLETED
        case "partial_image":
            return EventKind.PARTIAL
        case "error" | "failed":
            return EventKind.ERROR
        case "" | "message":
            return EventKind.UNTOLD
        case _:
            return EventKind.OTHER


def kind_of_document(document: Mapping[str, JsonValue], *, pictures: bool) -> EventKind:
    """Tell an event without a name by what it says.

    Without a `type` it is completed if it has a picture and no `partial_image_index`: a gateway
    that leaves out both marks sends no drafts, and what it sends was paid for.
    """
    name = document.get("type")
    if document.get("error"):
        return EventKind.ERROR
    if isinstance(name, str):
        return kind_of(name)
    if "partial_image_index" in document:
        return EventKind.PARTIAL
    return EventKind.COMPLETED if pictures else EventKind.OTHER
