"""Messages of callers: the same job from every carrier, and plans that the models allow."""

import base64
import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from random import Random
from typing import Any, Final

from shared.batches.manifest import Format
from shared.batches.reader import ManifestReader
from shared.catalogue.models import read_builtin
from shared.catalogue.sizes import find_broken_rules
from shared.config.settings import configure
from shared.errors import Fault, InvalidJob, Rejected
from shared.events import cloud_events
from shared.http_api.job_documents import describe_estimate, describe_job
from shared.jobs.job import Job
from shared.jobs.parsing import Envelope, Message, open_envelope, read_job, reply_queue
from shared.jobs.prompts import longest_prompt
from shared.jobs.text import MAX_DEPTH, JsonObject, parse_json
from shared.records.commands import Command, read_command
from shared.records.index_entry import from_metadata, index_entry_of, to_metadata
from shared.records.record import JobRecord
from shared.records.transitions import open_record
from shared.routing.plan import Plan
from shared.routing.router import route
from shared.vocabulary import EventType

from ..grammar import Document, choose, encode, mutate, text_of, wrap
from ..oracles import Finding, Oracle, Verdict, ask, check_text, check_words, same
from .target import Target

AT: Final = datetime(2026, 11, 30, 17, 0, tzinfo=UTC)
MODELS: Final = read_builtin().models
CONFIGURATION: Final = configure(
    {
        "ImageStorage": "UseDevelopmentStorage=true",
        "FOUNDRY_ENDPOINT": "https://res.openai.azure.com",
        "FOUNDRY_DEPLOYMENTS": json.dumps([{"name": name} for name in MODELS]),
        "REPLY_QUEUES": "*",
    }
)
#: A message in base64 of UTF-16, and with an event around it, must still be one.
_MAX_CARRIED: Final = 20_000
#: Metadata of a blob, bytes; an event on a queue, bytes; a blob's name, characters.
_MAX_METADATA, _MAX_EVENT, _MAX_BLOB = 8_192, 49_152, 1_024

_FIELDS: Final[Document] = {
    "job_id": "fox-7d2c",
    "prompt": 'a fox "Hello" `Acme`',
    "prompt_blob": "prompts/fox.txt",
    "template": "a $animal in ${place} for $$5",
    "variables": {"animal": "fox", "place": "$place"},
    "model": "gpt-image-2",
    "models": ["gpt-image-2", "gpt-image-1.5"],
    "size": ["1536x1024", "4k 16:9"],
    "routing": "legacy",
    "quality": "high",
    "fit": "reject",
    "n": 3,
    "format": "jpeg",
    "compression": 80,
    "background": "opaque",
    "options": {"moderation": "low", "seed": 7},
    "locales": ["de", "pt-BR", "zh-Hant-TW"],
    "inputs": ["a.png", "/images/fox/default/0.png"],
    "mask": "m.png",
    "finish": {
        "size": "1200x628",
        "how": "crop",
        "renditions": [{"format": "webp", "quality": 80}, {"format": "avif"}],
        "thumbnail": 256,
        "contact_sheet": True,
    },
    "reply_to": "my-queue",
    "on_unknown": "park",
    "max_cost_usd": 1.5,
    "deadline": "2026-11-30T18:00:00Z",
    "priority": "low",
    "tags": {"campaign": "winter", "of": "Füchse"},
    "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
}
_SIZES: Final = ("auto", "1024x1024", "16:9", "4k 16:9", "small", "large 3:2", "2k", "5000x77")
_COMMANDS: Final[tuple[Document, ...]] = (
    {"command": "cancel", "job_id": "fox", "result": "drop", "reason": "no longer needed"},
    {"command": "replay", "job_id": "fox", "run": 2, "pictures": "remake"},
    {"command": "release", "job_id": "fox"},
    {"command": "fail", "job_id": "fox", "reason": "paid twice"},
)
_EVENT: Final[Document] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/shop",
    "type": "job.asked",
    "time": "2026-11-30T16:59:59Z",
}


def make_job(rng: Random) -> Document:
    """Return a job that is nearly valid."""
    names = rng.sample(list(_FIELDS), rng.randint(0, 7))
    job = {"prompt": "a fox", **{name: _FIELDS[name] for name in names}}
    if rng.random() < 0.3:
        job |= {"model": rng.choice([*MODELS, "auto", "cheapest"]), "size": rng.choice(_SIZES)}
    changed: Document = mutate(rng, job)
    return changed


def _make_message(rng: Random) -> bytes:
    document = choose(
        rng,
        (6, lambda: make_job(rng)),
        (2, lambda: mutate(rng, rng.choice(_COMMANDS))),
        (2, lambda: mutate(rng, _EVENT | {"data": make_job(rng)})),
    )
    return wrap(rng, encode(rng, text_of(rng, document)))


