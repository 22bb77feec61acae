"""The index of jobs: the same in memory and on real blobs."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import UnreadableCursor
from shared.ports import Blobs
from shared.records.index_entry import (
    FIRST_CHECK_AFTER,
    MAX_PROMPT,
    IndexEntry,
    JobFilter,
    Page,
    from_metadata,
    index_entry_of,
    to_metadata,
)
from shared.records.record import JobState
from shared.stores.index import JobIndex, OpenEntry
from shared.stores.records import JobRecords
from tests.contract.conftest import NOW, Account, a_record
from tests.fakes.world import FakeClock

LATER = NOW + timedelta(hours=1)


@pytest.fixture
async def index(blobs: Blobs) -> JobIndex:
    return JobIndex(blobs)


def an_entry(number: int = 1, *, run: int = 1, **tags: str) -> IndexEntry:
    """A running job; the higher its number, the later it was accepted."""
    moment = NOW + timedelta(seconds=number)
    return IndexEntry(
        job_id=f"job-{number}", accepted_at=moment, updated_at=moment, run=run, tags=tags
    )


def ended(entry: IndexEntry, state: JobState = JobState.SUCCEEDED) -> IndexEntry:
    return entry.model_copy(
        update={"state": state, "pictures": 1, "cost_usd": 0.05, "cost_usd_at_most": 0.1}
    )


async def due(index: JobIndex, at: datetime = LATER) -> list[IndexEntry]:
    return [marker.entry async for marker in index.open_entries(due=at)]


async def open_job(index: JobIndex, entry: IndexEntry) -> OpenEntry:
    return await index.add(entry, next_check_at=entry.accepted_at + FIRST_CHECK_AFTER)


async def jobs(index: JobIndex, **filters: object) -> list[str]:
    """All job ids, a page of two at a time."""
    found: list[str] = []
    after: str | None = None
    while True:
        page: Page = await index.page(
            after=after, limit=2, wanted=JobFilter.model_validate(filters)
        )
        assert len(page.entries) <= 2
        found += [entry.job_id for entry in page.entries]
        if page.next is None:
            return found
        after = page.next


async def test_an_open_job_is_looked_at_when_it_is_due(index: JobIndex) -> None:
    entry = an_entry(customer="Zoë  & Söhne 100 %", note=" kept ")
    await open_job(index, entry)
    assert await due(index, entry.accepted_at + FIRST_CHECK_AFTER / 2) == []
    assert await due(index, entry.accepted_at + FIRST_CHECK_AFTER) == [entry]


async def test_a_look_is_put_off(index: JobIndex) -> None:
    marker = await open_job(index, an_entry())
    await index.postpone(marker, next_check_at=LATER)
    assert await due(index, LATER - timedelta(seconds=1)) == []
    assert await due(index) == [an_entry()]


async def test_a_closed_job_is_open_no_more(index: JobIndex) -> None:
    await open_job(index, an_entry())
    await index.close(ended(an_entry()))
    await index.close(ended(an_entry()))
    assert await due(index) == []
    assert (await index.page()).entries == (ended(an_entry()),)


async def test_what_a_sweep_read_is_not_put_over_what_changed_since(index: JobIndex) -> None:
    marker = await open_job(index, an_entry())
    await open_job(index, an_entry(run=1, fresh="yes"))
    await index.postpone(marker, next_check_at=LATER + timedelta(days=1))
    await index.remove(marker)
    assert await due(index) == [an_entry(fresh="yes")]


async def test_what_a_sweep_read_does_not_come_back_when_it_is_gone(index: JobIndex) -> None:
    marker = await open_job(index, an_entry())
    await index.close(ended(an_entry()))
    await index.postpone(marker, next_check_at=NOW)
    await index.remove(marker)
    assert await due(index) == []


async def test_a_marker_that_no_job_needs_is_withdrawn(index: JobIndex) -> None:
    await index.remove(await open_job(index, an_entry()))
    assert await due(index) == []
    assert (await index.page()).entries == ()


async def test_who_closes_late_does_not_close_the_next_opening(index: JobIndex) -> None:
    first, second = an_entry(), an_entry(run=2)
    await open_job(index, first)
    await index.close(ended(first, JobState.PARKED))
    await open_job(index, second)
    await index.close(ended(first, JobState.PARKED))
    assert await due(index) == [second]
    assert (await index.page()).entries == (second,)
    await index.close(ended(second))
    assert (await index.page()).entries == (ended(second),)


async def test_pages_go_from_the_newest_to_the_oldest(index: JobIndex) -> None:
    for number in range(1, 8):
        await open_job(index, an_entry(number))
    for number in (1, 2, 4, 7):
        await index.close(ended(an_entry(number)))
    assert await jobs(index) == [f"job-{number}" for number in range(7, 0, -1)]


async def test_a_job_is_listed_once_though_it_ends_between_two_pages(index: JobIndex) -> None:
    for number in range(1, 6):
        await open_job(index, an_entry(number))
    first = await index.page(limit=2)
    for number in range(1, 6):
        await index.close(ended(an_entry(number)))
    await open_job(index, an_entry(9))
    rest = await index.page(after=first.next)
    seen = [entry.job_id for page in (first, rest) for entry in page.entries]
    assert seen == ["job-5", "job-4", "job-3", "job-2", "job-1"]
    assert rest.next is None


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"state": JobState.RUNNING}, ["job-5"]),
        ({"state": JobState.FAILED}, ["job-4", "job-2"]),
        ({"tag": ("odd", "yes")}, ["job-5", "job-3", "job-1"]),
        ({"state": JobState.SUCCEEDED, "tag": ("odd", "yes")}, ["job-3", "job-1"]),
        ({"tag": ("odd", "perhaps")}, []),
    ],
)
async def test_a_list_can_be_of_one_state_or_one_tag(
    index: JobIndex, filters: dict[str, object], found: list[str]
) -> None:
    for number in range(1, 6):
        entry = an_entry(number, odd="yes" if number % 2 else "no")
        await open_job(index, entry)
        if number < 5:
            state = JobState.SUCCEEDED if number % 2 else JobState.FAILED
            await index.close(ended(entry, state))
    assert await jobs(index, **filters) == found


async def test_all_jobs_are_counted_once_by_their_state_and_of_a_filter_only_its_own(
    index: JobIndex,
) -> None:
    for number in range(1, 6):
        await open_job(index, an_entry(number, odd="yes" if number % 2 else "no"))
        if number < 5:
            await index.close(ended(an_entry(number, odd="yes" if number % 2 else "no")))
    await open_job(index, an_entry(4, odd="no").model_copy(update={"run": 2}))
    sums = await index.sums(JobFilter())
    assert sums.since is None
    assert (sums.states[JobState.RUNNING], sums.states[JobState.SUCCEEDED]) == (2, 3)
    assert sums.images == 3
    assert sums.cost_usd == pytest.approx(0.15)
    odd = await index.sums(JobFilter(tag=("odd", "yes")))
    assert (odd.states[JobState.RUNNING], odd.states[JobState.SUCCEEDED]) == (1, 2)


@pytest.mark.parametrize("cursor", ["", "%%", "eyJhIjoxfQ", "bm90IGpzb24", "ÿ"])
async def test_a_cursor_that_no_page_gave_is_told(index: JobIndex, cursor: str) -> None:
    with pytest.raises(UnreadableCursor, match="start without one"):
        await index.page(after=cursor)


async def test_jobs_of_one_moment_and_alike_names_keep_apart(index: JobIndex) -> None:
    entries = [
        an_entry().model_copy(update={"job_id": name}) for name in ("a", "a-b", "a_b", "ab", "A")
    ]
    for entry in entries:
        await open_job(index, entry)
        await index.close(ended(entry))
    for entry in entries:
        await open_job(index, entry.model_copy(update={"run": 2}))
    assert sorted(await jobs(index)) == ["A", "a", "a-b", "a_b", "ab"]


async def test_the_register_lives_beside_the_records(account: Account) -> None:
    blobs = await account.filled()
    await JobRecords(blobs, FakeClock()).create(a_record("open"))
    index = JobIndex(blobs)
    await open_job(index, index_entry_of(a_record("open")))
    assert [entry.job_id for entry in await due(index)] == ["open"]
    found = await JobRecords(blobs, FakeClock()).read("open")
    assert found is not None


def test_the_fullest_entry_fits_the_metadata_of_a_blob() -> None:
    entry = IndexEntry(
        job_id="j" * 64,
        accepted_at=datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC),
        updated_at=datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC),
        state=JobState.SUCCEEDED,
        run=10**6,
        cover_width=16_384,
        cover_height=16_384,
        batch_id="b" * 64,
        estimate_usd=123456.123456,
        models=tuple("m" * 120 for _ in range(8)),
        prompt="海" * (MAX_PROMPT // 6),
        sizes=tuple(f"{3840 - 16 * number}x2160" for number in range(64)),
        pictures=4_000,
        picture="p" * 120,
        cost_usd=123456.123456,
        cost_usd_at_most=123456.123456,
        code="outcome_unknown",
        tags={f"t{number:02d}": '"' * 66 for number in range(20)},
    )
    value = to_metadata(entry)
    assert len(value) < 8_000
    assert from_metadata(value) == entry


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"entry": "no JSON", "next_check_at": NOW.isoformat()},
        {"entry": to_metadata(an_entry()), "next_check_at": "soon"},
        {"entry": to_metadata(an_entry()), "next_check_at": "2026-11-22T00:00:00"},
        {"entry": to_metadata(an_entry(2)), "next_check_at": NOW.isoformat()},
        {"entry": '{"job_id":"a","accepted_at":"2026-11-22T00:00:00","updated_at":0}'},
    ],
)
async def test_a_strange_blob_in_the_index_is_skipped_and_named(
    account: Account, metadata: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    container, index = await account.container(), JobIndex(account.blobs)
    await open_job(index, an_entry(2))
    await container.upload_blob("open/0-stray", b"", metadata=metadata)
    if "next_check_at" not in metadata:
        await container.upload_blob("ended/0-stray", b"", metadata=metadata)
    assert [entry.job_id for entry in await due(index)] == ["job-2"]
    assert await jobs(index) == ["job-2"]
    assert (await index.sums(JobFilter())).states[JobState.RUNNING] == 1
    first = caplog.records[0]
    assert first.name == "image_jobs"
    assert first.getMessage().startswith("index: skipped blobs=1 first=open/0-stray: ")


async def test_a_tenant_is_admitted_while_it_has_few_enough_open_jobs(index: JobIndex) -> None:
    async def admits(tenant: str, at: datetime) -> bool:
        return await index.admit(tenant, lambda name: name == tenant, most=2, now=at)

    for number in (1, 2, 3):
        tenant = "shop" if number < 3 else "other"
        await open_job(index, an_entry(number).model_copy(update={"tenant": tenant}))
    assert not await admits("shop", LATER)
    assert await admits("other", LATER)
    assert not await admits("other", LATER)  # the one admitted a moment ago counts
    for at in (LATER + timedelta(seconds=4), LATER + timedelta(seconds=5)):
        await index.close(ended(an_entry(1)))
        assert await admits("shop", at) is (at > LATER + timedelta(seconds=4))
