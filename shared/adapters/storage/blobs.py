"""The blobs of one container: what we ask of them, a request each."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree as ET

from .rest import Body, Response, StorageClient, StorageRefusal

#: Conditions of a write.
IF_NEW: Final = {"if-none-match": "*"}
_META: Final = "x-ms-meta-"


def if_still(version: str) -> dict[str, str]:
    """Return the condition that what is there still has this version."""
    return {"if-match": version}


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob as it was found, or what is known of it."""

    version: str
    content_type: str | None
    metadata: Mapping[str, str]
    #: Of the whole blob, bytes.
    size: int
    body: bytes = b""
    #: None where a listing did not ask.
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Some blobs by name, without their bodies, in the order of their names."""

    found: Mapping[str, Blob]
    #: Where the next ones begin, as the service puts it; None at the end.
    next: str | None


@dataclass(frozen=True, slots=True)
class Blobs:
    """A container's blobs. What is refused raises `StorageRefusal`, what fails `StoreUnavailable`.

    A write whose condition does not hold is refused with status 409 or 412.
    """

    client: StorageClient
    #: The container's, without a query.
    url: str

    def address(self, name: str) -> str:
        """Return the URL of a blob."""
        return f"{self.url}/{quote(name, safe='/~')}"

    async def put(
        self,
        name: str,
        body: bytes,
        *,
        doing: str,
        content_type: str = "application/json",
        metadata: Mapping[str, str] | None = None,
        condition: Mapping[str, str] | None = None,
    ) -> str:
        """Write a blob in one go and return its version."""
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "x-ms-blob-content-type": content_type,
            **_labels(metadata),
            **(condition or {}),
        }
        return (await self._put(name, body, doing=doing, headers=headers)).etag

    async def stage(self, name: str, block: str, body: bytes | Body, *, doing: str) -> None:
        """Keep a block for a later commit; all names of a blob's blocks are of one length."""
        await self._put(name, body, doing=doing, query={"comp": "block", "blockid": _id(block)})

    async def commit(
        self,
        name: str,
        blocks: Sequence[str],
        *,
        doing: str,
        content_type: str,
        metadata: Mapping[str, str],
        condition: Mapping[str, str],
    ) -> None:
        """Make these blocks, in this order, the blob."""
        listed = "".join(f"<Latest>{_id(block)}</Latest>" for block in blocks)
        await self._put(
            name,
            f"<?xml version='1.0' encoding='utf-8'?><BlockList>{listed}</BlockList>".encode(),
            doing=doing,
            query={"comp": "blocklist"},
            headers={
                "content-type": "application/xml",
                "x-ms-blob-content-type": content_type,
                **_labels(metadata),
                **condition,
            },
        )

    async def read(
        self,
        name: str,
        *,
        doing: str,
        start: int = 0,
        most: int | None = None,
        condition: Mapping[str, str] | None = None,
    ) -> Blob | None:
        """Return a blob, or at most so many of its bytes; None when there is none."""
        headers = dict(condition or {})
        if most is not None:
            headers["x-ms-range"] = f"bytes={start}-{start + most - 1}"
        try:
            answer = await self._ask("GET", name, doing=doing, headers=headers)
        except StorageRefusal as refusal:
            if refusal.code == "BlobNotFound":
                return None
            if refusal.code == "InvalidRange":  # there is no byte at `start`
                return await self.find(name, doing=doing)
            raise
        return _blob(answer)

    async def find(self, name: str, *, doing: str) -> Blob | None:
        """Return what is known of a blob, without its body; None when there is none."""
        try:
            return _blob(await self._ask("HEAD", name, doing=doing))
        except StorageRefusal as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def set_metadata(
        self,
        name: str,
        metadata: Mapping[str, str],
        *,
        doing: str,
        condition: Mapping[str, str] | None = None,
    ) -> None:
        """Give a blob other metadata."""
        headers = {**_labels(metadata), **(condition or {})}
        await self._put(name, b"", doing=doing, query={"comp": "metadata"}, headers=headers)

    async def delete(
        self, name: str, *, doing: str, condition: Mapping[str, str] | None = None
    ) -> None:
        """Delete a blob."""
        await self._ask("DELETE", name, doing=doing, headers=condition)

    async def list(
        self, prefix: str, *, doing: str, most: int, after: str | None = None
    ) -> Listing:
        """Return at most so many blobs of a prefix, from where an earlier listing ended."""
        query = {"restype": "container", "comp": "list", "prefix": prefix, "include": "metadata"}
        query |= {"maxresults": str(most)} | ({"marker": after} if after else {})
        return _listing((await self.client.send("GET", self.url, doing=doing, query=query)).body)

    async def _put(
        self,
        name: str,
        body: bytes | Body,
        *,
        doing: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        return await self.client.send(
            "PUT", self.address(name), doing=doing, query=query, headers=headers, body=body
        )

    async def _ask(
        self, method: str, name: str, *, doing: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        return await self.client.send(method, self.address(name), doing=doing, headers=headers)


def _blob(answer: Response) -> Blob:
    metadata = {
        name.lower().removeprefix(_META): value
        for name, value in answer.headers.items()
        if name.lower().startswith(_META)
    }
    size = answer.headers.get("content-range", "").rpartition("/")[2]
    return Blob(
        answer.etag,
        answer.headers.get("content-type"),
        metadata,
        size=int(size or answer.headers.get("content-length", "0")),
        body=answer.body,
        modified_at=_moment(answer.headers.get("last-modified")),
    )


def _moment(text: str | None) -> datetime | None:
    return parsedate_to_datetime(text) if text else None


def _listing(body: bytes) -> Listing:
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
    return Listing(blobs, root.findtext("NextMarker") or None)


def _labels(metadata: Mapping[str, str] | None) -> dict[str, str]:
    return {f"{_META}{name.lower()}": value for name, value in (metadata or {}).items()}


def _id(block: str) -> str:
    return base64.b64encode(block.encode()).decode()