def _read_message(data: bytes) -> None:
    """Read a message of the jobs queue, as `handle_job_message` does."""
    message, given = Message(data, "m", AT), _given(data)
    envelope = ask("open_envelope", lambda: open_envelope(message), given=given).value
    if envelope is None:
        return
    ask("reply_queue", lambda: reply_queue(envelope, lambda _: True))
    if envelope.is_command:
        command = ask("read_command", lambda: read_command(envelope), given=given)
        if isinstance(command.value, Command):
            read = _envelope_of(command.value.to_bytes())
            same("a command is read as written", one=read_command(read), other=command.value)
    else:
        job = ask("read_job", lambda: read_job(message), given=given)
        _check_rejected(job)


def _envelope_of(body: bytes) -> Envelope:
    return open_envelope(Message(body, "m", AT))


def _given(data: bytes) -> str:
    """Return all that a refusal may quote."""
    return data.decode(errors="replace")


def _check_rejected(verdict: Verdict[Job]) -> None:
    """Check that the event of a rejection can be sent."""
    if not verdict.is_refused:
        return
    rejection = InvalidJob([Fault("", text) for text in verdict.faults])
    event = cloud_events.rejected(rejection, digest="0" * 64, source="/image-jobs", time=AT)
    if len(cloud_events.to_json(event)) > _MAX_EVENT:
        raise Finding(
            Oracle.LIMITS, "the event of a rejection is too long", verdict.faults[0][:100]
        )


def _make_carried(rng: Random) -> bytes:
    return text_of(rng, make_job(rng)).encode("utf-8", "surrogatepass")


def _read_carried(data: bytes) -> None:
    """Read the same job from each carrier, and plan it."""
    content = _content(data)
    if content is None:
        return
    first = _ask(Message(data, "m", AT))
    for name, message in _carriers(data):
        _compare(name, content, first, _ask(message))
    for name, body in _manifests(data):
        _compare(name, content, first, _ask_file(name, body))
    if first.value:
        if row := _row(content):
            _compare("jobs.csv", content, first, _ask_file("jobs.csv", row))
        _check_job(first.value)


def _content(data: bytes) -> JsonObject | None:
    """Return the job that can be in each carrier; None for what can't be one."""
    if len(data) > _MAX_CARRIED or not data.startswith(b"{"):
        return None
    try:
        content = parse_json(data.decode())
    except ValueError:
        return None
    is_job = isinstance(content, JsonObject) and not {"specversion", "command"} & content.keys()
    # An event is one level deeper.
    return content if is_job and _depth(content) < MAX_DEPTH else None


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _carriers(data: bytes) -> Iterator[tuple[str, Message]]:
    text, event = data.decode(), json.dumps(_EVENT)[:-1]
    encoded = base64.b64encode(data).decode()
    for name, body in {
        "base64": encoded,
        "base64 for URLs": base64.urlsafe_b64encode(data).decode().rstrip("="),
        "base64 of UTF-16": base64.b64encode(text.encode("utf-16")).decode(),
        "a JSON text": json.dumps(text),
        "a CloudEvent": f'{event}, "data": {text}}}',
        "a CloudEvent with data_base64": f'{event}, "data_base64": "{encoded}"}}',
    }.items():
        yield name, Message(body.encode(), "m", AT)
    yield "a binary CloudEvent", Message(data, "m", AT, event=_EVENT)


