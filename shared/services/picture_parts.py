"""Parts of stored pictures: some bytes at a time, so that serving one never holds it whole."""

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob.aio import BlobClient

from ..ports import PicturePart
from .storage_accounts import error_code, storage_errors


async def read_part(blob: BlobClient, start: int, length: int) -> PicturePart | None:
    """Return at most `length` bytes from `start` on, none past the end; None if it is no blob."""
    with storage_errors(f"reading {blob.blob_name!r}"):
        try:
            stream = await blob.download_blob(offset=start, length=length)
        except ResourceNotFoundError as error:
            if error_code(error) == "BlobNotFound":
                return None
            raise
        except HttpResponseError as error:
            if error_code(error) != "InvalidRange":
                raise
            found = await blob.get_blob_properties()
            data, total = b"", int(found.size)
        else:
            found, data = stream.properties, await stream.readall()
            total = int(str(found.content_range).rpartition("/")[2])
    return PicturePart(
        data=data,
        start=start,
        total=total,
        content_type=str(found.content_settings.content_type),
        version=str(found.etag),
    )
