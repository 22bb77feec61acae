"""The metadata of pictures as Exiv2 reads it, which is not what writes it."""

import pyexiv2


def read_xmp(data: bytes) -> dict[str, object]:
    """Return the XMP of a picture by Exiv2's names, a list of references by their places."""
    with pyexiv2.ImageData(data) as image:
        xmp: dict[str, object] = image.read_xmp()
    return xmp
