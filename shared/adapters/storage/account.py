"""Where the storage account is and who asks it, read from a connection string or from two URLs.

Who asks: how a request to blob or queue storage says so, by key, by signature or by token.
"""

import base64
import binascii
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from typing import Final, Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

from ...config.settings import Settings
from ...errors import Misconfigured
from ...ports import Tokens

#: Of the REST API; https://learn.microsoft.com/rest/api/storageservices/previous-azure-storage-service-versions
API_VERSION: Final = "2024-11-04"
SCOPE: Final = "https://storage.azure.com/.default"

#: The headers that a signature covers, in its order; `x-ms-date` replaces `date`.
_SIGNED: Final = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type"),
    *("date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)


@dataclass(slots=True)
class Request:
    """A request on its way out; header names are in lower case."""

    method: str
    #: Encoded, without its query.
    url: str
    query: dict[str, str]
    headers: dict[str, str]


class Signature(Protocol):
    """One of the ways to say who asks."""

    async def sign(self, asking: Request) -> None:
        """Put what is needed into the request; each try is signed anew."""
        ...

    def refused(self) -> bool:
        """Take note of a 401; tell whether the next try would be signed otherwise."""
        ...


class Token:
    """An Entra token of the app's identity."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens

    async def sign(self, asking: Request) -> None:
        """Put the token into the request."""
        asking.headers["authorization"] = f"Bearer {await self.tokens.token(SCOPE)}"

    def refused(self) -> bool:
        """Ask for a new one."""
        self.tokens.forget(SCOPE)
        return True


class SharedAccess:
    """A shared access signature, as a connection string may hold one."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self.parameters = parameters

    async def sign(self, asking: Request) -> None:
        """Put the signature into the query."""
        asking.query.update(self.parameters)

    def refused(self) -> bool:
        """Nothing else is known."""
        return False


class SharedKey:
    """The account's own key.

    https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """

    def __init__(self, account: str, key: bytes) -> None:
        self.account, self.key = account, key

    @classmethod
    def read(cls, account: str, key: str) -> "SharedKey":
        """Read a key as the portal shows it; raise `Misconfigured` when it is not valid."""
        try:
            return cls(account, base64.b64decode(key, validate=True))
        except binascii.Error as error:
            raise Misconfigured(f"ImageStorage: its AccountKey is no base64 ({error})") from error

    async def sign(self, asking: Request) -> None:
        """Sign everything that the service looks at."""
        asking.headers["x-ms-date"] = _write_date(int(time.time()))
        digest = hmac.digest(self.key, self.text(asking).encode(), "sha256")
        signature = base64.b64encode(digest).decode()
        asking.headers["authorization"] = f"SharedKey {self.account}:{signature}"

    def refused(self) -> bool:
        """Nothing else is known."""
        return False

    def text(self, asking: Request) -> str:
        """Return what is signed."""
        headers = asking.headers
        values = [headers.get(name, "") for name in _SIGNED]
        values[2] = "" if values[2] == "0" else values[2]
        own = sorted((name for name in headers if name.startswith("x-ms-")), key=_service_order)
        lines = [asking.method, *values, *(f"{name}:{headers[name]}" for name in own)]
        lines.append(f"/{self.account}{urlsplit(asking.url).path}")
        lines += [f"{name}:{value}" for name, value in sorted(asking.query.items())]
        return "\n".join(lines)


@lru_cache(maxsize=1)
def _write_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


@lru_cache(maxsize=64)
def _service_order(name: str) -> str:
    """Sort as the service does, which is not by code: hyphens count for nothing, `_` comes first.

    As its own SDK has it: azure-storage-blob 12.31, `_shared/authentication.py`, `compare`.
    """
    return name.replace("-", "").replace("_", " ")


type Service = Literal["blob", "queue"]

#: What `UseDevelopmentStorage=true` stands for: Azurite's published account, no secret.
_DEVELOPMENT: Final = (
    "AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2U"
    "VErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1"
)


@dataclass(frozen=True, slots=True)
class StorageAddress:
    """Where the account is: a connection string, or the URLs of its two services."""

    connection_string: str | None = field(default=None, repr=False)
    blob_service_uri: str | None = None
    queue_service_uri: str | None = None

    def url(self, service: Service) -> str:
        """Return the URL of a service; `Misconfigured` if nothing says it."""
        if not self.connection_string:
            uri = self.blob_service_uri if service == "blob" else self.queue_service_uri
            return (uri or "").rstrip("/")
        parts = _parts(self.connection_string)
        if own := parts.get(f"{service}endpoint"):
            return own.partition("?")[0].rstrip("/")
        if "accountname" not in parts:
            raise Misconfigured(
                f"ImageStorage: the connection string names no account, "
                f"nor a {service.title()}Endpoint"
            )
        scheme = parts.get("defaultendpointsprotocol", "https")
        suffix = parts.get("endpointsuffix", "core.windows.net")
        return f"{scheme}://{parts['accountname']}.{service}.{suffix}"

    @property
    def account_name(self) -> str:
        """The account's name: as the connection string says, else the first part of its host."""
        named = _parts(self.connection_string or "").get("accountname")
        return named or (urlsplit(self.url("blob")).hostname or "").partition(".")[0]

    @property
    def account_key(self) -> str | None:
        """The account's key in base64, None where the connection string has no key."""
        return _parts(self.connection_string or "").get("accountkey")

    def origin(self, service: Service) -> str:
        """Return where the service is reached: scheme, host and port."""
        parts = urlsplit(self.url(service))
        return f"{parts.scheme}://{parts.netloc}"

    def signature(self, tokens: Tokens) -> Signature:
        """Return how requests are signed: as the connection string says, else with tokens."""
        if not self.connection_string:
            return Token(tokens)
        parts = _parts(self.connection_string)
        if "accountkey" in parts and "accountname" in parts:
            return SharedKey.read(parts["accountname"], parts["accountkey"])
        if "sharedaccesssignature" in parts:
            return SharedAccess(dict(parse_qsl(parts["sharedaccesssignature"].lstrip("?"))))
        raise Misconfigured(
            "ImageStorage: the connection string has neither AccountName with AccountKey, "
            "nor SharedAccessSignature"
        )


def address_of(settings: Settings) -> StorageAddress:
    """Return where the app's account is."""
    connection = settings.storage_connection
    return StorageAddress(
        connection_string=connection.get_secret_value() if connection else None,
        blob_service_uri=settings.blob_service_uri,
        queue_service_uri=settings.queue_service_uri,
    )


def _parts(text: str) -> Mapping[str, str]:
    """Return the parts of a connection string, their names in lower case."""
    parts = [part.partition("=") for part in text.strip().rstrip(";").split(";") if text]
    if not all(separator for _, separator, _ in parts):
        raise Misconfigured("ImageStorage: no connection string, not all of it is `name=value`")
    found = {name.strip().lower(): value.strip() for name, _, value in parts}
    if found.get("usedevelopmentstorage", "").lower() == "true":
        return _parts(_DEVELOPMENT)
    return found
