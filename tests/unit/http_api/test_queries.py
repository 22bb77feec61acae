import pytest

from shared.http_api.problems import Refused
from shared.http_api.queries import ListQuery, read_command_query, read_list_query, wants_links
from shared.jobs.commands import Action
from shared.records.index_entry import Cursor
from shared.records.record import JobState
from tests.simulation.scene import configured

CURSOR = Cursor(place="8236000000000-fox").to_text()


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, ListQuery(None, 50, None, None)),
        ({"state": "", "tag": "", "limit": "", "after": ""}, ListQuery(None, 50, None, None)),
        ({"state": "parked", "limit": "200"}, ListQuery(None, 200, JobState.PARKED, None)),
        ({"tag": "campaign:winter: 2,3"}, ListQuery(None, 50, None, ("campaign", "winter: 2,3"))),
        ({"after": CURSOR, "code": "key"}, ListQuery(CURSOR, 50, None, None)),
    ],
)
def test_a_query_is_read(query: dict[str, str], wanted: ListQuery) -> None:
    assert read_list_query(query) == wanted


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
            ["after", "limit", "state", "tag"],
        ),
    ],
)
def test_a_query_is_refused_with_every_fault(query: dict[str, str], fields: list[str]) -> None:
    with pytest.raises(Refused) as caught:
        read_list_query(query)
    assert caught.value.problem.code == "invalid_query"
    assert [fault.field for fault in caught.value.problem.faults] == fields


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
