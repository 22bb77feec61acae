"""From the bytes of a message to a job: envelopes, derived ids, what is no job at all."""

import base64
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidJob, MalformedMessage, Rejected
from shared.jobs.parsing import (
    MAX_MESSAGE_BYTES,
    Message,
    derived_job_id,
    open_envelope,
    read_job,
    tenant_of,
)
from tests.builders.messages import INSERTED_AT, faults, messages, read

JOB = {"job_id": "fox", "prompt": "a fox in the snow"}
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
EVENT = {"specversion": "1.0", "id": "7", "source": "/shop", "type": "job.wanted"}


WRAPPINGS: list[Callable[[str], bytes]] = [
    lambda text: text.encode("utf-16"),
    lambda text: text.encode("utf-16-le"),
    lambda text: text.encode("utf-16-be"),
    lambda text: base64.b64encode(text.encode("utf-16-le")),
    lambda text: base64.b64encode(text.encode("utf-16")),
    lambda text: base64.b64encode(base64.b64encode(text.encode())),
    lambda text: base64.b64encode(text.encode()).rstrip(b"="),
    lambda text: base64.urlsafe_b64encode(text.encode()),
    lambda text: base64.urlsafe_b64encode(text.encode()).rstrip(b"=") + b"\n",
    lambda text: repr(text.encode()).encode(),
    lambda text: repr(base64.b64encode(text.encode())).encode(),
    lambda text: base64.b64encode(repr(text.encode()).encode()),
    lambda text: json.dumps(text).encode(),
    lambda text: json.dumps(base64.b64encode(text.encode()).decode()).encode(),
]


def why_malformed(body: object) -> str:
    with pytest.raises(MalformedMessage) as refused:
        read(body)
    (fault,) = refused.value.faults
    assert refused.value.job_id is None
    return str(fault)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(JOB).encode(),
        b"\xef\xbb\xbf" + json.dumps(JOB, indent=2).encode() + b"\r\n",
        base64.b64encode(json.dumps(JOB).encode()),
        base64.encodebytes(json.dumps(JOB, indent=8).encode()),
        base64.b64encode(b"\xef\xbb\xbf" + json.dumps(JOB).encode()),
        json.dumps(EVENT | {"data": JOB}).encode(),
        base64.b64encode(json.dumps(EVENT | {"data": JOB}).encode()),
        *(
            wrap(json.dumps(JOB | {"tags": {"a": "\u00fc\u00fb?>"}}, ensure_ascii=False))
            for wrap in WRAPPINGS
        ),
        json.dumps(
            EVENT | {"data_base64": base64.b64encode(json.dumps(JOB).encode()).decode()}
        ).encode(),
    ],
)
def test_a_job_is_found_in_any_envelope(body: bytes) -> None:
    assert read(body).model_copy(update={"tags": {}}) == read(JOB)


@given(messages(), st.sampled_from(WRAPPINGS))
def test_what_clients_wrap_around_a_job_changes_nothing(
    message: dict[str, Any], wrap: Callable[[str], bytes]
) -> None:
    text = json.dumps(message | {"job_id": "fox"})
    assert read(wrap(text)) == read(text.encode())


