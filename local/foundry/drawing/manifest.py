"""A C2PA manifest in a drawn picture: there, though not valid, as it was made for another one."""

import zlib
from functools import cache
from pathlib import Path

_AFTER_IHDR = 33  # signature, and the first chunk of a PNG
_AFTER_SOI = 2


def add_manifest(picture: bytes) -> bytes:
    """Return a PNG or JPEG with a manifest where its signer puts it."""
    manifest = _manifest()
    if picture.startswith(b"\xff\xd8"):
        # Common identifier, instance, number in the sequence (ISO/IEC 19566-5, annex D).
        data = b"JP\x02\x11\x00\x00\x00\x01" + manifest
        segment = b"\xff\xeb" + (len(data) + 2).to_bytes(2) + data
        return picture[:_AFTER_SOI] + segment + picture[_AFTER_SOI:]
    data = b"caBX" + manifest
    chunk = len(manifest).to_bytes(4) + data + zlib.crc32(data).to_bytes(4)
    return picture[:_AFTER_IHDR] + chunk + picture[_AFTER_IHDR:]


@cache
def _manifest() -> bytes:
    """Return the manifest of a picture that `tests/builders/signed_pictures.py` signed."""
    return Path(__file__).with_suffix(".c2pa").read_bytes()
