"""Manifests: every entry once, by number and line, however the bytes come and wherever it stops."""

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.batches.entries import MAX_ENTRY_BYTES, ManifestEntry, ReadingState
from shared.batches.manifest import Format
from shared.batches.reader import MAX_JOBS, ManifestReader, read_list
from shared.errors import MalformedMessage
from shared.jobs.fields import MAX_PROMPT_CHARACTERS
from shared.jobs.parsing import Message, read_job
from tests.builders.growth import MOST, growth
from tests.builders.messages import INSERTED_AT

JOBS: list[dict[str, Any]] = [
    {"prompt": "a fox, in the snow"},
    {"prompt": 'she said "hi"\nand left', "n": 2},
    {"prompt": "狐 in the \\ snow ] } { [", "size": "2k", "tags": {"a": "ü|b"}},
]


def read(
    written: Format, data: bytes, chunks: Sequence[int] = (), *, stops: bool = False
) -> tuple[list[ManifestEntry], list[str]]:
    """Read in pieces of these sizes; with `stops`, in a new process after each entry."""
    reading, entries, wrong = ManifestReader(written), list[ManifestEntry](), list[str]()
    sizes = iter([*chunks, *([1 << 16] * (len(data) // (1 << 16) + 2))])
    while not reading.is_over:
        for entry in reading.take():
            entries.append(entry)
            if stops:
                reading = ManifestReader(written, reading.state)
                break
        else:
            if reading.is_over:
                break
            size = next(sizes, 1 << 16)
            piece = data[reading.wanted : reading.wanted + size]
            reading.feed(piece)
            if reading.wanted >= len(data):
                reading.end()
        wrong = [str(fault) for fault in reading.faults]
    wrong = [str(fault) for fault in reading.faults]
    return entries, wrong


def jsonl(jobs: Sequence[Any], *, end: str = "\n") -> bytes:
    return end.join(json.dumps(job, ensure_ascii=False) for job in jobs).encode()


def as_list(jobs: Sequence[Any], *, indent: int | None = None) -> bytes:
    return json.dumps(jobs, ensure_ascii=False, indent=indent).encode()


def as_csv(jobs: Sequence[dict[str, Any]], *, delimiter: str = ",") -> bytes:
    columns = ["prompt", "n", "size", "tag_a"]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(columns)
    for job in jobs:
        flat = job | {"tag_a": job.get("tags", {}).get("a", "")}
        writer.writerow([flat.get(column, "") for column in columns])
    return out.getvalue().encode()


WRITTEN = {
    Format.JSONL: jsonl(JOBS),
    Format.JSON: as_list(JOBS, indent=2),
    Format.CSV: as_csv(JOBS),
}


@pytest.mark.parametrize("written", Format)
@given(
    chunks=st.lists(st.integers(1, 40), max_size=40),
    bom=st.booleans(),
    stops=st.booleans(),
    end=st.sampled_from([b"", b"\n", b" \r\n\n"]),
)
def test_every_entry_comes_once_however_the_bytes_arrive(
    written: Format, chunks: list[int], end: bytes, *, bom: bool, stops: bool
) -> None:
    data = (b"\xef\xbb\xbf" if bom else b"") + WRITTEN[written] + end
    entries, wrong = read(written, data, chunks, stops=stops)
    assert [json.loads(entry.body) for entry in entries] == JOBS
    assert [entry.number for entry in entries] == [1, 2, 3]
    assert wrong == []


@pytest.mark.parametrize(
    ("written", "lines"),
    [(Format.JSONL, [1, 2, 3]), (Format.JSON, [2, 5, 9]), (Format.CSV, [2, 3, 5])],
)
def test_an_entry_says_on_which_line_it_begins(written: Format, lines: list[int]) -> None:
    entries, _ = read(written, WRITTEN[written])
    assert [entry.line for entry in entries] == lines


def test_a_file_that_is_one_job_is_one_entry() -> None:
    (entry,), wrong = read(Format.JSON, json.dumps(JOBS[0]).encode())
    assert json.loads(entry.body) == JOBS[0]
    assert wrong == []


def test_blank_lines_are_no_entries_and_count_as_lines() -> None:
    entries, _ = read(Format.JSONL, b'\n{"a": 1}\r\n\n  \n{"a": 2}')
    assert [(entry.number, entry.line, entry.body) for entry in entries] == [
        (1, 2, b'{"a": 1}'),
        (2, 5, b'{"a": 2}'),
    ]
    rows, _ = read(Format.CSV, b"prompt,n\n\na,1\n,\nb,2\n")
    assert [(entry.number, entry.line) for entry in rows] == [(1, 3), (2, 5)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_may_be_cut_by_commas_semicolons_or_tabs(delimiter: str) -> None:
    entries, _ = read(Format.CSV, as_csv(JOBS, delimiter=delimiter))
    assert [json.loads(entry.body) for entry in entries] == JOBS


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("promt,n", "no field of a job is called 'promt'"),
        ("prompt,prompt", "two columns are called 'prompt'"),
        ("prompt,,x", "is called 'x'"),
        ("sep=|\nprompt", "sep=| is not supported"),
        ("prompt,tags", "is called 'tags'"),
        ("prompt,tag_", "is called 'tag_'"),
        ('prompt,"n', "never closed|no CSV"),
    ],
)
def test_a_header_that_names_no_fields_is_told_once_and_nothing_is_taken(
    header: str, said: str
) -> None:
    entries, (wrong,) = read(Format.CSV, f"{header}\na,b\nc,d\n".encode())
    assert entries == []
    assert any(part in wrong for part in said.split("|"))
    assert wrong.startswith("line 1: ")


def test_a_row_of_another_width_is_a_fault_of_its_own() -> None:
    entries, _ = read(Format.CSV, b"prompt,n\na,1,2\nb,1\nc\n")
    assert [str(entry.fault or "") for entry in entries] == [
        "the row has 3 cells and the header 2",
        "",
        "the row has 1 cell and the header 2",
    ]


def test_a_stray_quote_spoils_one_row_and_not_the_file() -> None:
    entries, wrong = read(Format.CSV, b'prompt,n\na,1\n"b,2\nc,3\nd,4\n')
    assert [(entry.line, bool(entry.fault)) for entry in entries] == [
        (2, False),
        (3, True),
        (4, False),
        (5, False),
    ]
    assert wrong == []


@given(
    st.lists(st.text(st.sampled_from('ab", '), min_size=1), min_size=1),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_every_row_is_counted_whatever_quotes_stand_in_it(rows: list[str], end: str) -> None:
    lines = ["prompt;n", *(f"x{row}" for row in rows)]
    entries, wrong = read(Format.CSV, end.join(lines).encode())
    assert [entry.line for entry in entries] == [*range(2, len(lines) + 1)]
    assert wrong == []


def test_a_quote_within_a_cell_is_a_character() -> None:
    rows = ['a 6" ruler,1', *(f"picture {nth},1" for nth in range(60)), 'an 8" ruler,1']
    entries, _ = read(Format.CSV, "\n".join(["prompt,n", *rows]).encode())
    assert [json.loads(entry.body)["prompt"] for entry in entries] == [
        row.removesuffix(",1") for row in rows
    ]


@pytest.mark.parametrize(
    ("row", "says"), [('"a 6,1', "text follows"), ('"a" fox,1', "text follows"), ('x,"a', "text")]
)
def test_wrong_quotes_spoil_their_own_row_only(row: str, says: str) -> None:
    others = [f'"picture, {nth}",1' for nth in range(5)]
    text = "\n".join(["prompt,n", others[0], row, *others[1:]])
    entries, _ = read(Format.CSV, text.encode())
    assert [bool(entry.fault) for entry in entries] == [False, True, False, False, False, False]
    assert says in str(entries[1].fault)


@pytest.mark.parametrize("written", Format)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@given(chunks=st.lists(st.integers(1, 40), max_size=40), stops=st.booleans())
def test_a_file_may_be_in_any_unicode_that_windows_writes(
    written: Format, encoding: str, chunks: list[int], *, stops: bool
) -> None:
    data = WRITTEN[written].decode().encode(encoding)
    entries, wrong = read(written, data, chunks, stops=stops)
    assert [json.loads(entry.body) for entry in entries] == JOBS
    assert wrong == []


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_half_a_character_at_the_end_is_a_fault_of_its_row(cut: int) -> None:
    data = "prompt\na\nb😀".encode("utf-16")[:-cut]
    entries, wrong = read(Format.CSV, data)
    assert [bool(entry.fault) for entry in entries] == [False, True]
    assert wrong == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@given(chunks=st.lists(st.integers(1, 10), max_size=40), stops=st.booleans())
def test_a_row_ends_as_any_system_ends_a_line(end: str, chunks: list[int], *, stops: bool) -> None:
    rows = ["sep=;", "prompt;max_cost_usd;;", '"a;b";0,25;;', ";;;", "c;1.5", ""]
    entries, wrong = read(Format.CSV, end.join(rows).encode(), chunks, stops=stops)
    assert [json.loads(entry.body) for entry in entries] == [
        {"prompt": "a;b", "max_cost_usd": 0.25},
        {"prompt": "c", "max_cost_usd": 1.5},
    ]
    assert [entry.line for entry in entries] == [3, 5]
    assert wrong == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04more", "a workbook or another ZIP archive; save it as text in UTF-8"),
        (b"\x1f\x8bmore", "compressed with gzip"),
        ("prompt".encode("utf-32"), "UTF-32"),
    ],
)
@pytest.mark.parametrize("written", Format)
def test_a_file_that_is_not_text_is_named_for_what_it_is(
    written: Format, data: bytes, says: str
) -> None:
    entries, (wrong,) = read(written, data)
    assert entries == []
    assert says in wrong


def test_a_cell_may_be_as_long_as_a_prompt() -> None:
    prompt = "狐" * MAX_PROMPT_CHARACTERS
    (entry,), _ = read(Format.CSV, f"prompt\n{prompt}\n".encode())
    assert read_job(Message(entry.body, "m", INSERTED_AT), MAX_ENTRY_BYTES).prompt == prompt


@pytest.mark.parametrize("row", ['"a""', 'x"', '"', '""', 'a,"b""c', "a", ',"'])
def test_the_work_grows_with_the_file_however_quotes_stand(row: str) -> None:
    def make(rows: int) -> bytes:
        return ("prompt,n\n" + f"{row}\n" * rows).encode()

    assert growth(make, lambda data: read(Format.CSV, data), 1_000) < MOST


def test_the_work_of_a_header_grows_with_its_columns() -> None:
    def make(columns: int) -> bytes:
        return ",".join(f"tag_a{nth}" for nth in range(columns)).encode()

    assert growth(make, lambda data: read(Format.CSV, data), 2_000) < MOST


def test_text_of_another_encoding_is_told() -> None:
    entries, _ = read(Format.CSV, "prompt\nKüste\nsea\n".encode("latin-1"))
    assert "not UTF-8" in str(entries[0].fault)
    assert json.loads(entries[1].body) == {"prompt": "sea"}
    assert read(Format.CSV, b"pr\xffmpt\nsea\n")[1] == [
        (
            "line 1: the header can't be read: the row is not UTF-8 text: byte 2 is 0xff; "
            "save the file as CSV UTF-8"
        )
    ]


@pytest.mark.parametrize("written", [Format.JSONL, Format.CSV])
def test_an_endless_line_is_skipped_in_flat_memory(written: Format) -> None:
    head = b"prompt\n" if written is Format.CSV else b""
    good = b"fox\n" if written is Format.CSV else b'{"prompt": "fox"}\n'
    data = head + good + b'"x' * (3 * MAX_ENTRY_BYTES) + b"\n" + good
    entries, wrong = read(written, data)
    assert [bool(entry.fault) for entry in entries] == [False, True, False]
    assert "longer than" in str(entries[1].fault)
    assert [entry.line - entries[0].line for entry in entries] == [0, 1, 2]
    assert wrong == []


@pytest.mark.parametrize(
    ("data", "taken", "said"),
    [
        (b'[{"a": 1}, {"a": 2}', 2, "the list is not closed"),
        (b'[{"a": 1}, {"a": "x', 2, "the list is not closed"),
        (b"[", 0, "the list is not closed"),
        (b'[{"a": 1}] [{"a": 2}]', 1, "there is more after the list"),
        (b'[{"a": 1}, "' + b"x" * (2 * MAX_ENTRY_BYTES) + b'"]', 1, "nothing from here on"),
    ],
)
def test_a_list_that_is_broken_says_where(data: bytes, taken: int, said: str) -> None:
    for stops in (False, True):
        entries, (wrong,) = read(Format.JSON, data, stops=stops)
        assert len(entries) == taken
        assert said in wrong


@pytest.mark.parametrize("data", [b"[]", b" [ ]\n", b"", b"\xef\xbb\xbf", b"  \n"])
def test_nothing_is_no_entry(data: bytes) -> None:
    assert read(Format.JSON, data) == ([], [])


def lots(written: Format, number: int) -> Iterator[bytes]:
    """The bytes of a large manifest, made as they are wanted."""
    job = {"prompt": "a fox in the snow " * 12, "size": "1536x1024"}
    if written is Format.CSV:
        yield b"prompt,size\n"
    for nth in range(number):
        if written is Format.CSV:
            yield f'"{job["prompt"]}, {nth}",{job["size"]}\n'.encode()
        else:
            before = {Format.JSON: b"," if nth else b"["}.get(written, b"")
            yield before + json.dumps(job | {"job_id": f"fox-{nth}"}).encode() + b"\n"
    if written is Format.JSON:
        yield b"]"


@pytest.mark.parametrize("written", Format)
def test_a_large_manifest_is_read_in_flat_memory(written: Format) -> None:
    reading, count, number = ManifestReader(written), 0, 20_000
    source, piece = lots(written, number), bytearray()
    tracemalloc.start()
    for line in source:
        piece += line
        if len(piece) > 1 << 18:
            reading.feed(bytes(piece))
            piece.clear()
            count += sum(1 for _ in reading.take())
    reading.feed(bytes(piece))
    reading.end()
    count += sum(1 for _ in reading.take())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == number
    assert peak < 3 << 19  # the file has more than 4 MiB


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.lists(ANYTHING, min_size=1, max_size=20), st.sampled_from([None, 1]))
def test_each_element_of_a_posted_list_is_an_entry(elements: list[Any], indent: int | None) -> None:
    body = json.dumps(elements, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        body.decode()
    except UnicodeDecodeError:
        return  # half a surrogate pair is no text
    entries = read_list(body)
    assert [json.loads(entry.body) for entry in entries] == elements
    assert [entry.number for entry in entries] == list(range(1, len(elements) + 1))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_posted_list_may_be_in_any_unicode_that_windows_writes(encoding: str) -> None:
    entries = read_list(f"\n {json.dumps(JOBS, ensure_ascii=False)}".encode(encoding))
    assert [json.loads(entry.body) for entry in entries] == JOBS


@pytest.mark.parametrize("piece", ['{"a": "["},', '"\\"",', "[],", "1,", "\n", '"'])
def test_the_work_on_a_list_grows_with_it(piece: str) -> None:
    def read_all(body: bytes) -> None:
        read(Format.JSON, body)

    assert growth(lambda n: f"[{piece * n}".encode(), read_all, 1_000) < MOST


def test_an_entry_of_a_posted_list_keeps_its_words_as_they_were_written() -> None:
    entries = read_list(b'\xef\xbb\xbf [ {"n": 1, "n": 2} , {"a":1.50} ] ')
    assert [entry.body for entry in entries] == [b'{"n": 1, "n": 2}', b'{"a":1.50}']


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "does not begin with"),
        (b'{"prompt": "a fox"}', "does not begin with"),
        (b"[]", "holds no job"),
        (b"[1", "not closed"),
        (b"[1,", "not closed"),
        (b"[1] 2", "more after the list"),
        (b"[" * 200_000, "not closed"),
        (json.dumps([1] * (MAX_JOBS + 1)).encode(), "more than 100 jobs"),
    ],
)
def test_what_is_no_list_of_jobs_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(MalformedMessage, match=why):
        read_list(body)


