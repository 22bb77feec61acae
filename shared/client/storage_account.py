"""The storage account as the client reaches it: addresses, patience, and the seam of its errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobProperties
from azure.storage.queue import QueueMessage

from ..config.settings import CONNECTION, Settings
from ..errors import Misconfigured, NoSuchQueue, StoreUnavailable, TooLarge
from ..pictures.inputs import InputHead
from .storage import Received, Sent

#: The SDK's retries: five tries within about half a minute. What is repeated is safe to repeat,
#: for a job that arrives twice is one job.
OPTIONS: Final[dict[str, Any]] = {
    "retry_total": 4,
    "retry_connect": 4,
    "retry_read": 4,
    "retry_status": 4,
    "initial_backoff": 0,
    "increment_base": 2,
    "random_jitter_range": 1,
    "connection_timeout": 10,
    "read_timeout": 30,
    "logging_enable": False,
}
#: What a queue takes, bytes.
MAX_MESSAGE_BYTES: Final = 65_536
#: A job must still be there when the app looks.
NEVER_EXPIRES: Final = -1
#: Jobs sent, and other things done, at a time.
AT_ONCE: Final = 16


def connection_string(settings: Settings) -> str | None:
    """Return the account's connection string, None where it is reached with an identity."""
    secret = settings.storage_connection
    return secret.get_secret_value() if secret else None


@contextmanager
def addresses() -> Iterator[None]:
    """Tell a connection string or URL that is none as `Misconfigured`, and a transport missing."""
    try:
        yield
    except ImportError as error:
        raise Misconfigured(
            "AsyncImageJobs needs aiohttp: pip install 'image-jobs[aio]'"
        ) from error
    except ValueError as error:
        raise Misconfigured(
            f"{CONNECTION}: not the connection string or the URL of an account ({error})"
        ) from error


@contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Tell what the SDK raises as `StoreUnavailable`: what was tried, and what was said."""
    try:
        yield
    except (AzureError, OSError) as error:
        raise StoreUnavailable(f"{doing}: {describe_error(error)}") from error


@contextmanager
def queue_errors(doing: str, queue: str) -> Iterator[None]:
    """Likewise for a queue, where one that is not there has an error of its own."""
    with storage_errors(doing):
        try:
            yield
        except ResourceNotFoundError as error:
            raise NoSuchQueue(f"{doing}: there is no queue {queue!r} in this account") from error


@contextmanager
def not_ours_any_more() -> Iterator[None]:
    """Pass over a message whose time is up: it is deleted, or somebody else has it."""
    try:
        yield
    except HttpResponseError as error:
        if error_code(error) not in {"MessageNotFound", "PopReceiptMismatch"}:
            raise


def head_of(blob: BlobProperties, first: bytes) -> InputHead:
    """Return the beginning of a blob and what storage says of the whole."""
    length = int(str(blob.content_range).rpartition("/")[2])
    return InputHead(str(blob.etag), length, first)


def describe_error(error: Exception) -> str:
    """Return an SDK's error in one line, with what mends it where that is known."""
    if isinstance(error, ClientAuthenticationError) and not error.status_code:
        return f"no token: {str(error).partition('\n')[0]}; `az login`, or pass a credential"
    if isinstance(error, HttpResponseError) and error.status_code:
        advice = {
            403: "; the caller needs Storage Queue Data Message Sender on the jobs queue, Storage "
            "Blob Data Reader on records and pictures, and writes to the inputs container",
            404: "; is this the app's account?",
        }
        code = error_code(error) or error.reason or type(error).__name__
        return f"{error.status_code} {code}{advice.get(error.status_code, '')}"
    return f"{type(error).__name__}: {str(error).partition('\n')[0]}"


def error_code(error: Exception) -> str:
    """Return the service's own code of an error; empty if it gave none."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def checked(queue: str, body: bytes) -> str:
    """Return a message as the SDK takes it; `TooLarge` when no queue would."""
    if len(body) > MAX_MESSAGE_BYTES:
        raise TooLarge(
            f"the message for the queue {queue!r} has {len(body):,} bytes; "
            f"a queue takes {MAX_MESSAGE_BYTES:,}"
        )
    return body.decode("utf-8")


def sent(message: QueueMessage) -> Sent:
    """Return what the queue says of a message it took."""
    inserted_at = message.inserted_on or datetime.now(UTC)
    return Sent(str(message.id), inserted_at, str(message.pop_receipt))


def received(message: QueueMessage, *, hidden_seconds: int) -> Received:
    """Return a message that the queue has given us for a while."""
    until = message.next_visible_on or datetime.now(UTC) + timedelta(seconds=hidden_seconds)
    return Received(str(message.id), str(message.pop_receipt), str(message.content), until)
