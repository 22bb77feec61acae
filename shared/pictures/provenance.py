"""Where a picture comes from: the manifest that an original holds, the metadata of what is made.

A manifest of C2PA (Content Credentials) is found by the structure of a file, and nothing in it is
believed: it is present, which does not say that its signature is valid. Where each format holds it:
https://spec.c2pa.org/specifications/specifications/2.2/specs/C2PA_Specification.html, appendix A.

Pictures made from an original say so in XMP, in the terms of the IPTC Photo Metadata Standard
(https://www.iptc.org/std/photometadata/specification/), without a signature and without the prompt.
"""

from collections.abc import Generator
from dataclasses import dataclass
from html import escape
from typing import Final

#: Yields how many bytes it needs, or, below zero, how many to skip. Returns whether a manifest is
#: there.
type _Walk = Generator[int, bytes, bool]

#: A JUMBF box up to the type of its content: length, `jumb`, length, `jumd`, `c2pa`.
_BOX: Final = 20
#: In an APP11 segment before the box: `JP`, the instance, the segment's number in a sequence.
_APP11_HEAD: Final = 8
#: In a `uuid` box before the JUMBF box: UUID, version and flags, purpose, offset.
_UUID: Final = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_PURPOSE: Final = b"manifest\x00"
_UUID_HEAD: Final = len(_UUID) + 4 + len(_PURPOSE) + 8
_APP11, _SCAN, _END = 0xEB, 0xDA, 0xD9
#: Markers without a segment: TEM, RST0 to RST7.
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})


class ManifestScanner:
    """Sees whether a PNG, JPEG, WebP or AVIF holds a C2PA manifest, fed in chunks of any length.

    It reads the heads of what a file consists of and skips the data: it keeps less than 60 bytes.
    """

    def __init__(self) -> None:
        #: Whether a manifest was seen so far.
        self.present = False
        self._walk: _Walk | None = _walk()
        self._wanted = next(self._walk)
        self._held = b""

    def feed(self, data: bytes) -> None:
        """Scan the next bytes of the file."""
        at = 0
        while self._walk and at < len(data):
            step = min(abs(self._wanted) - len(self._held), len(data) - at)
            if self._wanted < 0:
                self._wanted += step
            else:
                self._held += data[at : at + step]
            at += step
            if self._wanted == len(self._held):
                self._advance(self._walk)

    def _advance(self, walk: _Walk) -> None:
        held, self._held, self._wanted = self._held, b"", 0
        try:
            while not self._wanted:
                self._wanted = walk.send(held)
                held = b""
        except StopIteration as end:
            self.present, self._walk = end.value, None


def _walk() -> _Walk:
    start = yield 4
    if start == b"\x89PNG":
        return (yield from _walk_png())
    if start.startswith(b"\xff\xd8"):
        return (yield from _walk_jpeg(start[2:]))
    if start == b"RIFF":
        return (yield from _walk_webp())
    return (yield from _walk_avif(start))


def _walk_png() -> _Walk:
    yield -4  # the rest of the signature
    while True:
        head = yield 8
        length, name = int.from_bytes(head[:4]), head[4:]
        if name == b"IEND":
            return False
        if name == b"caBX" and length >= _BOX:
            if _is_manifest((yield _BOX)):
                return True
            length -= _BOX
        yield -(length + 4)  # and the checksum


def _walk_jpeg(marker: bytes) -> _Walk:
    """Look at the segments before the first scan; `marker` is the first one."""
    while marker[0] == 0xFF:  # noqa: PLR2004 (what begins a marker, or fills up before it)
        kind = marker[1]
        if kind in {_SCAN, _END}:
            return False
        if kind == 0xFF:  # noqa: PLR2004 (as above)
            marker = marker[1:] + (yield 1)
            continue
        if kind not in _ALONE:
            length = int.from_bytes((yield 2)) - 2
            if length < 0:
                return False
            if kind == _APP11 and length >= _APP11_HEAD + _BOX:
                head = yield _APP11_HEAD + _BOX
                is_first = head.startswith(b"JP") and head[4:_APP11_HEAD] == b"\0\0\0\1"
                if is_first and _is_manifest(head[_APP11_HEAD:]):
                    return True
                length -= len(head)
            yield -length
        marker = yield 2
    return False


def _walk_webp() -> _Walk:
    head = yield 8
    left = int.from_bytes(head[:4], "little") - 4
    while head[4:] == b"WEBP" and left >= 8 + _BOX:
        chunk = yield 8
        length = int.from_bytes(chunk[4:], "little")
        length += length % 2  # chunks are padded
        left -= 8 + length
        if chunk[:4] == b"C2PA" and length >= _BOX:
            if _is_manifest((yield _BOX)):
                return True
            length -= _BOX
        yield -length
    return False


def _walk_avif(size: bytes) -> _Walk:
    name = yield 4
    if name != b"ftyp":
        return False
    while True:
        length = int.from_bytes(size) - 8
        if length == 1 - 8:  # eight bytes of length follow
            length = int.from_bytes((yield 8)) - 16
        if length < 0:  # up to the end of the file, or no length at all
            return False
        if name == b"uuid" and length >= _UUID_HEAD + _BOX:
            head = yield _UUID_HEAD + _BOX
            purpose = head[len(_UUID) + 4 :]
            is_c2pa = head.startswith(_UUID) and purpose.startswith(_PURPOSE)
            if is_c2pa and _is_manifest(head[_UUID_HEAD:]):
                return True
            length -= len(head)
        yield -length
        size, name = (yield 4), (yield 4)


def _is_manifest(box: bytes) -> bool:
    return box[4:8] == b"jumb" and box[12:] == b"jumdc2pa"


#: https://cv.iptc.org/newscodes/digitalsourcetype/
_SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_PACKET: Final = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF \
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" \
xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" \
xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" \
xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" \
xmlns:stRef="http://ns.adobe.com/xap/1.0/sType/ResourceRef#">
<Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
<Iptc4xmpExt:AISystemUsed>{models}</Iptc4xmpExt:AISystemUsed>
<photoshop:TransmissionReference>{job_id}</photoshop:TransmissionReference>
{originals}
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a picture that is made from originals says about them."""

    job_id: str
    #: The models that made the originals.
    models: tuple[str, ...]
    #: SHA-256 of each original, hexadecimal.
    originals: tuple[str, ...]
    #: The originals were made by editing given pictures.
    edited: bool

    def to_xmp(self) -> bytes:
        """Return an XMP packet: below 60 kB for 500 originals, as a JPEG holds 65 kB.

        `DerivedFrom` names one original, `Ingredients` several; IPTC's Job Id is Photoshop's
        `TransmissionReference`.
        """
        kind = "compositeWithTrainedAlgorithmicMedia" if self.edited else "trainedAlgorithmicMedia"
        references = [f'stRef:instanceID="sha256:{escape(each)}"' for each in self.originals]
        if len(references) == 1:
            originals = f"<xmpMM:DerivedFrom {references[0]}/>"
        else:
            items = "".join(f"<rdf:li {each}/>" for each in references)
            originals = f"<xmpMM:Ingredients><rdf:Bag>{items}</rdf:Bag></xmpMM:Ingredients>"
        return _PACKET.format(
            source_type=_SOURCE_TYPES + kind,
            models=escape(", ".join(self.models)),
            job_id=escape(self.job_id),
            originals=originals,
        ).encode()
