"""The blobs of one container over REST, a request each."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from ...errors import AlreadyExists, BlobLeased, StaleVersion, TagsRefused, UnreadableCursor
from ...ports import Blob, BlobPage, Body
from ..clock import read_time
from .rest import Response, StorageClient, StorageRefusal

_META: Final = "x-ms-meta-"
#: The statuses of a condition that does not hold.
_CONDITION: Final = frozenset({HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})
#: The service's code when another commit has discarded our blocks.
_BLOCKS_GONE: Final = "InvalidBlockList"


class RestBlobs:
    """`BlockBlobs` of a storage account."""

    def __init__(self, client: StorageClient, container_url: str) -> None:
        self.client = client
        #: Without a query.
        self.container_url = container_url

    def url(self, name: str) -> str:
        """Return the URL of a blob."""
        return f"{self.container_url}/{quote(name, safe='/~')}"

    async def put(
        self,
        name: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        if_absent: bool = False,
        if_version: str | None = None,
    ) -> str:
        """Write a blob in one request and return its version."""
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "x-ms-blob-content-type": content_type,
            **_metadata_headers(metadata),
            **_tags_header(tags),
            **_condition(if_absent=if_absent, if_version=if_version),
        }
        return (await self._send("PUT", name, "writing", headers=headers, body=body)).etag

    async def stage(self, name: str, block: str, body: bytes | Body) -> None:
        """Upload a block for a later commit; the ids of a blob's blocks have one length."""
        query = {"comp": "block", "blockid": _id(block)}
        await self._send("PUT", name, "staging a block of", query=query, body=body)

    async def commit(
        self,
        name: str,
        blocks: Sequence[str],
        *,
        content_type: str,
        metadata: Mapping[str, str],
        tags: Mapping[str, str] | None = None,
        if_absent: bool = True,
    ) -> None:
        """Make these blocks, in this order, the blob."""
        listed = "".join(f"<Latest>{_id(block)}</Latest>" for block in blocks)
        body = f"<?xml version='1.0' encoding='utf-8'?><BlockList>{listed}</BlockList>".encode()
        headers = {
            "content-type": "application/xml",
            "x-ms-blob-content-type": content_type,
            **_metadata_headers(metadata),
            **_tags_header(tags),
            **_condition(if_absent=if_absent),
        }
        query = {"comp": "blocklist"}
        await self._send("PUT", name, "committing", query=query, headers=headers, body=body)

    async def read(
        self,
        name: str,
        *,
        start: int = 0,
        length: int | None = None,
        if_version: str | None = None,
    ) -> Blob | None:
        """Return a blob, or at most `length` bytes of it; None when there is no such blob."""
        headers = _condition(if_version=if_version)
        if length is not None:
            headers["x-ms-range"] = f"bytes={start}-{start + length - 1}"
        try:
            return _blob(await self._send("GET", name, "reading", headers=headers))
        except StorageRefusal as refusal:
            if refusal.code == "BlobNotFound":
                return None
            if refusal.code == "InvalidRange":  # there is no byte at `start`
                return await self.find(name)
            raise

    async def find(self, name: str) -> Blob | None:
        """Return the properties of a blob; None when there is no such blob."""
        try:
            return _blob(await self._send("HEAD", name, "looking for"))
        except StorageRefusal as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND and refusal.code != "ContainerNotFound":
                return None
            raise

    async def delete(self, name: str, *, if_version: str | None = None) -> bool:
        """Delete a blob; return False when there is no such blob."""
        headers = _condition(if_version=if_version)
        try:
            await self._send("DELETE", name, "deleting", headers=headers)
        except StorageRefusal as refusal:
            if refusal.code != "BlobNotFound":
                raise
            if if_version is not None:
                raise StaleVersion(f"{self._container}/{name} was deleted") from refusal
            return False
        return True

    async def list(self, prefix: str, *, limit: int, after: str | None = None) -> BlobPage:
        """Return at most `limit` blobs, from where an earlier page ended."""
        query = {"restype": "container", "comp": "list", "prefix": prefix, "include": "metadata"}
        query |= {"maxresults": str(limit)} | ({"marker": after} if after else {})
        doing = f"listing {self._container}/{prefix}"
        try:
            response = await self.client.send("GET", self.container_url, doing=doing, query=query)
        except StorageRefusal as refusal:
            if after and refusal.status == HTTPStatus.BAD_REQUEST:
                raise UnreadableCursor("storage knows no such page; start without one") from refusal
            raise
        return _page(response.body)

    @property
    def _container(self) -> str:
        return self.container_url.rpartition("/")[2]

    async def _send(
        self,
        method: str,
        name: str,
        doing: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body = b"",
    ) -> Response:
        """Send a request, and translate the refusals that a caller can act on."""
        blob, headers = f"{self._container}/{name}", headers or {}
        try:
            return await self.client.send(
                method,
                self.url(name),
                doing=f"{doing} {blob}",
                query=query,
                headers=headers,
                body=body,
            )
        except StorageRefusal as refusal:
            status, code = refusal.status, refusal.code
            if "Lease" in code:
                raise BlobLeased(f"{blob}: {code}; break the lease or wait") from refusal
            if "x-ms-tags" in headers and ("Tags" in code or status in {400, 403}):
                raise TagsRefused(f"{status} {code}") from refusal
            if "if-none-match" in headers and (status in _CONDITION or code == _BLOCKS_GONE):
                raise AlreadyExists(f"{blob} exists already") from refusal
            if status == HTTPStatus.PRECONDITION_FAILED:
                raise StaleVersion(f"{blob} has changed") from refusal
            raise


def _blob(response: Response) -> Blob:
    metadata = {
        name.lower().removeprefix(_META): value
        for name, value in response.headers.items()
        if name.lower().startswith(_META)
    }
    size = response.headers.get("content-range", "").rpartition("/")[2]
    return Blob(
        response.etag,
        response.headers.get("content-type"),
        metadata,
        size=int(size or response.headers.get("content-length", "0")),
        body=response.body,
        modified_at=_moment(response.headers.get("last-modified")),
    )


def _moment(text: str | None) -> datetime | None:
    return read_time(text) if text else None


def _page(body: bytes) -> BlobPage:
    from xml.etree import ElementTree as ET  # noqa: PLC0415 (no paid call waits for it)

    root = ET.fromstring(body)  # noqa: S314 (the storage account's own word)
    blobs = {
        blob.findtext("Name", ""): Blob(
            blob.findtext("Properties/Etag", ""),
            blob.findtext("Properties/Content-Type"),
            {each.tag.lower(): each.text or "" for each in blob.iterfind("Metadata/*")},
            size=int(blob.findtext("Properties/Content-Length", "0")),
        )
        for blob in root.iterfind("Blobs/Blob")
    }
    return BlobPage(blobs, root.findtext("NextMarker") or None)


def _metadata_headers(metadata: Mapping[str, str] | None) -> dict[str, str]:
    return {f"{_META}{name.lower()}": value for name, value in (metadata or {}).items()}


def _tags_header(tags: Mapping[str, str] | None) -> dict[str, str]:
    pairs = (
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in (tags or {}).items()
    )
    text = "&".join(pairs)
    return {"x-ms-tags": text} if text else {}


def _condition(*, if_absent: bool = False, if_version: str | None = None) -> dict[str, str]:
    if if_absent:
        return {"if-none-match": "*"}
    return {"if-match": if_version} if if_version is not None else {}


def _id(block: str) -> str:
    return base64.b64encode(block.encode()).decode()
