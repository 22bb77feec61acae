import hashlib
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.http_api.problems import Refused
from shared.workflows.uploads import PART_BYTES, UploadPart, read_upload

BODY = b"a picture"
DIGEST = f"sha-256=:{b64encode(hashlib.sha256(BODY).digest()).decode()}:"


def read(
    name: str = "shop/fox.png",
    body: bytes = BODY,
    tenant: str | None = None,
    **headers: str,
) -> UploadPart:
    given = {"Content-Type": "image/png"} | {
        key.replace("_", "-"): value for key, value in headers.items()
    }
    return read_upload(name, given, body, tenant=tenant)


def test_a_whole_body_is_the_only_part_and_its_digest_is_its_own() -> None:
    part = read()
    assert (part.number, part.count, part.is_last) == (0, 1, True)
    assert part.sha256 == hashlib.sha256(BODY).hexdigest()
    assert read(Repr_Digest=f"md5=:AAAA:, {DIGEST}") == part


@given(total=st.integers(1, (50 << 20) - 1), data=st.data())
def test_parts_of_a_picture_tell_all_of_its_blocks(total: int, data: st.DataObject) -> None:
    count = -(-total // PART_BYTES)
    number = data.draw(st.integers(0, count - 1))
    start = number * PART_BYTES
    length = min(PART_BYTES, total - start)
    ranged: dict[str, Any] = {
        "Content_Range": f"bytes {start}-{start + length - 1}/{total}",
        "Repr_Digest": DIGEST,
    }
    part = read(body=bytes(length), **(ranged if count > 1 else {}))
    assert (part.number, part.count, part.is_last) == (number, count, number == count - 1)
    assert len(set(part.blocks)) == count
    assert len({len(block) for block in part.blocks}) == 1


@pytest.mark.parametrize(
    ("headers", "code", "why"),
    [
        ({"Content_Type": "text/html"}, "unsupported_media_type", "send image/png"),
        ({"Content_Range": "bytes 0-8/20"}, "invalid_upload", "exactly 4,194,304 bytes"),
        ({"Content_Range": "bytes 0-7/9"}, "invalid_upload", "of the 9 bytes of the body"),
        ({"Content_Range": "bytes 1-9/10"}, "invalid_upload", "exactly 4,194,304 bytes"),
        ({"Content_Range": "bytes 0-8/*"}, "invalid_upload", "first-last/total"),
        ({"Content_Range": "bytes 4194304-4194312/4194313"}, "invalid_upload", "Repr-Digest"),
        ({"Content_Range": "bytes 0-8/99999999"}, "too_large", "99,999,999 bytes"),
        ({"Repr_Digest": "sha-256=:AAAA:"}, "invalid_upload", "sha-256=:…: in base64"),
        ({"Repr_Digest": f"sha-256=:{'A' * 43}=:"}, "invalid_upload", "not the SHA-256"),
    ],
)
def test_what_an_upload_lacks_is_named(headers: dict[str, Any], code: str, why: str) -> None:
    with pytest.raises(Refused) as caught:
        read(**headers)
    assert caught.value.problem.code == code
    assert why in caught.value.problem.detail


@pytest.mark.parametrize(
    ("name", "tenant", "code"),
    [
        ("../fox.png", None, "invalid_upload"),
        ("", None, "invalid_upload"),
        ("a//b", None, "invalid_upload"),
        ("pictures/fox.png", None, "invalid_upload"),
        ("prompts/fox.png", "prompts", "invalid_upload"),
        ("linked/a/b", None, "invalid_upload"),
        ("shop/linked/a/b", "shop", "invalid_upload"),
        ("fox.png", "shop", "not_allowed"),
        ("shop", "shop", "not_allowed"),
        ("press/fox.png", "shop", "not_allowed"),
        ("shop-2/fox.png", "shop", "not_allowed"),
    ],
)
def test_a_name_is_outside_the_apps_folders_and_in_the_callers(
    name: str, tenant: str | None, code: str
) -> None:
    with pytest.raises(Refused) as caught:
        read(name, tenant=tenant)
    assert caught.value.problem.code == code
    assert read("shop/fox.png", tenant="shop").name == "shop/fox.png"


@pytest.mark.parametrize(
    ("body", "code"), [(b"", "invalid_upload"), (bytes(PART_BYTES + 1), "too_large")]
)
def test_a_body_is_not_empty_and_is_bounded(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as caught:
        read(body=body)
    assert caught.value.problem.code == code
