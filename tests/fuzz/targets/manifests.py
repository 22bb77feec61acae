"""Files of jobs, and lists over HTTP: the same entries whatever the chunks, from any of them on."""

import csv
import io
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Final
from zlib import crc32

from shared.batches.entries import ManifestEntry, ReadingState
from shared.batches.manifest import Format
from shared.batches.reader import ManifestReader, read_list
from shared.errors import Fault, Rejected
from shared.jobs.parsing import Message, read_job

from ..grammar import choose, encode, mutate, text_of
from ..oracles import Finding, Oracle, Verdict, ask, same
from .messages import AT, make_job
from .target import Target

#: About the most chunks of one input: reading starts again with each.
_MAX_CHUNKS: Final = 16
#: Entries of one input that are read as jobs.
_MAX_READ: Final = 3


def cuts(data: bytes) -> Iterator[bytes]:
    """Yield the input in chunks whose lengths depend on the input alone."""
    rng, at = Random(crc32(data)), 0
    longest = max(rng.choice((1, 3, 17, 200)), len(data) // _MAX_CHUNKS)
    while at < len(data):
        size = rng.randint(1, longest)
        yield data[at : at + size]
        at += size


def _read_file(data: bytes, *, written: Format) -> None:
    what = f"a {written} manifest"
    whole = ask(what, lambda: _entries(written, [data])).value
    if whole is None:
        raise Finding(Oracle.FAULTS, f"{what} is refused as a whole")
    same(f"{what} depends on its chunks", one=_entries(written, list(cuts(data))), other=whole)
    entries, faults, states = whole
    ask(f"the faults of {what}", lambda: _told(faults), given=data.decode(errors="replace"))
    if entries:
        _check_resumed(what, written, data, entries, states)
    for entry in entries[:_MAX_READ]:
        read_entry(entry)


type _Whole = tuple[list[ManifestEntry], list[str], list[ReadingState]]


def _entries(written: Format, chunks: list[bytes], state: ReadingState | None = None) -> _Whole:
    reader, entries, states = ManifestReader(written, state), list[ManifestEntry](), []
    for chunk in (*chunks, None):
        if reader.is_over:
            break
        if chunk is None:
            reader.end()
        else:
            reader.feed(chunk)
        for entry in reader.take():
            entries.append(entry)
            states.append(reader.state)
    if not reader.is_over:
        raise Finding(Oracle.SAME, f"a {written} manifest never ends", repr(reader.state))
    first = state.entries + 1 if state else 1
    numbers = [entry.number for entry in entries]
    if numbers != [*range(first, first + len(entries))]:
        raise Finding(Oracle.SAME, f"a {written} manifest misses an entry", str(numbers))
    return entries, [str(fault) for fault in reader.faults], states


def _told(faults: list[str]) -> None:
    if faults:
        raise Rejected([Fault("", text) for text in faults])


def _check_resumed(
    what: str,
    written: Format,
    data: bytes,
    entries: list[ManifestEntry],
    states: list[ReadingState],
) -> None:
    """Go on in another process, after one of the entries."""
    place = crc32(data) % len(entries)
    kept = ReadingState.model_validate_json(states[place].model_dump_json())
    same(f"the state of {what} is read as written", one=kept, other=states[place])
    rest = list[ManifestEntry]()
    if kept.phase != "end":
        rest, _, _ = _entries(written, [data[kept.offset :]], kept)
    same(f"{what} goes on elsewhere", one=rest, other=entries[place + 1 :])


def read_entry(entry: ManifestEntry) -> None:
    """Read the job of an entry."""

    def read() -> None:
        if entry.fault:
            raise Rejected([entry.fault])
        read_job(Message(entry.body, f"m{entry.number}", AT), 1 << 18)

    ask("an entry", read, given=entry.body.decode(errors="replace"))


def _read_list(data: bytes) -> None:
    entries: Verdict[list[ManifestEntry]] = ask(
        "read_list", lambda: read_list(data), given=data.decode(errors="replace")
    )
    for entry in (entries.value or [])[:_MAX_READ]:
        read_entry(entry)


def _make_list(rng: Random) -> bytes:
    jobs = [make_job(rng) for _ in range(rng.choice((0, 1, 2, 3)))]
    if rng.random() < 0.02:
        jobs *= 60
    return encode(rng, text_of(rng, mutate(rng, jobs, 1)))


def _make_lines(rng: Random) -> bytes:
    end = rng.choice(("\n", "\r\n", "\r", "\n\n"))
    lines = [text_of(rng, make_job(rng)) for _ in range(rng.choice((1, 2, 3)))]
    return encode(rng, end.join(lines) + rng.choice(("", end)))


_COLUMNS: Final = (
    *("prompt", "job_id", "model", "models", "size", "quality", "n", "format", "compression"),
    *("locales", "inputs", "max_cost_usd", "deadline", "finish", "options", "tag_campaign"),
    *("option_seed", "tag_of", "prompt_blob", "Prompt", "", "x", "tag_", "\ud800"),
    *("template", "prompt_template", "variable_x", "variable_"),
)
_CELLS: Final = (
    *(
        "a fox",
        "a $x",
        "",
        " ",
        "2",
        "2.0",
        "0,25",
        "0.25",
        "1e3",
        "nan",
        "de|fr",
        "1024x1024|16:9",
        "auto",
    ),
    *('{"thumbnail": 64}', '{"thumbnail":64,"thumbnail":1}', "[" * 50, '5" nails', "a\nb", "a\rb"),
    *(
        "gpt-image-2",
        "a.png|b.png",
        "2026-11-30T18:00:00Z",
        "\x07",
        "é",
        "=1+1",
        "x" * 400,
        "\ud800",
        "[" * 20_000,
        '{"a":' * 9_000,
    ),
)


def _make_rows(rng: Random) -> bytes:
    delimiter = rng.choice(",,;\t")
    columns = ["prompt", *rng.sample(_COLUMNS[1:], rng.randint(0, 6))]
    if rng.random() < 0.02:
        columns = [f"tag_a{place}" for place in range(rng.choice((255, 256, 300)))]
    out = io.StringIO(newline="")
    rows = csv.writer(out, delimiter=delimiter, lineterminator=rng.choice(("\n", "\r\n", "\r")))
    if rng.random() < 0.1:
        out.write(f"sep={rng.choice(',;|')}\n")
    rows.writerow(columns)
    for _ in range(rng.randint(0, 3)):
        width = len(columns) + rng.choice((0, 0, 0, 0, 1, -1))
        rows.writerow([rng.choice(_CELLS) for _ in range(width)])
    return encode(rng, _spoil(rng, out.getvalue()))


def _spoil(rng: Random, text: str) -> str:
    at = rng.randint(0, len(text))
    return choose(
        rng,
        (6, lambda: text),
        (1, lambda: text[:at] + rng.choice(('"', '""', "\x00", "\n", ",", ";")) + text[at:]),
        (1, lambda: text[:at]),
    )


TARGETS: Final = (
    Target("json", partial(_read_file, written=Format.JSON), _make_list, 7),
    Target("jsonl", partial(_read_file, written=Format.JSONL), _make_lines, 7),
    Target("csv", partial(_read_file, written=Format.CSV), _make_rows, 12),
    Target("lists", _read_list, _make_list, 7),
)
