"""A report of what calls cost has all of them, each once, however it is divided."""

from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.limits.budget import MILLION, to_millionths
from shared.records.cost_report import add_up, find_calls, read_columns
from shared.records.record import Attempt, JobRecord
from tests.builders.ended_jobs import AT, attempt, plan, record, task

COSTS = st.none() | st.integers(0, 5 * MILLION).map(lambda amount: amount / MILLION)


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    at_most = draw(COSTS)
    certain = at_most if draw(st.booleans()) or at_most is None else 0.0
    return attempt(
        draw(st.integers(0, 5 * 86_400)),
        cost_usd=certain,
        cost_usd_at_most=at_most,
        deployment=draw(st.sampled_from(["first", "gone"])),
    )


@st.composite
def jobs(draw: st.DrawFn) -> JobRecord:
    some = st.lists(attempts(), max_size=3).map(tuple)
    asked = {
        "tenant": draw(st.sampled_from(["default", "shop", "press"])),
        "tags": draw(st.sampled_from([{}, {"campaign": "winter"}, {"campaign": "spring"}])),
    }
    tasks = tuple(
        task(index, attempts=draw(some), current=draw(st.none() | attempts())) for index in (0, 1)
    )
    return record(asked, plan=plan(n=2), tasks=tasks, past=draw(some))


@given(
    st.lists(jobs(), max_size=6),
    st.permutations(["day", "tenant", "model", "tag:campaign"]),
    st.integers(0, 4),
    st.integers(0, 3),
    st.integers(1, 3),
)
def test_the_sums_are_those_of_the_attempts_to_the_millionth_however_they_are_divided(
    made: list[JobRecord], columns: list[str], count: int, start: int, days: int
) -> None:
    since = AT + timedelta(days=start)
    until = since + timedelta(days=days)
    calls = [call for job in made for call in find_calls(job, since=since, until=until)]
    sums = add_up(calls, columns[:count])
    paid = [
        each
        for job in made
        for each in job.attempts
        if each.cost_usd_at_most != 0 and since <= each.started_at < until
    ]
    assert sum(each.calls for each in sums) == len(paid)
    assert sum(each.certain for each in sums) == sum(to_millionths(a.cost_usd or 0) for a in paid)
    possible = sum(to_millionths(each.cost_usd_at_most or 0) for each in paid)
    assert sum(each.at_most for each in sums) == possible
    assert sum(each.unpriced for each in sums) == sum(a.cost_usd_at_most is None for a in paid)
    assert len({each.facts for each in sums}) == len(sums)
    for job in made:
        own = add_up(find_calls(job, since=since, until=until), ["tenant", "tag:campaign"])
        assert {each.facts for each in own} <= {(job.job.tenant, job.job.tags.get("campaign", ""))}


def test_a_call_before_a_replay_counts_for_the_model_of_its_deployment() -> None:
    calls = find_calls(
        record(tasks=(task(),), past=(attempt(), attempt(deployment="gone"))),
        since=AT,
        until=AT + timedelta(days=1),
    )
    assert [call.model for call in calls] == ["gpt-image-2", "gone"]


def test_a_day_is_that_of_utc_when_the_call_began() -> None:
    late = attempt().model_copy(update={"started_at": AT.astimezone(UTC).replace(hour=23)})
    calls = list(
        find_calls(record(tasks=(task(attempts=(late,)),)), since=AT, until=AT + timedelta(days=1))
    )
    assert [each.facts for each in add_up(calls, ["day"])] == [(f"{AT:%F}",)]


@pytest.mark.parametrize("text", ["", "colour", "tag:", "tag:9", "tenant,,model", "Day"])
def test_a_column_that_no_call_has_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="use day, tenant, model or tag:NAME"):
        read_columns(text)
    assert read_columns("tenant, tag:campaign,tenant") == ("tenant", "tag:campaign")