def _manifests(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "jobs.json", b"[\n" + data + b"\n]"
    # Outside of texts, and texts hold none.
    yield "jobs.jsonl", data.replace(b"\n", b" ").replace(b"\r", b" ") + b"\r\n"


def _ask(message: Message) -> Verdict[Job]:
    return ask("read_job", lambda: read_job(message), given=_given(message.body))


def _ask_file(name: str, body: bytes) -> Verdict[Job]:
    def read() -> Job:
        reader = ManifestReader(Format(name.rpartition(".")[2]))
        reader.feed(body)
        reader.end()
        entries = list(reader.take())
        if len(entries) != 1 or reader.faults:
            raise Finding(
                Oracle.SAME, f"{name} has one job", f"{len(entries)} entries, {reader.faults}"
            )
        if entries[0].fault:
            raise Rejected([entries[0].fault])
        return read_job(Message(entries[0].body, "m", AT))

    return ask(f"reading {name}", read, given=_given(body))


def _compare(name: str, content: Document, first: Verdict[Job], other: Verdict[Job]) -> None:
    same(f"{name} gets another verdict", one=other.faults, other=first.faults)
    if first.value and other.value:
        same(
            f"{name} makes another job", one=other.value.fingerprint, other=first.value.fingerprint
        )
        if content.get("job_id") is not None:
            same(f"{name} makes another id", one=other.value.job_id, other=first.value.job_id)


def _row(content: Document) -> bytes:
    """Return a job as a CSV file; empty if CSV can't hold it."""
    cells = {name: _cell(name, value) for name, value in content.items() if value is not None}
    written = dict[str, str]()
    for name, cell in cells.items():
        if cell is None:
            return b""
        written[name] = cell
    tags = {f"tag_{name}": value for name, value in (content.get("tags") or {}).items()}
    written = {name: cell for name, cell in written.items() if name != "tags"} | tags
    if any(cell != cell.strip() for name, cell in written.items() if name != "prompt"):
        return b""
    out = io.StringIO(newline="")
    # A header of one column has no delimiter, and then it is a comma.
    rows = csv.writer(out, delimiter=";" if len(written) > 1 else ",")
    rows.writerow(written)
    rows.writerow(written.values())
    return out.getvalue().encode()


def _cell(name: str, value: Any) -> str | None:  # noqa: ANN401 (what JSON can hold)
    """Return a value as a cell; None if a cell can't hold it."""
    if name in {"finish", "options"}:
        return json.dumps(value)
    if isinstance(value, bool) or value in ("", [], {}):
        return None
    if isinstance(value, int | float):
        text = repr(value)
        return None if "e" in text else text
    if isinstance(value, list):
        plain = all(each == each.strip() and "|" not in each for each in value)
        one_size = name == "size" and len(value) == 1
        return "|".join(value) if plain and not one_size else None
    if name == "tags":
        return None if "" in value.values() else "-"
    if isinstance(value, dict):
        return None
    has_bar = "|" in value and name in {"size", "models", "locales", "inputs"}
    return None if has_bar or not value.strip() else str(value)


def _check_job(job: Job) -> None:
    """Check what an accepted job comes to: its plans, record, index entry and documents."""
    prompt = job.prompt or "x" * 1000
    try:
        characters = longest_prompt(prompt, job.locales)
    except LookupError as error:  # a rejection, as `validate_job` has it
        check_words("longest_prompt", [str(error.args[0])], given=job.model_dump_json())
        return
    plans = ask(
        "route",
        lambda: route(
            job,
            catalogue=CONFIGURATION.catalogue,
            deployments=CONFIGURATION.deployments,
            today=date(2026, 11, 22),
            prompt_characters=characters,
        ),
        given=job.model_dump_json(),
    ).value
    if plans is None:
        return
    for plan in plans:
        _check_plan(job, plan)
    describe_estimate(plans).model_dump_json()
    record = ask("open_record", lambda: open_record(job, plans, now=AT, publish=True)).value
    if record:
        _check_record(record)


def _check_plan(job: Job, plan: Plan) -> None:
    model = MODELS[plan.model]
    problems = [
        *find_broken_rules(model.sizes, plan.width, plan.height),
        *([] if plan.quality in _levels(plan.model) else [f"quality {plan.quality}"]),
        *([] if plan.format in model.formats else [f"format {plan.format}"]),
        *([] if 1 <= plan.per_call <= model.max_n_per_call else [f"per_call {plan.per_call}"]),
        *sorted(plan.parameters.keys() - {*model.parameters, *model.options}),
        *([] if plan.pictures == job.n * (len(job.locales) or 1) else ["pictures"]),
        *([] if plan.deployments else ["deployments"]),
    ]
    numbers = (plan.estimate_usd or 0.0, plan.expected_seconds, plan.call_limit_seconds)
    if problems or not all(map(math.isfinite, numbers)):
        raise Finding(
            Oracle.PLANS,
            "a plan breaks a rule of its model",
            f"{plan.model}: {problems}, {numbers}",
        )


def _levels(name: str) -> set[str | None]:
    model = MODELS[name]
    return {*(level.name for level in model.qualities), "auto", None}


def _check_record(record: JobRecord) -> None:
    body = record.model_dump_json()
    same("a record is read as written", one=JobRecord.model_validate_json(body), other=record)
    entry = index_entry_of(record)
    metadata = to_metadata(entry)
    same("an index entry is read as written", one=from_metadata(metadata), other=entry)
    event = cloud_events.build(record, EventType.ACCEPTED, source="/image-jobs", time=AT)
    longest: Mapping[str, tuple[int, int]] = {
        "the index entry": (len(metadata), _MAX_METADATA),
        "the event": (len(cloud_events.to_json(event)), _MAX_EVENT),
        "a blob's name": (max(len(b) for task in record.tasks for b in task.blobs), _MAX_BLOB),
    }
    for name, (length, limit) in longest.items():
        if length > limit:
            raise Finding(Oracle.LIMITS, f"{name} is too long", f"{length:,} of {limit:,}")
    check_text("describe_job", describe_job(record).model_dump_json())


TARGETS: Final = (
    Target("messages", _read_message, _make_message, 14),
    Target("carriers", _read_carried, _make_carried, 6),
)
