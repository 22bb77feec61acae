"""Documents of the app's own storage and queues, as a stranger or a damaged blob may leave them.

An input is the name of a kind, a line feed, and the document.
"""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any, Final

from shared.batches.events import build_completed
from shared.batches.manifest import Continuation, CreatedBlob, format_of, read_notice
from shared.batches.record import (
    BatchRecord,
    EntryPage,
    add_entries,
    delay_of_step,
    next_step,
    stop_reading,
)
from shared.errors import ImageJobsError
from shared.events import cloud_events
from shared.events.delivery import read_delivery, wait_after
from shared.http_api.batch_documents import describe_batch, describe_begun, poll_batch_after
from shared.http_api.job_documents import (
    describe_job,
    describe_jobs,
    describe_sums,
    find_picture,
    list_blobs,
    poll_after,
)
from shared.http_api.limits import describe_budget, describe_pace, list_reservations
from shared.limits.adaptive_rate import Quota
from shared.limits.budget import CostReservation, DayLedger, SettledCost, reserve, settle
from shared.limits.circuit_breaker import CallFeedback
from shared.limits.pool_ledger import (
    AcquireRequest,
    Ledger,
    Reservation,
    acquire,
    is_usable,
    probe_now,
    report,
)
from shared.records.commands import Action, Command, apply_command
from shared.records.costs import awaits_budget, cost_of
from shared.records.dead_letter import DeadLetter
from shared.records.index_entry import (
    JobFilter,
    JobSums,
    Page,
    from_metadata,
    index_entry_of,
    newest,
    to_metadata,
)
from shared.records.record import JobRecord
from shared.records.task_messages import TaskMessage, read_finish, read_task
from shared.records.transitions import EVENT_OF
from shared.workflows.generation.steps import next_step as next_task_step

from ..grammar import Document, mutate, text_of
from ..oracles import ask, read_stored, same
from .messages import CONFIGURATION
from .target import Target

_NOW: Final = datetime(2026, 11, 22, 12, 5, tzinfo=UTC)
_DAY: Final = date(2026, 11, 22)
_QUOTA: Final = Quota(60)
_SNAPSHOTS: Final = (
    Path(__file__).parents[2] / "simulation" / "versions" / "c1c415c" / "snapshots.json"
)


def _read_record(body: bytes) -> None:
    record = read_stored(JobRecord, body).value
    if record is None:
        return
    uses: Mapping[str, Callable[[], object]] = {
        "cost_of": lambda: cost_of(record.attempts),
        "index_entry_of": lambda: from_metadata(to_metadata(index_entry_of(record))),
        "describe_job": lambda: describe_job(record).model_dump_json(),
        "poll_after": lambda: poll_after(record, _NOW),
        "find_picture": lambda: find_picture(record, "0"),
        "list_blobs": lambda: list_blobs(record),
        "give_up_at": lambda: record.give_up_at(timedelta(days=1)),
        "awaits_budget": lambda: awaits_budget(record),
        "the event of a record": lambda: _event_of(record),
        "a record": record.model_dump_json,
    }
    _use(uses)
    for action in Action:
        command = Command(command=action, job_id="fox")
        ask(f"{action} of a record", partial(apply_command, record, command, now=_NOW))
    for place in range(min(3, len(record.tasks))):
        message = TaskMessage(job_id="fox", task=place, run=record.run)
        ask("next_step", partial(_next_step, record, message))


def _next_step(record: JobRecord, message: TaskMessage) -> None:
    next_task_step(record, message, now=_NOW, configuration=CONFIGURATION)


def _event_of(record: JobRecord) -> None:
    if event_type := EVENT_OF.get(record.state):
        event = cloud_events.build(record, event_type, source="/image-jobs", time=_NOW)
        cloud_events.to_json(event)


def _use(uses: Mapping[str, Callable[[], object]]) -> None:
    """Use a document that was read: what is taken must be usable."""
    for name, use in uses.items():
        ask(name, use)


def _read_ledger(body: bytes) -> None:
    ledger = read_stored(Ledger, body).value
    if ledger is None:
        return
    request = AcquireRequest("gpt-image-2", "gpt-image-2", _QUOTA, timedelta(minutes=15))

    def call() -> None:
        then, answer = acquire(ledger, request, now=_NOW, token="t", accepted=[_NOW])  # noqa: S106 (no secret)
        then.model_dump_json()
        if isinstance(answer, Reservation):
            is_usable(then, answer)
            for kind in ("accepted", "throttled", "blocked", "unavailable"):
                feedback = CallFeedback(kind, "no", 5.0)
                report(then, answer, feedback, now=_NOW).model_dump_json()

    _use(
        {
            "acquire": call,
            "probe_now": lambda: probe_now(ledger, now=_NOW),
            "describe_pace": lambda: describe_pace(ledger, _QUOTA, now=_NOW).model_dump_json(),
        }
    )


