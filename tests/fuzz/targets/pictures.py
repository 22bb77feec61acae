"""Pictures, measured from their bytes as Pillow measures them, whatever the chunks."""

import io
import warnings
from functools import cache
from random import Random
from typing import Final

from PIL import Image

from local.foundry.drawing.manifest import add_manifest
from shared.pictures.inputs import InputHead, read_inputs
from shared.pictures.measuring import PictureFacts, PictureMeter

from ..grammar import choose
from ..oracles import Finding, Oracle, Verdict, ask, same
from .manifests import cuts
from .target import Target

_TYPES: Final = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
_MOST_PIXELS: Final = 1 << 20


def _measure(data: bytes, *, in_parts: bool) -> PictureFacts:
    meter = PictureMeter()
    for chunk in cuts(data) if in_parts else (data,):
        meter.feed(chunk)
    return meter.finish()


def _read_picture(data: bytes) -> None:
    whole = ask("the meter", lambda: _measure(data, in_parts=False))
    parts = ask("the meter in parts", lambda: _measure(data, in_parts=True))
    same("the meter depends on its chunks", one=parts, other=whole)
    opened = _open(data)
    if opened:
        _compare("the meter", opened, whole)
    head = InputHead("0x8", len(data), data)
    pictures, faults = ask(
        "read_inputs", lambda: read_inputs(["a"], "m", {"a": head, "m": head})
    ).value or ((), ())
    if not (pictures or faults):
        raise Finding(Oracle.FAULTS, "an input is neither taken nor refused")
    taken = next((each for each in pictures if each.role == "input"), None)
    if opened and taken and (taken.content_type, taken.width, taken.height) != opened:
        raise Finding(
            Oracle.PICTURES, "an input is measured in another way", f"{taken} is not {opened}"
        )


type _Opened = tuple[str, int, int]


def _open(data: bytes) -> _Opened | None:
    """Return what Pillow reads of a whole picture; None if it can't open it."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height <= _MOST_PIXELS and picture.format in _TYPES:
                size = picture.size
                picture.load()
                return _TYPES[picture.format], *size
    except Exception:  # noqa: BLE001 - whatever Pillow raises for what is not a picture
        return None
    return None


def _compare(what: str, opened: _Opened, verdict: Verdict[PictureFacts]) -> None:
    facts = verdict.value
    # Pillow opens what is cut off behind its last pixel, and what is not at the start of a file.
    if facts and (facts.content_type, facts.width, facts.height) != opened:
        raise Finding(Oracle.PICTURES, f"{what} and Pillow differ", f"{facts} is not {opened}")


@cache
def _drawn() -> tuple[bytes, ...]:
    """Return a picture of each kind."""
    files = []
    for kind, options in (
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True, "restart_marker_blocks": 1}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0" + b"x" * 20}),
    ):
        for size in ((3, 2), (31, 17)):
            file = io.BytesIO()
            noise = Image.effect_noise(size, 80).convert("RGB")
            noise.save(file, kind, **options)
            files.append(file.getvalue())
    for mode in ("RGBA", "P", "LA", "I;16"):
        file = io.BytesIO()
        Image.new(mode, (5, 4)).save(file, "PNG")
        files.append(file.getvalue())
    return (*files, *map(add_manifest, files[:3]))


def _make_picture(rng: Random) -> bytes:
    data = rng.choice(_drawn())
    at = rng.randint(0, len(data))
    return choose(
        rng,
        (2, lambda: data),
        (2, lambda: data[:at]),
        (2, lambda: data + rng.randbytes(rng.choice((1, 8, 100)))),
        (
            3,
            lambda: (
                data[:at]
                + rng.randbytes(rng.choice((1, 2, 4)))
                + data[at + rng.choice((0, 1, 4)) :]
            ),
        ),
        (1, lambda: data[:at] + rng.choice(_drawn()) + data[at:]),
        (1, lambda: b""),
    )


TARGETS: Final = (Target("pictures", _read_picture, _make_picture, 9),)
