"""Entries of the index: their names sort newest first, and they fit the metadata of a blob."""

import base64
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import UnreadableCursor
from shared.records.index_entry import (
    Cursor,
    IndexEntry,
    JobFilter,
    JobSums,
    from_metadata,
    index_entry_of,
    newest,
    read_cursor,
    to_metadata,
)
from shared.records.record import FinishRecord, JobState, StoredRendition
from tests.builders.ended_jobs import AT, plan, record

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 (made aware)
    lambda moment: moment.replace(tzinfo=UTC)
)

#: Without halves of surrogate pairs, which UTF-8 does not have.
PLAIN = st.text(st.characters(exclude_categories=["Cs"]))


def entry(job_id: str = "fox", at: datetime = AT, **changes: object) -> IndexEntry:
    made = IndexEntry(job_id=job_id, accepted_at=at, updated_at=at)
    return made.model_copy(update=changes)


@given(MOMENTS, st.timedeltas(timedelta(milliseconds=1), timedelta(days=9999)))
def test_a_newer_job_sorts_before_an_older_one(at: datetime, later: timedelta) -> None:
    assert entry("a", at + later).name < entry("z", at).name


def test_jobs_of_one_moment_and_alike_ids_have_places_of_their_own() -> None:
    places = {entry(name).place for name in ("a", "a-b", "a_b", "ab", "A")}
    assert len(places) == 5


@given(PLAIN, st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), PLAIN, max_size=3))
def test_an_entry_reads_back_from_metadata_of_printable_ascii(
    prompt: str, tags: dict[str, str]
) -> None:
    made = entry(
        prompt=prompt, tags=tags, state=JobState.FAILED, cost_usd=0.1, cost_usd_at_most=0.15
    )
    value = to_metadata(made)
    assert value.isascii()
    assert value.isprintable()
    assert " " not in value
    assert from_metadata(value) == made


def test_an_entry_that_an_earlier_version_stored_is_certain_of_its_cost() -> None:
    stored = {"job_id": "fox", "accepted_at": AT, "updated_at": AT, "cost_usd": 0.1}
    assert IndexEntry.model_validate(stored).cost_usd_at_most == 0.1
    del stored["cost_usd"]
    assert IndexEntry.model_validate(stored).cost_usd_at_most is None


@pytest.mark.parametrize("value", ["", "{}", "nothing", "%7B%22job_id%22%3A1%7D"])
def test_metadata_that_holds_no_entry_is_an_error(value: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        from_metadata(value)


def test_the_entry_that_counts_is_that_of_the_last_run_and_its_end() -> None:
    entries = [entry(), entry(state=JobState.FAILED), entry(run=2)]
    for order in permutations(entries):
        assert newest(order) == entries[2]
    ended = entry(run=2, state=JobState.SUCCEEDED)
    for order in permutations([*entries, ended]):
        assert newest(order) == ended


def test_an_entry_says_what_a_list_shows_of_a_record() -> None:
    one = record({"tags": {"owner": "Zoë"}, "prompt": "x" * 1_000})
    made = index_entry_of(one)
    assert (made.models, made.sizes, made.pictures) == (("gpt-image-2",), ("1536x864",), 2)
    assert made.picture == made.cover == "fox/default/0.png"
    assert made.cost_usd == made.cost_usd_at_most == pytest.approx(0.024691, abs=1e-6)
    assert made.prompt is not None
    assert made.prompt.endswith("x…")
    assert len(made.prompt) <= 240
    assert (made.cover_width, made.cover_height) == (1536, 864)


@pytest.mark.parametrize(
    ("wanted", "is_listed"),
    [
        ({}, True),
        ({"tag": ("owner", "Zoë")}, True),
        ({"tag": ("owner", "Zoe")}, False),
        ({"state": JobState.SUCCEEDED, "model": "gpt-image-2"}, True),
        ({"state": JobState.SUCCEEDED, "model": "FLUX.2-pro"}, False),
        ({"batch": "spring"}, True),
        ({"batch": "autumn"}, False),
        ({"tenant": "shop"}, True),
        ({"tenant": "default"}, False),
        ({"failure": "content_refused"}, False),
        ({"text": "IN THE snow"}, True),
        ({"text": "owner:zoë"}, True),
        ({"text": "rain"}, False),
    ],
)
def test_a_list_holds_the_jobs_that_have_all_that_is_wanted(
    wanted: dict[str, object], *, is_listed: bool
) -> None:
    its = entry(
        state=JobState.SUCCEEDED,
        models=("gpt-image-2",),
        batch_id="spring",
        tenant="shop",
        prompt="a fox in the snow",
        tags={"owner": "Zoë"},
    )
    assert JobFilter.model_validate(wanted).matches(its) is is_listed


def test_sums_are_of_all_jobs_that_were_added() -> None:
    sums = JobSums()
    sums.add(entry(state=JobState.SUCCEEDED, pictures=2, cost_usd=0.5, cost_usd_at_most=0.5))
    sums.add(
        entry(state=JobState.FAILED, code="content_refused", cost_usd=0.0, cost_usd_at_most=0.1)
    )
    sums.add(entry(estimate_usd=0.25))
    assert sums.states[JobState.RUNNING] == sums.states[JobState.FAILED] == 1
    assert sums.failures == {"content_refused": 1}
    assert (sums.images, sums.estimate_usd) == (2, 0.25)
    assert (sums.cost_usd, sums.cost_usd_at_most) == (0.5, 0.6)


def test_parts_of_one_model_and_size_are_shown_once() -> None:
    plans = (plan(), plan(), plan(width=1, height=1))
    made = index_entry_of(record(plans=plans))
    assert (made.models, made.sizes) == (("gpt-image-2",), ("1536x864", "1x1"))


def test_the_thumbnail_of_the_first_picture_is_the_cover() -> None:
    def made(kind: str, of: str) -> StoredRendition:
        facts = {"content_type": "image/webp", "width": 1, "height": 1, "bytes": 1}
        return StoredRendition.model_validate(
            facts | {"sha256": "0", "of": of, "kind": kind, "blob": f"{kind}-{of}", "url": ""}
        )

    first, second = "fox/default/0.png", "fox/default/1.png"
    rendered = (made("thumbnail", second), made("rendition", first), made("thumbnail", first))
    entry_ = index_entry_of(record(finishing=FinishRecord(state="done", rendered=rendered)))
    assert entry_.cover == entry_.thumbnail == f"thumbnail-{first}"


@given(PLAIN, st.lists(st.none() | PLAIN, max_size=3))
def test_a_cursor_reads_back_and_is_safe_in_a_url(place: str, marks: list[str | None]) -> None:
    cursor = Cursor(place=place, marks=tuple(marks))
    text = cursor.to_text()
    assert read_cursor(text) == cursor
    assert not {*text} - {*"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"}


@given(st.text(max_size=80))
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(UnreadableCursor, match="start without one"):
        read_cursor(text)


@given(MOMENTS, MOMENTS, st.integers(1, 99))
def test_a_list_goes_on_after_every_run_of_the_job_at_its_cursor(
    one: datetime, other: datetime, run: int
) -> None:
    at, next_ = entry("a", one), entry("a", other, run=run)
    is_later = Cursor(place=at.place).is_before(next_.name)
    assert is_later is (next_.place > at.place)
    assert not Cursor(place=at.place).is_before(entry("a", one, run=run).name)


def test_a_deep_cursor_is_refused() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 10_000).decode()
    with pytest.raises(UnreadableCursor):
        read_cursor(deep)
