"""Where the storage account is and who asks it, read from a connection string or from two URLs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

from ..errors import Misconfigured
from ..settings import Settings
from .storage_signing import SharedAccess, SharedKey, Signature, Token, Tokens

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
    parts = [part.partition("=") for part in text.strip().rstrip(";").split(";")]
    if not all(separator for _, separator, _ in parts):
        raise Misconfigured("ImageStorage: no connection string, not all of it is `name=value`")
    found = {name.strip().lower(): value.strip() for name, _, value in parts}
    if found.get("usedevelopmentstorage", "").lower() == "true":
        return _parts(_DEVELOPMENT)
    return found
