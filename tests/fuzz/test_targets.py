"""A short run of the fuzzer: what it found before, and some thousand inputs, always the same ones.

`make fuzz` tries five million, guided by coverage.
"""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final, Never

import pytest
from pydantic import BaseModel

from shared.errors import Fault, ImageJobsError, MalformedMessage

from .oracles import Finding, Oracle, ask, check_text, read_stored, same
from .targets import TARGETS

#: Inputs of all targets together.
INPUTS: Final = 12_000
CORPUS: Final = sorted(
    path for path in (Path(__file__).parent / "corpus").glob("*/*") if path.is_file()
)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_found_once_is_found_no_more(path: Path) -> None:
    TARGETS[path.parent.name].read(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found_in_a_short_run(name: str) -> None:
    target, rng = TARGETS[name], Random(name)
    for _ in range(INPUTS * target.share // sum(each.share for each in TARGETS.values())):
        data = target.next_input(rng)
        try:
            target.read(data)
        except Finding as finding:
            pytest.fail(f"{finding}\nkeep it in corpus/{name}: {data[:2_000]!r}")


def fail() -> Never:
    raise KeyError("x")


def refuse_without_a_fault() -> Never:
    raise MalformedMessage([])


def refuse_in_words_of_json() -> Never:
    raise MalformedMessage([Fault("", "Expecting value: line 1 column 1 (char 0)")])


def refuse_in_words_of_pydantic() -> Never:
    raise ImageJobsError("n: Input should be a valid integer")


def take_long() -> None:
    until = time.thread_time() + 0.06
    while time.thread_time() < until:
        pass


@pytest.mark.parametrize(
    ("read", "oracle"),
    [
        (fail, Oracle.ERRORS),
        (refuse_without_a_fault, Oracle.FAULTS),
        (refuse_in_words_of_json, Oracle.WORDS),
        (refuse_in_words_of_pydantic, Oracle.WORDS),
        (take_long, Oracle.TIME),
        (lambda: same("a", one=1, other=2), Oracle.SAME),
        (lambda: check_text("a", "\ud800"), Oracle.WORDS),
    ],
)
def test_a_reader_that_breaks_a_rule_is_found(read: Callable[[], object], oracle: Oracle) -> None:
    with pytest.raises(Finding) as caught:
        ask("a planted reader", read)
    assert caught.value.oracle is oracle


def test_what_the_input_itself_says_is_no_finding() -> None:
    verdict = ask("a reader", refuse_in_words_of_json, given="Expecting value, (char 0)")
    assert verdict.is_refused


def test_a_stored_document_has_a_value_or_its_faults() -> None:
    class Document(BaseModel):
        n: int

    assert read_stored(Document, b'{"n": 1}').value == Document(n=1)
    assert read_stored(Document, b'{"n": "x"}').faults == ("n: 'x' is not a whole number",)