@given(messages())
def test_the_envelope_changes_nothing_of_the_job(message: dict[str, Any]) -> None:
    message |= {"job_id": "fox"}
    assert read(EVENT | {"data": message}) == read(message)
    assert read(base64.b64encode(json.dumps(message).encode())) == read(message)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the message is empty"),
        (b" \n", "the message is empty"),
        (b"\xef\xbb\xbf", "the message is empty"),
        (b"hello", "neither a JSON object nor base64 of one"),
        (b'{"prompt": "a"', "at line 1 column 15"),
        (b'{"prompt": "a",}', "no comma is allowed before a closing bracket, at line 1"),
        (b"{'prompt': 'a'}", "JSON has double quotes, not single ones, at line 1 column 2"),
        (b'{"prompt": "a}', "a text is not closed; its quotes begin at line 1 column 12"),
        (b'{"prompt": "a\nb"}', "a text contains U+000A; write it as \\u000a, at line 1 column 14"),
        (b'{"prompt": "a"} {}', "'{' is not expected at line 1 column 17"),
        (
            base64.b64encode(b"\x1f\x8b" + bytes(range(200, 230))),
            "what it holds in base64 is not UTF-8 text",
        ),
        (b"b'\\xff\\xfe\\xff'", "not UTF-16 text"),
        (b"\xff{}", "byte 0 is 0xff"),
        ([1, 2], "contains a list of 2; it must be one job"),
        (b'"secret"', "contains text; it must"),
        (b"17", "contains 17; it must"),
        (b'{"n": NaN}', "NaN is not a JSON number"),
        (b'{"n": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"n": ' + b"9" * 5_000 + b"}", "a number with 5,000 digits"),
        (b"[" * 60_000, "nested too deeply"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested too deeply; at most 32 levels"),
        (b" " * MAX_MESSAGE_BYTES + b"{}", "has 65,538 bytes; at most 65,536 are allowed"),
        (EVENT | {"specversion": "0.3", "data": JOB}, "specversion '0.3' is not '1.0'"),
        ({"specversion": "1.0", "data": JOB, "id": "1", "type": "t"}, "has no source"),
        (EVENT | {"id": 7, "data": JOB}, "has no id"),
        (EVENT, "has no data"),
        (EVENT | {"data": "secret"}, "data is text; it must be the job"),
        (EVENT | {"data": [JOB]}, "data is a list of 1"),
        (EVENT | {"data_base64": "?"}, "data_base64 is not base64"),
        (EVENT | {"data_base64": "e30x"}, "data_base64 is neither a JSON object nor base64"),
    ],
)
def test_what_holds_no_job_is_malformed(body: object, says: str) -> None:
    why = why_malformed(body)
    assert says in why
    assert "secret" not in why


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_job_or_rejected(body: bytes) -> None:
    with pytest.raises(Rejected):
        read(body)