def _read_budget(body: bytes) -> None:
    ledger = read_stored(DayLedger, body).value
    if ledger is None:
        return
    hold = CostReservation(amount=5, job_id="fox", until=_NOW)

    def hold_and_settle() -> None:
        then, ticket = reserve(ledger, hold, limit=10**9)
        if isinstance(ticket, str):
            settle(then, ticket, SettledCost(1, 2)).model_dump_json()

    _use(
        {
            "reserve": hold_and_settle,
            "describe_budget": lambda: describe_budget(
                ledger, day=_DAY, limit_usd=9.0
            ).model_dump_json(),
            "list_reservations": lambda: list_reservations(ledger),
        }
    )


def _read_entry(body: bytes) -> None:
    """Read an entry of the index; `JobIndex` skips and names one that raises `ValueError`."""
    text = body.decode("latin-1")
    try:
        entry = from_metadata(text)
    except ValueError:
        return
    sums = JobSums()
    _use(
        {
            "the name of an entry": lambda: (entry.name, entry.cover, newest([entry])),
            "has_text": lambda: JobFilter(text="fox", tag=("of", "foxes")).matches(entry),
            "describe_jobs": lambda: describe_jobs(Page(entries=(entry,)), {}).model_dump_json(),
            "the sums of an entry": lambda: sums.add(entry),
            "describe_sums": lambda: describe_sums(sums).model_dump_json(),
        }
    )


def _read_batch(body: bytes) -> None:
    record = read_stored(BatchRecord, body).value
    if record is None:
        return
    _use(
        {
            "describe_batch": lambda: describe_batch(record).model_dump_json(),
            "poll_batch_after": lambda: poll_batch_after(record, _NOW),
            "delay_of_step": lambda: delay_of_step(record, record.step - 1, now=_NOW),
            "next_step of a batch": lambda: next_step(record, due_at=_NOW, now=_NOW),
            "stop_reading": lambda: stop_reading(record, now=_NOW).model_dump_json(),
            "waits_for": lambda: record.waits_for,
            "the event of a batch": lambda: (
                cloud_events.to_json(
                    build_completed(record, source="/image-jobs", container="images")
                )
                if record.completed_at and record.results_url
                else None
            ),
        }
    )


def _read_page(body: bytes) -> None:
    page = read_stored(EntryPage, body).value
    batch = BatchRecord.model_validate_json(_samples()["batch"][0])
    if page:
        _use(
            {
                "describe_begun": lambda: describe_begun(batch, page).model_dump_json(),
                "add_entries": lambda: add_entries(batch, page, now=_NOW).model_dump_json(),
            }
        )


def _read_letter(body: bytes) -> None:
    letter = read_stored(DeadLetter, body).value
    if letter:
        _use({"a dead letter": lambda: (letter.message, letter.model_dump_json())})


def _read_task(body: bytes) -> None:
    given = body.decode(errors="replace")
    message = ask("read_task", lambda: read_task(body), given=given).value
    if message and message.ticket:
        request = AcquireRequest(
            message.ticket.pool, "d", _QUOTA, timedelta(minutes=15), ticket=message.ticket
        )
        ask("a ticket", lambda: acquire(None, request, now=_NOW, token="t"))  # noqa: S106 (no secret)
    if message and "NaN" not in given and "Infinity" not in given:  # JSON has none to write
        again = read_task(message.to_bytes()).to_bytes()
        same("a task message is read as written", one=again, other=message.to_bytes())


def _read_finish(body: bytes) -> None:
    ask("read_finish", lambda: read_finish(body), given=body.decode(errors="replace"))


def _read_notice(body: bytes) -> None:
    notice = ask(
        "read_notice", lambda: read_notice(body), given=body.decode(errors="replace")
    ).value
    if isinstance(notice, Continuation):
        same("a continuation is read as written", one=read_notice(notice.to_bytes()), other=notice)
        ask("the wait of a continuation", lambda: timedelta(seconds=min(60, 2 * notice.waited)))
    if isinstance(notice, CreatedBlob):
        ask("format_of", lambda: _format_of(notice.name))


