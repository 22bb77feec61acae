"""The same content gets the same verdict, in the same words, at every door."""

import base64
import csv
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from shared.client.cli.job_options import job_fields
from shared.client.submission import read_fields
from shared.errors import Rejected
from shared.jobs.fields import MAX_PROMPT_CHARACTERS
from shared.jobs.parsing import Message
from shared.ports import What
from shared.workflows.intake import estimate, handle_job_message, submit
from shared.workflows.posted_lists import Begun, begin
from tests.builders.messages import INSERTED_AT
from tests.simulation.manifests import Drop

PROMPT = {"prompt": "a fox", "quality": "low"}
#: Blobs that a case may name.
BLOBS = {
    "controls.txt": b"a \x1b[31m fox",
    "invisible.txt": "\u200b\u200d\ufeff".encode(),
    "long.txt": b"x" * (MAX_PROMPT_CHARACTERS + 1),
    "windows.txt": "a fox".encode("utf-16"),
    "latin.txt": "Küste".encode("latin-1"),
}
TENANTS = '[{"name": "default"}, {"name": "shop", "models": ["gpt-image-2"]}]'
type Faults = list[str]
type Door = Callable[[bytes, Path], Awaitable[Faults]]


def drop() -> Drop:
    it = Drop(TENANTS=TENANTS, UNKNOWN_TENANTS="reject")
    for name, body in BLOBS.items():
        it.world.seed("inputs", name, body)
    it.world.queues.missing.add("replies-gone")
    return it


def told(rejection: Rejected) -> Faults:
    return [str(fault) for fault in rejection.faults]


async def queue(body: bytes, _: Path) -> Faults:
    it = drop()
    message = Message(body, "m", INSERTED_AT)
    report = await handle_job_message(message, it.world, it.scene.configuration)
    return list(report.facts["faults"]) if report.what is What.REJECTED else []


async def windows_queue(body: bytes, path: Path) -> Faults:
    text = body.decode("utf-8", "surrogatepass")
    return await queue(base64.b64encode(text.encode("utf-16-le", "surrogatepass")), path)


async def http(body: bytes, _: Path) -> Faults:
    return await refusal(submit, body)


async def http_estimate(body: bytes, _: Path) -> Faults:
    return await refusal(estimate, body)


async def refusal(handle: Callable[..., Awaitable[object]], body: bytes) -> Faults:
    it = drop()
    try:
        await handle(Message(body, "m", INSERTED_AT), it.world, it.scene.configuration)
    except Rejected as rejection:
        return told(rejection)
    return []


async def http_list(body: bytes, _: Path) -> Faults:
    it = drop()
    made = await begin(b"[" + body + b"]", None, it.world, it.scene.configuration)
    return [] if isinstance(made, Begun) else told(made[0])


async def manifest(name: str, body: bytes) -> Faults:
    it = drop()
    it.drop(name, body)
    await it.run()
    (result,) = it.results
    faults = [(each["field"], each["message"]) for each in result.get("faults", [])]
    return [f"{field}: {message}" if field else message for field, message in faults]


async def json_file(body: bytes, _: Path) -> Faults:
    return await manifest("jobs.json", b"[\n" + body + b"\n]")


async def json_lines(body: bytes, _: Path) -> Faults:
    return await manifest("jobs.jsonl", b"\xef\xbb\xbf" + body + b"\r\n")


async def csv_file(body: bytes, _: Path) -> Faults:
    fields = json.loads(body)
    out = io.StringIO(newline="")
    rows = csv.writer(out, delimiter=";")
    rows.writerow(fields)
    rows.writerow(
        [
            "|".join(value) if isinstance(value, list) else value
            for value in (
                json.dumps(each) if isinstance(each, dict) else each for each in fields.values()
            )
        ]
    )
    return await manifest("jobs.csv", out.getvalue().encode())


async def command_file(body: bytes, path: Path) -> Faults:
    file = path / "job.json"
    file.write_bytes(body)
    try:
        read_fields(job_fields({"file": file}), {}, now=INSERTED_AT, chance="")
    except Rejected as rejection:
        return told(rejection)
    return []


async def python(body: bytes, _: Path) -> Faults:
    try:
        read_fields(json.loads(body), {}, now=INSERTED_AT, chance="")
    except Rejected as rejection:
        return told(rejection)
    return []


BYTES: tuple[Door, ...] = (queue, windows_queue, http, http_estimate, json_lines, command_file)
STORED: tuple[Door, ...] = (queue, http, http_estimate, http_list, json_file, json_lines, csv_file)
OBJECTS: tuple[Door, ...] = (*BYTES, http_list, json_file, python)
EVERY: tuple[Door, ...] = (*OBJECTS, csv_file)


def job(**fields: Any) -> bytes:  # noqa: ANN401 (what JSON can hold)
    return json.dumps(PROMPT | fields).encode()


