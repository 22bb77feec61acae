"""A manifest for the batch trial: its rows, and the expected result of each. Pure."""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

_HEADER: Final = ("job_id", "prompt", "model", "size", "quality", "n", "tag_row")
#: Distance in rows between a row and its repetition: a page, so that the repetition is read later.
_REPEAT_AFTER: Final = 100
#: The special rows of every fifty. Without an earlier row, a repetition or a conflict is plain.
_KINDS: Final = {
    7: "bad field",
    14: "repetition",
    21: "unknown model",
    28: "conflict",
    35: "too many cells",
    42: "refused",
}

type Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One row, and its expected result."""

    number: int
    #: Number of its first line in the file, from 1.
    line: int
    cells: tuple[str, ...]
    state: str = "succeeded"
    #: Code of the rejection or failure.
    code: str | None = None
    repeated: bool = False

    @property
    def job_id(self) -> str | None:
        """The id in the row; None when the app chooses one."""
        return self.cells[0] or None

    @property
    def prompt(self) -> str:
        """The prompt in the row."""
        return self.cells[1]


def make_rows(count: int) -> tuple[Row, ...]:
    """Return `count` rows: most are plain, some are invalid, refused or repeated."""
    made: list[Row] = []
    line = 2  # after the header
    for number in range(1, count + 1):
        earlier = made[-_REPEAT_AFTER] if len(made) >= _REPEAT_AFTER else None
        made.append(_row(number, line, earlier))
        line += 1 + made[-1].prompt.count("\n")
    return tuple(made)


def _row(number: int, line: int, earlier: Row | None) -> Row:
    name = f"row-{number:04d}" if number % 2 == 0 else ""
    prompt = f'fox {number}, "in the snow"' + ("\nby night" if number % 10 == 5 else "")  # noqa: PLR2004 - a tenth
    cells = (name, prompt, "gpt-image-2", "1024x640", "low", "", str(number))
    plain = Row(number, line, cells)
    match _KINDS.get(number % 50):
        case "bad field":
            return _bad(plain, "invalid_job", cells=(*cells[:5], "99", cells[6]))
        case "unknown model":
            other = (*cells[:2], "unheard-of", *cells[3:])
            return _bad(plain, "unsupported_request", cells=other)
        case "too many cells":
            return _bad(plain, "invalid_job", cells=(*cells, "one more"))
        case "refused":
            refused = f"fox {number} [[fault:moderation_blocked]]"
            other = (name, refused, *cells[2:])
            return replace(plain, cells=other, state="failed", code="content_refused")
        case "repetition" if earlier:
            return replace(plain, cells=earlier.cells, state=earlier.state, repeated=True)
        case "conflict" if earlier:
            return _bad(plain, "conflict", cells=(earlier.cells[0], *cells[1:]))
        case _:
            return plain


def _bad(row: Row, code: str, *, cells: tuple[str, ...]) -> Row:
    return replace(row, cells=cells, state="rejected", code=code)


def to_csv(rows: Sequence[Row]) -> bytes:
    """Return the rows as a CSV file."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows(row.cells for row in rows)
    return out.getvalue().encode()


def find_differences(
    rows: Sequence[Row],
    results: Sequence[Json],
    events: Sequence[Json],
    *,
    billed: Sequence[Json],
    pictures: Mapping[str, str],
) -> Iterator[str]:
    """Yield a sentence for each wrong result, picture, bill and count.

    `pictures`: SHA-256 of each blob of the images container. `billed`: the emulator's paid calls.
    """
    if len(results) != len(rows):
        yield f"{len(rows)} rows have {len(results)} results"
    for row, result in zip(rows, results, strict=False):
        yield from _wrong_result(row, result)
        yield from _wrong_pictures(row, result, pictures)
    yield from _wrong_bills(rows, results, billed)
    ids = {event["id"] for event in events}
    if len(ids) != 1:
        yield f"{len(ids)} different events end the batch; expected 1"
    for event in events[:1]:
        yield from _wrong_counts(rows, results, event["data"])


def _wrong_result(row: Row, result: Json) -> Iterator[str]:
    failure = result["failure"] or {}
    expected = {
        "entry": row.number,
        "line": row.line,
        "state": row.state,
        "code": row.code,
        "repeated": row.repeated,
        "job_id": None if row.state == "rejected" else row.job_id or result["job_id"],
    }
    found = {name: result[name] for name in expected} | {
        "code": result["code"] or failure.get("code")
    }
    if found != expected:
        yield f"row {row.number}: result {found}, expected {expected}"


def _wrong_pictures(row: Row, result: Json, pictures: Mapping[str, str]) -> Iterator[str]:
    if len(result["images"]) != (row.state == "succeeded"):
        yield f"row {row.number} {row.state} with {len(result['images'])} pictures"
    for image in result["images"]:
        if pictures.get(image["blob"]) != image["sha256"]:
            yield f"row {row.number} names {image['blob']}, which is missing or different"


def _wrong_bills(
    rows: Sequence[Row], results: Sequence[Json], billed: Sequence[Json]
) -> Iterator[str]:
    """Find pictures of another row's prompt: each bill has the hash of its prompt."""
    prompts = {
        result["job_id"]: hashlib.sha256(row.prompt.encode()).hexdigest()
        for row, result in zip(rows, results, strict=False)
        if result["state"] == "succeeded"
    }
    paid = set[str]()
    for bill in billed:
        job_id = bill["client_request_id"].rsplit(".", 3)[0]
        paid.add(job_id)
        if prompts.get(job_id) != bill["prompt_sha256"]:
            yield f"{job_id} was billed for the prompt of another row"
    yield from (f"{job_id} succeeded without a bill" for job_id in prompts.keys() - paid)


def _wrong_counts(rows: Sequence[Row], results: Sequence[Json], data: Json) -> Iterator[str]:
    states = [row.state for row in rows]
    expected = {
        "entries": len(rows),
        **{state: states.count(state) for state in ("succeeded", "failed", "rejected")},
        **dict.fromkeys(("parked", "cancelled", "gone"), 0),
        "repeated": sum(row.repeated for row in rows),
        "images": states.count("succeeded"),
    }
    found = {name: data[name] for name in expected}
    if found != expected:
        yield f"the event counts {found}, expected {expected}"
    for end in ("cost_usd", "cost_usd_at_most"):
        usd = sum(result[end] or 0.0 for result in results if not result["repeated"])
        if abs(data[end] - usd) > 1e-6 * len(rows):
            yield f"the event reports {end} {data[end]:.6f}, its results {usd:.6f}"
