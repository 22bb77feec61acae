"""The lines of a manifest that is written to be checked, and what must become of each. Pure."""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

_HEADER: Final = ("job_id", "prompt", "model", "size", "quality", "n", "tag_row")
#: A line is asked for again so many lines later: a page on, so that it surely comes second.
_LATER: Final = 100
#: Of fifty lines, those that are not plain; of kinds that need an earlier line the first are plain.
_KINDS: Final = {
    7: "bad field",
    14: "same again",
    21: "no such model",
    28: "conflict",
    35: "torn",
    42: "refused",
}

type Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A line, and what must become of it."""

    number: int
    #: Where it begins in the file, from 1.
    line: int
    cells: tuple[str, ...]
    state: str = "succeeded"
    #: Of a rejection or a failure.
    code: str | None = None
    repeated: bool = False

    @property
    def job_id(self) -> str | None:
        """The id it names, None where it leaves that to the app."""
        return self.cells[0] or None

    @property
    def prompt(self) -> str:
        """Its prompt."""
        return self.cells[1]


def rows(count: int) -> tuple[Row, ...]:
    """Return so many lines: most plain, some bad, refused, asked for twice."""
    made: list[Row] = []
    line = 2  # after the header
    for number in range(1, count + 1):
        earlier = made[-_LATER] if len(made) >= _LATER else None
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
        case "no such model":
            other = (*cells[:2], "unheard-of", *cells[3:])
            return _bad(plain, "unsupported_request", cells=other)
        case "torn":
            return _bad(plain, "invalid_job", cells=(*cells, "one more"))
        case "refused":
            told = f"fox {number} [[fault:moderation_blocked]]"
            other = (name, told, *cells[2:])
            return replace(plain, cells=other, state="failed", code="content_refused")
        case "same again" if earlier:
            return replace(plain, cells=earlier.cells, state=earlier.state, repeated=True)
        case "conflict" if earlier:
            return _bad(plain, "conflict", cells=(earlier.cells[0], *cells[1:]))
        case _:
            return plain


def _bad(row: Row, code: str, *, cells: tuple[str, ...]) -> Row:
    return replace(row, cells=cells, state="rejected", code=code)


def to_csv(lines: Sequence[Row]) -> bytes:
    """Write the manifest."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows(row.cells for row in lines)
    return out.getvalue().encode()


def differences(
    lines: Sequence[Row],
    results: Sequence[Json],
    events: Sequence[Json],
    *,
    billed: Sequence[Json],
    pictures: Mapping[str, str],
) -> Iterator[str]:
    """Say what is not as it must be: of each line's result, its picture, the event of the end.

    `pictures` is the SHA-256 of each blob beside the results, `billed` the emulator's paid calls.
    """
    if len(results) != len(lines):
        yield f"{len(lines)} lines have {len(results)} results"
    for row, result in zip(lines, results, strict=False):
        yield from _told_wrong(row, result)
        yield from _made_wrong(row, result, pictures)
    yield from _drawn_wrong(lines, results, billed)
    ids = {event["id"] for event in events}
    if len(ids) != 1:
        yield f"{len(ids)} different events tell the batch's end; one must"
    for event in events[:1]:
        yield from _counted_wrong(lines, results, event["data"])


def _told_wrong(row: Row, result: Json) -> Iterator[str]:
    failure = result["failure"] or {}
    expected = {
        "entry": row.number,
        "line": row.line,
        "state": row.state,
        "code": row.code,
        "repeated": row.repeated,
        "job_id": None if row.state == "rejected" else row.job_id or result["job_id"],
    }
    told = {name: result[name] for name in expected} | {
        "code": result["code"] or failure.get("code")
    }
    if told != expected:
        yield f"line {row.number} is told as {told}, not {expected}"


def _made_wrong(row: Row, result: Json, pictures: Mapping[str, str]) -> Iterator[str]:
    if len(result["images"]) != (row.state == "succeeded"):
        yield f"line {row.number} {row.state} with {len(result['images'])} pictures"
    for image in result["images"]:
        if pictures.get(image["blob"]) != image["sha256"]:
            yield f"line {row.number} tells of {image['blob']}, which is not that"


def _drawn_wrong(
    lines: Sequence[Row], results: Sequence[Json], billed: Sequence[Json]
) -> Iterator[str]:
    """Find pictures of another line's prompt: by their bills, which tell of the prompt."""
    prompts = {
        result["job_id"]: hashlib.sha256(row.prompt.encode()).hexdigest()
        for row, result in zip(lines, results, strict=False)
        if result["state"] == "succeeded"
    }
    paid = set[str]()
    for bill in billed:
        job_id = bill["client_request_id"].rsplit(".", 3)[0]
        paid.add(job_id)
        if prompts.get(job_id) != bill["prompt_sha256"]:
            yield f"{job_id} was billed for a prompt that is not its line's"
    yield from (f"{job_id} succeeded unbilled" for job_id in prompts.keys() - paid)


def _counted_wrong(lines: Sequence[Row], results: Sequence[Json], data: Json) -> Iterator[str]:
    states = [row.state for row in lines]
    expected = {
        "entries": len(lines),
        **{state: states.count(state) for state in ("succeeded", "failed", "rejected")},
        **dict.fromkeys(("parked", "cancelled", "gone"), 0),
        "repeated": sum(row.repeated for row in lines),
        "images": states.count("succeeded"),
    }
    told = {name: data[name] for name in expected}
    if told != expected:
        yield f"the event counts {told}, not {expected}"
    cost = sum(result["cost_usd"] or 0.0 for result in results if not result["repeated"])
    if abs(data["cost_usd"] - cost) > 1e-6 * len(lines):
        yield f"the event tells ${data['cost_usd']:.6f}, its lines ${cost:.6f}"