@given(
    st.dictionaries(
        st.sampled_from(["prompt", "size", "tags", "finish", "n", "models", "job_id", "deadline"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_any_object_is_a_job_or_has_faults(message: dict[str, Any]) -> None:
    try:
        job = read(message)
    except Rejected as rejected:
        assert rejected.faults  # noqa: PT017 - both ends are fine
    else:
        assert job.prompt


def test_a_name_that_stands_twice_is_a_fault_at_its_place() -> None:
    body = b'{"prompt":"a","n":1,"n":2,"tags":{"a":"1","a":"2"},"finish":{"x":{"y":1,"y":2}}}'
    with pytest.raises(InvalidJob) as refused:
        read(body)
    twice = [fault.field for fault in refused.value.faults if "twice" in fault.message]
    assert twice == ["n", "finish.x.y", "tags.a"]


def test_a_rejection_carries_an_id_that_can_be_trusted() -> None:
    for message, job_id in [
        (b'{"job_id": "fox", "n": 0}', "fox"),
        (b'{"job_id": "f/x", "n": 0}', None),
        (b'{"job_id": "fox", "job_id": "ox", "prompt": "a"}', None),
        (b'{"n": 0}', None),
    ]:
        with pytest.raises(InvalidJob) as refused:
            read(message)
        assert refused.value.job_id == job_id


def test_a_redelivery_gives_the_same_id_and_another_message_another() -> None:
    bare = {"prompt": "a fox"}
    assert read(bare, seed="m1").job_id == read(bare, seed="m1").job_id
    assert read(bare, seed="m1").job_id != read(bare, seed="m2").job_id


def test_a_cloud_event_that_is_sent_twice_is_one_job() -> None:
    for event in (EVENT, EVENT | {"time": "2026-11-30T16:59:00Z"}, EVENT | {"time": "soon"}):
        body = json.dumps(event | {"data": {"prompt": "a fox"}}).encode()
        first = read_job(Message(body, "m1", INSERTED_AT))
        again = read_job(Message(body, "m2", INSERTED_AT + timedelta(hours=1)))
        assert first == again
    other = EVENT | {"id": "8", "data": {"prompt": "a fox"}}
    assert read(other).job_id != read(EVENT | {"data": {"prompt": "a fox"}}).job_id


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)),  # noqa: DTZ001 - made aware below
    st.text(),
)
def test_a_derived_id_is_a_uuid_of_version_7(moment: datetime, seed: str) -> None:
    at = moment.replace(tzinfo=UTC)
    made = uuid.UUID(derived_job_id(at, seed))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert abs((made.int >> 80) - at.timestamp() * 1000) <= 1


def test_derived_ids_sort_by_time() -> None:
    later = INSERTED_AT + timedelta(seconds=1)
    assert derived_job_id(INSERTED_AT, "z") < derived_job_id(later, "a")


def test_a_trace_is_taken_over_from_the_event_unless_the_job_has_its_own() -> None:
    own = TRACE.replace("a", "c")
    assert read(EVENT | {"traceparent": TRACE, "data": JOB}).traceparent == TRACE
    traced = JOB | {"traceparent": own}
    assert read(EVENT | {"traceparent": TRACE, "data": traced}).traceparent == own


def test_a_broken_trace_of_the_event_is_no_reason_to_refuse_its_job() -> None:
    assert read(EVENT | {"traceparent": "00-zz", "data": JOB}).traceparent is None


def test_the_tenant_of_the_event_is_that_of_its_job_unless_the_job_has_one() -> None:
    assert read(JOB).tenant == "default"
    assert read(EVENT | {"tenant": "shop", "data": JOB}).tenant == "shop"
    assert read(EVENT | {"tenant": "shop", "data": JOB | {"tenant": "own"}}).tenant == "own"
    assert "tenant" in faults(EVENT | {"tenant": "No Name", "data": JOB})


@pytest.mark.parametrize(
    ("body", "tenant"),
    [
        (b'{"prompt": "a", "n": 99, "tenant": "shop"}', "shop"),
        (b'{"prompt": "a", "n": 99}', "default"),
        (b'{"prompt": "a", "tenant": null}', "default"),
        (b'{"prompt": "a", "tenant": "Not A Name"}', None),
        (b'{"prompt": "a", "tenant": ["shop"]}', None),
        (b'{"tenant": "shop", "tenant": "press"}', None),
        (b'{"command": "cancel", "job": "fox-1"}', None),
    ],
)
def test_the_tenant_of_a_rejected_message_is_the_one_that_can_be_read(
    body: bytes, tenant: str | None
) -> None:
    envelope = open_envelope(Message(body, "m", INSERTED_AT))
    assert tenant_of(envelope) == tenant
    assert tenant_of(envelope, "press") == tenant_of(None, "press") == "press"
    assert tenant_of(None) is None


def test_the_tenant_of_a_rejected_event_is_its_own_where_its_job_names_none() -> None:
    event = EVENT | {"tenant": "news"}
    for data, tenant in [({"n": 99}, "news"), ({"tenant": "shop"}, "shop"), ({"tenant": 7}, None)]:
        body = json.dumps(event | {"data": data}).encode()
        assert tenant_of(open_envelope(Message(body, "m", INSERTED_AT))) == tenant


def test_a_binary_event_is_the_job_of_its_structured_form() -> None:
    time = {"time": "2026-11-30T16:59:00Z", "traceparent": TRACE}
    structured = read(EVENT | time | {"data": {"prompt": "a fox"}})
    for seed in ("m1", "m2"):
        binary = Message(b'{"prompt": "a fox"}', seed, INSERTED_AT, EVENT | time)
        assert read_job(binary) == structured
    with pytest.raises(MalformedMessage, match="the CloudEvent has no id"):
        read_job(Message(b'{"prompt": "a"}', "m", INSERTED_AT, {"specversion": "1.0"}))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-30t16:59:00z", "2026-11-30T16:59:00+00:00"),
        ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00Z"),
        ("2026-11-30T16:59:00.123456789Z", "2026-11-30T16:59:00.123456Z"),
        ("2026-11-30 17:59:00+01:00", "2026-11-30T16:59:00Z"),
        ("2026-11-30T16:59:00-00:00", "2026-11-30T16:59:00Z"),
    ],
)
def test_a_time_may_be_written_in_every_way_of_rfc_3339(text: str, same: str) -> None:
    first, second = (read(JOB | {"deadline": each}).deadline for each in (text, same))
    assert first == second
