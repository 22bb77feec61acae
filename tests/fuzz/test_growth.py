"""No reader takes more than linear time, whatever an input repeats."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from operator import mul
from typing import Final

import pytest

from shared.batches.manifest import Format, read_notice
from shared.batches.reader import ManifestReader, read_list
from shared.catalogue.sizes import parse_size
from shared.errors import BrokenReply, ImageJobsError
from shared.http_api.queries import (
    matches_version,
    read_byte_range,
    read_command_query,
    read_form,
    read_list_query,
)
from shared.images_api.decoder import ReplyDecoder
from shared.images_api.outcomes import of_reply
from shared.jobs.fields import read_option
from shared.jobs.parsing import Message, read_job
from shared.jobs.prompts import check_template, localize_prompt
from shared.records.commands import Action
from shared.redaction import printable, redacted
from tests.builders.growth import MOST, growth

AT: Final = datetime(2026, 11, 30, 17, 0, tzinfo=UTC)
PIECES: Final = (
    *("[", "{", '"', "\\", '\\"', '{"a":', '"a",', "'", "b'", "\\x", "\\u0041", "=", "QQ=="),
    *("“", "`a", "$a", "<", "<a", "safety_violations=[", "content ", "the prompt was ", "a-"),
    *("a:", "a=", ",", ";", "\t", "\n", "\r", "\r\n", "\n\n", "data:", "data: {}\n", "event:"),
    *("//", "0", "1,", "4k ", "16:", "x", "é", "\ud83d", "bytes=", 'W/"', " ", "sep=,\n", '""'),
    *("%41", "-", "a.", "[a]"),
)


def decode(text: str) -> None:
    decoder = ReplyDecoder()
    for _ in decoder.feed(raw(text)):
        pass
    decoder.finish()


def read_file(text: str, written: Format) -> None:
    reader = ManifestReader(written)
    reader.feed(raw(text))
    reader.end()
    for _ in reader.take():
        pass


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def message(text: str) -> None:
    read_job(Message(raw(text), "m", AT), 1 << 20)


def with_prompt(text: str) -> None:
    message(json.dumps({"prompt": text, "job_id": text, "inputs": [text], "tags": {text: text}}))


READERS: Final[dict[str, Callable[[str], object]]] = {
    "a message": message,
    "a prompt": with_prompt,
    "names of a message": lambda text: message(f'{{"{text}": 1, "prompt": "a"}}'),
    "a deadline": lambda text: message(json.dumps({"prompt": "a", "deadline": text})),
    "lettering": lambda text: localize_prompt(text, "de"),
    "a template": check_template,
    "an option": read_option,
    "a size": parse_size,
    "a list": lambda text: read_list(raw("[" + text)),
    "a JSON manifest": lambda text: read_file("[" + text, Format.JSON),
    "a JSONL manifest": lambda text: read_file(text, Format.JSONL),
    "a CSV manifest": lambda text: read_file("prompt,finish\n" + text, Format.CSV),
    "a CSV header": lambda text: read_file(text, Format.CSV),
    "a notice": lambda text: read_notice(raw(text)),
    "a query": lambda text: read_list_query({"after": text, "tag": text, "text": text}),
    "a command": lambda text: read_command_query(Action.CANCEL, "fox", {"reason": text}),
    "a form": lambda text: read_form({"as": text}),
    "a range": read_byte_range,
    "versions": lambda text: matches_version(text, '"0x8"'),
    "a JSON reply": lambda text: decode('{"data": [{"b64_json": "' + text),
    "a reply": lambda text: decode("{" + text),
    "a stream": lambda text: decode("data: " + text),
    "an error": lambda text: of_reply(400, {"retry-after": text}, {"error": {"message": text}}),
    "an error in text": lambda text: of_reply(403, {}, None, text),
    "redaction": redacted,
    "what is printed": printable,
}


@pytest.mark.parametrize("name", READERS)
def test_no_reader_takes_more_than_linear_time(name: str) -> None:
    def read(text: str) -> None:
        try:
            READERS[name](text)
        except (ImageJobsError, BrokenReply, ValueError):
            return

    slow = {piece: growth(partial(mul, piece), read, 1_000) for piece in PIECES}
    assert {piece: times for piece, times in slow.items() if times >= MOST} == {}
