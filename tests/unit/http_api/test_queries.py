import re

import pytest

from shared.http_api.problems import Refused
from shared.http_api.queries import (
    Caller,
    ListQuery,
    check_request,
    read_command_query,
    read_event_headers,
    read_list_query,
    read_tenant,
    wants_links,
)
from shared.records.commands import Action
from shared.records.index_entry import Cursor
from shared.records.record import JobState
from tests.simulation.scene import configured

CURSOR = Cursor(place="8236000000000-fox").to_text()


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, {}),
        ({"state": "", "tag": "", "limit": "", "after": ""}, {}),
        ({"state": "parked", "limit": "200"}, {"state": JobState.PARKED, "limit": 200}),
        ({"tag": "campaign:winter: 2,3"}, {"tag": ("campaign", "winter: 2,3")}),
        (
            {"model": "FLUX.2-pro", "batch": "b", "failure": "poisoned", "text": "fox"},
            {"model": "FLUX.2-pro", "batch": "b", "failure": "poisoned", "text": "fox"},
        ),
        ({"after": CURSOR, "code": "key"}, {"after": CURSOR}),
    ],
)
def test_a_query_is_read(query: dict[str, str], wanted: dict[str, object]) -> None:
    left_out = dict(ListQuery())
    assert dict(read_list_query(query)) == left_out | wanted


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"state": "lost"}, "state: 'lost' is not allowed; use 'running', 'succeeded', 'failed',"),
        ({"limit": "0"}, "limit: '0' is too small; at least 1"),
        ({"limit": "many"}, "limit: 'many' is not a whole number"),
        ({"tag": "fox"}, "tag: 'fox' is not a tag; write 'campaign:winter'"),
        ({"after": "x"}, "after: no page returned this cursor; start without one"),
    ],
)
def test_a_fault_of_a_query_says_what_would_be_right(query: dict[str, str], says: str) -> None:
    with pytest.raises(Refused, match=re.escape(says)):
        read_list_query(query)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"state": "done"}, ["state"]),
        ({"limit": "0"}, ["limit"]),
        ({"limit": "201"}, ["limit"]),
        ({"limit": "٣"}, ["limit"]),
        ({"limit": "1.5"}, ["limit"]),
        ({"tag": "campaign"}, ["tag"]),
        ({"tag": "1:2"}, ["tag"]),
        ({"after": "next please"}, ["after"]),
        (
            {"limit": "x", "state": "x", "tag": "x", "after": "x"},
            ["state", "tag", "after", "limit"],
        ),
    ],
)
def test_a_query_is_refused_with_every_fault(query: dict[str, str], fields: list[str]) -> None:
    with pytest.raises(Refused) as caught:
        read_list_query(query)
    assert caught.value.problem.code == "invalid_query"
    assert [fault.field for fault in caught.value.problem.faults] == fields


@pytest.mark.parametrize(
    ("query", "body", "says"),
    [
        ({"results": "drop"}, b"", "'results': is not a parameter here; use run or result"),
        ({"Run": "1"}, b"", "'Run': is not"),
        ({"code": "key", "run": "1"}, b'{"result": "drop"}', "a body of 18 bytes is not read here"),
    ],
)
def test_what_a_request_does_not_read_is_refused(
    query: dict[str, str], body: bytes, says: str
) -> None:
    with pytest.raises(Refused, match=says):
        check_request(("run", "result"), query, body)


def test_what_a_request_reads_is_fine() -> None:
    check_request(("run", "result"), {"run": "1", "code": "key"}, b" \n")
    check_request((), {})


def test_an_opening_is_a_number_from_one() -> None:
    assert read_command_query(Action.CANCEL, "fox", {"run": "12"}).run == 12
    assert read_command_query(Action.CANCEL, "fox", {"run": ""}).run is None


@pytest.mark.parametrize(
    "run", ["1000000000", "0", "-1", "1.5", "newest", "x" * 9000, "9" * 9000, "true"]
)
def test_an_opening_that_no_job_reaches_is_refused(run: str) -> None:
    with pytest.raises(Refused) as caught:
        read_command_query(Action.CANCEL, "fox", {"run": run})
    (fault,) = caught.value.problem.faults
    assert fault.field == "run"
    assert len(fault.message) < 200


def test_links_are_given_where_they_are_configured_and_asked_for() -> None:
    giving, keeping = configured(READ_LINK_SECONDS="60"), configured()
    assert wants_links({"links": "true"}, giving.settings)
    assert not wants_links({"links": "false"}, giving.settings)
    assert not wants_links({}, keeping.settings)
    with pytest.raises(Refused, match="READ_LINK_SECONDS"):
        wants_links({"links": "true"}, keeping.settings)
    with pytest.raises(Refused, match="use 'true' or 'false'"):
        wants_links({"links": "yes"}, giving.settings)


def test_a_binary_event_has_its_attributes_in_headers() -> None:
    headers = {"Content-Type": "application/json", "Ce-Specversion": "1.0", "ce-source": "/s%20a"}
    assert read_event_headers(headers) == {"specversion": "1.0", "source": "/s a"}
    structured = headers | {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    assert read_event_headers(structured) == {}
    assert read_event_headers({"ce-id": "7"}) == {}


def test_a_list_is_for_the_callers_tenant_or_one_that_an_operator_names() -> None:
    operator, shop = Caller(), Caller("shop")
    assert read_tenant({}, operator) is None
    assert read_tenant({"tenant": ""}, operator) is None
    assert read_tenant({"tenant": "press"}, operator) == "press"
    assert read_tenant({}, shop) == read_tenant({"tenant": "shop"}, shop) == "shop"
    with pytest.raises(Refused, match="'press' is not yours; use 'shop', or leave it out") as other:
        read_tenant({"tenant": "press"}, shop)
    assert other.value.problem.status == 403
    with pytest.raises(Refused, match="use 1 to 40") as wrong:
        read_tenant({"tenant": "No Name"}, operator)
    assert wrong.value.problem.status == 400