TENANT_RULE = "use 1 to 40 of a-z 0-9 -, starting and ending with a letter or digit"
LONG_LOCALE = "de" + "-abcdefgh" * 4
CASES: list[tuple[tuple[Door, ...], bytes, Faults]] = [
    (EVERY, job(), []),
    (EVERY, job(n=2, locales=["de", "fr"], finish={"thumbnail": 64}), []),
    (
        EVERY,
        job(prompt="\u200b\u200d\ufeff"),
        ["prompt: is empty; describe the picture in 1 to 32,000 characters"],
    ),
    (
        EVERY,
        job(prompt="a \x1b[31m fox"),
        [
            (
                "prompt: contains the character U+001B at position 2; the only control characters "
                "allowed are line breaks and tabs"
            )
        ],
    ),
    (EVERY, job(n=99), ["n: 99 is too big; at most 10"]),
    (EVERY, job(n="three"), ["n: 'three' is not a whole number"]),
    (
        EVERY,
        job(locales=[LONG_LOCALE]),
        [
            (
                f"locales[0]: '{LONG_LOCALE}' is not allowed; use a BCP 47 tag such as 'de', "
                "'pt-BR' or 'zh-Hant-TW', of at most 35 characters"
            )
        ],
    ),
    (EVERY, job(finish={"thumbnail": 1}), ["finish.thumbnail: 1 is too small; at least 16"]),
    (
        OBJECTS,
        b'{"prompt": "x", "\\ud800x": 1}',
        ["a name in it is not valid Unicode (a lone surrogate); send UTF-8"],
    ),
    (
        tuple(door for door in OBJECTS if door is not python),
        b'{"prompt": "a fox", "finish": {"thumbnail": 64, "thumbnail": 128}}',
        ["finish.thumbnail: appears twice in the message; set it once"],
    ),
    (
        BYTES,
        b'{"prompt" "a fox"}',
        [
            (
                "the message is neither a JSON object nor base64 of one: '\"' is not expected at "
                "line 1 column 11"
            )
        ],
    ),
    (
        BYTES,
        b'{"finish": ' + b"[" * 10_000,
        [
            (
                "the message is neither a JSON object nor base64 of one: it is nested too deeply; "
                "at most 32 levels are allowed"
            )
        ],
    ),
    (
        STORED,
        b'{"prompt_blob": "controls.txt"}',
        [
            (
                "prompt_blob: 'controls.txt' contains the character U+001B at position 2; the only "
                "control characters allowed are line breaks and tabs"
            )
        ],
    ),
    (
        STORED,
        b'{"prompt_blob": "invisible.txt"}',
        ["prompt_blob: 'invisible.txt' is empty; describe the picture in 1 to 32,000 characters"],
    ),
    (
        STORED,
        b'{"prompt_blob": "long.txt"}',
        ["prompt_blob: 'long.txt' has 32,001 characters; at most 32,000 are allowed"],
    ),
    (
        STORED,
        b'{"prompt_blob": "latin.txt"}',
        ["prompt_blob: 'latin.txt' is not UTF-8 text: byte 1 is 0xfc; save it as UTF-8"],
    ),
    (STORED, b'{"prompt_blob": "windows.txt"}', []),
    (STORED, job(reply_to="replies-shop"), []),
    (STORED, job(tenant="shop", model="auto"), []),
    (EVERY, job(tenant="No Name"), [f"tenant: 'No Name' is not allowed; {TENANT_RULE}"]),
    (
        STORED,
        job(tenant="stranger"),
        ["tenant: 'stranger' is not served; use a tenant of this app"],
    ),
    (
        STORED,
        job(tenant="shop", model="MAI-Image-2.5"),
        ["model: 'MAI-Image-2.5' is not for the tenant 'shop'; use gpt-image-2"],
    ),
    (
        STORED,
        job(tenant="shop", models=["gpt-image-2", "MAI-Image-2.5"]),
        ["models: 'MAI-Image-2.5' is not for the tenant 'shop'; use gpt-image-2"],
    ),
    (
        STORED,
        job(reply_to="replies-gone"),
        ["reply_to: there is no queue 'replies-gone'; create it first, or name another"],
    ),
    (
        STORED,
        job(reply_to="image-jobs-poison"),
        ["reply_to: 'image-jobs-poison' is a queue of the app itself; allowed: replies-*"],
    ),
]


@pytest.mark.parametrize(
    ("door", "body", "faults"),
    [
        pytest.param(door, body, faults, id=f"{door.__name__}-{nth}")
        for nth, (doors, body, faults) in enumerate(CASES)
        for door in doors
    ],
)
async def test_the_same_content_gets_the_same_answer_at_every_door(
    door: Door, body: bytes, faults: Faults, tmp_path: Path
) -> None:
    assert await door(body, tmp_path) == faults