@pytest.mark.parametrize("body", [b"[1 2]", b"[\xff]", b"[,]"])
def test_what_is_no_job_in_a_posted_list_is_an_entry_of_its_own(body: bytes) -> None:
    assert [entry.body for entry in read_list(body)] == [body[1:-1].removesuffix(b",")]


def test_a_template_in_the_first_row_is_that_of_every_row_also_in_another_process() -> None:
    data = (
        b'prompt_template,variable_animal\n"a $animal, ""red""",fox\n,hare\nan $animal,owl\n,ox\n'
    )
    reader = ManifestReader(Format.CSV)
    reader.feed(data)
    reader.end()
    for place, entry in enumerate(reader.take(), start=1):
        assert json.loads(entry.body) == TEMPLATED[place - 1]
        other = ManifestReader(Format.CSV, ReadingState(**reader.state.model_dump()))
        other.feed(data[other.wanted :])
        other.end()
        assert [json.loads(each.body) for each in other.take()] == TEMPLATED[place:]


TEMPLATED = [
    {"template": 'a $animal, "red"', "variables": {"animal": "fox"}},
    {"template": 'a $animal, "red"', "variables": {"animal": "hare"}},
    {"template": "an $animal", "variables": {"animal": "owl"}},
    {"template": "an $animal", "variables": {"animal": "ox"}},
]


def test_a_template_too_long_for_a_prompt_is_not_kept_for_other_rows() -> None:
    reader = ManifestReader(Format.CSV)
    reader.feed(b"prompt_template,n\n" + b"x" * 32_001 + b",1\n")
    reader.end()
    (entry,) = reader.take()
    assert len(json.loads(entry.body)["template"]) == 32_001
    assert reader.state.template == ""
