"""Manifests are known by their extension, and by the messages that report them."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from local.contracts.schemas import ROOT
from shared.batches.manifest import (
    Continuation,
    CreatedBlob,
    Format,
    batch_id_of,
    entry_seed,
    format_of,
    list_batch_id,
    name_in_folder,
    read_notice,
    tenant_of_file,
)
from shared.errors import MalformedMessage

AT = datetime(2026, 11, 22, 11, tzinfo=UTC)
CREATED = "Microsoft.Storage.BlobCreated"
SUBJECT = "/blobServices/default/containers/manifests/blobs/a b/foxes.csv"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("foxes.json", Format.JSON),
        ("foxes.NDJSON", Format.JSONL),
        ("a.b/foxes.jsonl", Format.JSONL),
        ("foxes.CSV", Format.CSV),
    ],
)
def test_the_extension_says_how_a_manifest_is_written(name: str, written: Format) -> None:
    assert format_of(name) is written


@pytest.mark.parametrize("name", ["foxes", "foxes.xlsx", "json"])
def test_another_extension_is_a_fault(name: str) -> None:
    with pytest.raises(ValueError, match=r"use one of \.json, \.jsonl, \.ndjson, \.csv"):
        format_of(name)


def said(**message: Any) -> bytes:  # noqa: ANN401 (any member of an event)
    return json.dumps(message).encode()


@pytest.mark.parametrize("kind", ["eventType", "type"])
@pytest.mark.parametrize(("tag", "version"), [('"0x8D"', "0x8D"), ("0x8D", "0x8D"), (None, None)])
def test_a_created_blob_is_read_in_either_schema(
    kind: str, tag: str | None, version: str | None
) -> None:
    body = said(**{kind: CREATED}, subject=SUBJECT, data={"eTag": tag})
    assert read_notice(body) == CreatedBlob("manifests", "a b/foxes.csv", version)


def test_the_message_of_the_page_reports_a_file() -> None:
    text = (ROOT / "docs" / "batches.md").read_text("utf-8")
    (message,) = re.findall(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert read_notice(message.encode()) == CreatedBlob(
        "manifests", "foxes.csv", "0x8DC8A5F2C3B4A10"
    )


@pytest.mark.parametrize(
    "message",
    [
        {"eventType": "Microsoft.Storage.BlobDeleted", "subject": "x"},
        {"eventType": CREATED, "data": {"api": "CreateFile"}},
    ],
)
def test_another_event_starts_nothing(message: dict[str, Any]) -> None:
    assert read_notice(said(**message)) is None


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({}, "not an event"),
        ({"eventType": CREATED, "subject": "/x"}, "subject: is not a blob"),
        ({"eventType": CREATED}, "subject: is not a blob"),
        ({"batch_id": "b1"}, "step: is missing"),
        ({"batch_id": 1, "step": 0}, "batch_id: 1 is not text"),
    ],
)
def test_a_message_that_says_nothing_is_malformed(message: dict[str, Any], why: str) -> None:
    with pytest.raises(MalformedMessage, match=why):
        read_notice(said(**message))


def test_a_continuation_is_read_as_it_was_sent_and_as_it_was_sent_before_steps() -> None:
    sent = Continuation(batch_id="b1", step=4, waited=2.5)
    assert read_notice(sent.to_bytes()) == sent
    assert read_notice(said(batch_id="b1", turn=4, waited=2.5)) == sent


def test_ids_are_the_same_each_time_and_of_one_version_alone() -> None:
    assert batch_id_of("a", '"0x8D"', AT) == batch_id_of("a", "0x8D", AT)
    assert batch_id_of("a", "0x8D", AT) != batch_id_of("b", "0x8D", AT)
    assert entry_seed("a", '"0x8D"', 7) == entry_seed("a", "0x8D", 7) != entry_seed("a", "0x8D", 8)
    assert list_batch_id("key", "digest") == list_batch_id("key", "other")
    assert (
        len({list_batch_id(None, "one"), list_batch_id(None, "two"), list_batch_id("one", "")}) == 3
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"batch_id": "a", "step": 1, "waited": 1e999}', "waited: inf is not a finite number"),
        (b'{"batch_id": "a", "step": 1, "\\ud800": 5}', "a name in it is not valid Unicode"),
        (b'{"batch_id": "a", "step": 9999999999}', "step: 9999999999 is too big; at most"),
        (b'{"batch_id": "a", "step": "soon"}', "step: 'soon' is not a whole number"),
    ],
)
def test_a_wrong_continuation_is_malformed(body: bytes, says: str) -> None:
    with pytest.raises(MalformedMessage, match=says):
        read_notice(body)


@pytest.mark.parametrize(
    ("name", "tenant"),
    [
        ("tenants/shop/foxes.csv", "shop"),
        ("tenants/shop-2/2026/foxes.csv", "shop-2"),
        ("shop/foxes.csv", None),
        ("client/tenants/shop/foxes.csv", None),
        ("tenants.csv", None),
    ],
)
def test_the_folder_of_a_file_may_name_its_tenant(name: str, tenant: str | None) -> None:
    assert tenant_of_file(name) == tenant


@pytest.mark.parametrize("folder", ["", "Shop/", "shop", "a b/", "shop\n/", "../", "x" * 41 + "/"])
def test_a_folder_of_tenants_that_names_none_is_a_fault(folder: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a tenant"):
        tenant_of_file(f"tenants/{folder}" + ("foxes.csv" if folder.endswith("/") else ""))


def test_a_file_is_placed_in_the_folder_of_its_tenant() -> None:
    assert name_in_folder(None, "client/a.csv") == "client/a.csv"
    assert name_in_folder("shop", "client/a.csv") == "tenants/shop/client/a.csv"
    with pytest.raises(ValueError, match="'Shop' is not the name of a tenant"):
        name_in_folder("Shop", "client/a.csv")