def _format_of(name: str) -> None:
    try:
        format_of(name)
    except ValueError as error:
        raise ImageJobsError(str(error)) from error


def _read_delivery(body: bytes) -> None:
    delivery = ask(
        "read_delivery", lambda: read_delivery(body), given=body.decode(errors="replace")
    )
    if value := delivery.value:
        again = read_delivery(value.to_bytes()).to_bytes()
        same("a delivery is read as written", one=again, other=value.to_bytes())
        ask("wait_after", lambda: (wait_after(value, 5.0), _NOW - value.since))


_KINDS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "record": _read_record,
    "ledger": _read_ledger,
    "budget": _read_budget,
    "entry": _read_entry,
    "batch": _read_batch,
    "page": _read_page,
    "letter": _read_letter,
    "task": _read_task,
    "finish": _read_finish,
    "notice": _read_notice,
    "delivery": _read_delivery,
}


def _read_stored(data: bytes) -> None:
    kind, _, body = data.partition(b"\n")
    if read := _KINDS.get(kind.decode("latin-1")):
        read(body)


@cache
def _samples() -> dict[str, list[str]]:
    """Return documents that the deployed version wrote, and a few more, by their kind."""
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for snapshot in json.loads(_SNAPSHOTS.read_text()):
        for container, name, body, _, metadata in snapshot["blobs"]:
            text = base64.b64decode(body).decode("latin-1")
            if kind := _kind_of(container, name):
                found[kind].append(metadata["entry"] if kind == "entry" else text)
    for kind, documents in _MORE.items():
        found[kind] += map(json.dumps, documents)
    return found


def _kind_of(container: str, name: str) -> str | None:
    if container == "pace":
        return "ledger"
    if container != "jobs":
        return None
    folder, _, rest = name.partition("/")
    known = {"budget": "budget", "open": "entry", "ended": "entry"}
    if folder == "batches":
        return "batch" if rest.endswith("batch.json") else "page" if "/entries/" in rest else None
    return known.get(folder) if rest else "record"


_TICKET: Final[Document] = {
    "pool": "p",
    "epoch": "2026-11-22T12:00:00Z",
    "number": 1.5,
    "at": "2026-11-22T12:01:00Z",
    "postponed": 2,
}
_MORE: Final[Mapping[str, tuple[Any, ...]]] = {
    "letter": (
        {
            "kind": "message",
            "reason": "invalid_job",
            "at": "2026-11-22T12:00:00Z",
            "faults": [{"field": "n", "message": "is missing"}],
            "message_base64": "e30=",
        },
    ),
    "ledger": (
        {
            "pace": {
                "epoch": "2026-11-22T12:00:00Z",
                "rate": {"configured": 60, "rpm": 50, "proven": 40, "ceiling": 90},
                "free_at": "2026-11-22T12:06:00Z",
                "calling": 3.0,
                "promised": 5.0,
                "stopped_until": "2026-11-22T12:06:00Z",
            },
            "circuits": {
                "": {
                    "reason": "blocked",
                    "message": "no",
                    "opened_at": "2026-11-22T12:00:00Z",
                    "probe_at": "2026-11-22T12:01:00Z",
                    "failures": 3,
                }
            },
            "streaks": {"gpt-image-2": {"count": 2, "last_at": "2026-11-22T12:00:00Z"}},
        },
    ),
    "task": (
        {"job_id": "fox", "run": 1, "task": 0, "ticket": _TICKET, "held": "no"},
        {"job_id": "fox", "generation": 1, "task": 0, "appointment": _TICKET},
    ),
    "finish": ({"job_id": "fox", "run": 1},),
    "notice": (
        {"batch_id": "b", "step": 3, "waited": 1.5},
        {
            "eventType": "Microsoft.Storage.BlobCreated",
            "subject": "/blobServices/default/containers/manifests/blobs/a/jobs.csv",
            "data": {"api": "PutBlob", "eTag": '"0x8"', "url": "https://a/b"},
        },
    ),
    "delivery": (
        {
            "sink": "shop",
            "tries": 2,
            "since": "2026-11-22T12:00:00Z",
            "event": {"id": "e-1", "type": "job.succeeded", "data": {}},
        },
    ),
}


def _make_stored(rng: Random) -> bytes:
    kind = rng.choice(tuple(_KINDS))
    document = json.loads(rng.choice(_samples()[kind]))
    text = text_of(rng, mutate(rng, document, 3))
    return f"{kind}\n".encode() + text.encode("utf-8", "surrogatepass")


TARGETS: Final = (Target("stored", _read_stored, _make_stored, 12),)
