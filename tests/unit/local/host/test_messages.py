import json

import pytest
from azure.storage.queue import QueueMessage

from local.host.messages import BadOutput, Undecodable, decode, encode, metadata, output_bodies
from local.host.protos import PROTOS, TypedData
from local.host.routes import Keys


def test_only_a_set_field_counts() -> None:
    assert TypedData(string="a").WhichOneof("data") == "string"
    assert TypedData(string="").WhichOneof("data") == "string"
    assert TypedData().WhichOneof("data") is None
    assert PROTOS.ParameterBinding(name="x", data=TypedData()).WhichOneof("rpc_data") == "data"


def test_base64_round_trips_and_plain_text_is_refused() -> None:
    assert decode(encode("grün".encode(), "base64"), "base64") == "grün".encode()
    assert decode("grün", "none") == "grün".encode()
    with pytest.raises(Undecodable):
        decode("not base64!", "base64")


def test_json_properties_overwrite_metadata_as_text() -> None:
    body = {"id": 7, "dequeueCount": "x", "list": [1], "none": None, "flag": True}
    found = metadata(QueueMessage(content=""), json.dumps(body).encode(), binary=False)
    assert vars(found["Id"]) == {"string": "7"}
    assert vars(found["DequeueCount"]) == {"string": "x"}
    assert vars(found["flag"]) == {"string": "True"}
    assert not {"list", "none", "id"} & set(found)


def test_binary_data_is_not_parsed() -> None:
    found = metadata(QueueMessage(content=""), b'{"id": 7}', binary=True)
    assert found["Id"].WhichOneof("data") is None


def test_an_iso_date_in_json_is_rewritten_as_dotnet_does() -> None:
    body = b'{"when": "2026-02-03T04:05:06Z"}'
    found = metadata(QueueMessage(content=""), body, binary=False)
    assert vars(found["when"]) == {"string": "02/03/2026 04:05:06"}


@pytest.mark.parametrize(
    ("value", "bodies"),
    [
        (TypedData(bytes=b'["a"]'), [b'["a"]']),
        (TypedData(string="plain"), [b"plain"]),
        (TypedData(string=' ["a", 1]'), [b"a", b"1"]),
        (TypedData(string='{"a":1}'), [b'{\n  "a": 1\n}']),
        (TypedData(json='["a", "b"]'), [b"a", b"b"]),
        (TypedData(), []),
    ],
)
def test_an_output_becomes_messages(value: TypedData, bodies: list[bytes]) -> None:
    assert output_bodies(value) == bodies


def test_text_in_brackets_that_is_no_json_is_refused() -> None:
    with pytest.raises(BadOutput, match="use bytes"):
        output_bodies(TypedData(string="[oh no]"))


def test_a_key_opens_its_levels() -> None:
    keys = Keys(function="f", master="m")
    assert keys.opens("anonymous", None)
    assert keys.opens("function", "f")
    assert keys.opens("admin", "m")
    assert not keys.opens("admin", "f")
    assert not keys.opens("function", "g")
