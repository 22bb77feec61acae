"""What must be true of every reader, whatever it reads."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ValidationError

from shared.errors import ImageJobsError, Rejected
from shared.http_api.problems import Refused
from shared.jobs.validation import plain_faults

#: CPU time that one reading of one input may take, seconds.
MOST_SECONDS: Final = 0.05
#: A reading that takes longer is repeated as often: something else may have slowed it down.
_TRIES: Final = 3

#: What only libraries say: pydantic, json, csv, TOML, the standard library, in this order.
_FOREIGN: Final = re.compile(
    r"Input should|validation error|pydantic|Extra inputs|Field required|Value error,"
    r"|Assertion failed|should be a valid|should have at|should match pattern|Invalid JSON"
    r"|EOF while|trailing characters|expected value at|expected ident|recursion limit"
    r"|Expecting (value|property|'.')|Extra data|Unterminated|Invalid control character"
    r"|Invalid \\|\(char [0-9]+\)"
    r"|field larger than|line contains NUL|delimiter expected after"
    r"|\(at line [0-9]+|\(at end of document\)|Cannot (overwrite|declare)|Illegal character"
    r"|codec can't|invalid literal|could not convert|int_max_str|has no attribute|not iterable"
    r"|Incorrect padding|isoformat string|must be in (range )?[0-9]|out of range|maximum recursion"
    r"|NoneType|<class |Traceback|unhashable|Port could not|Invalid IPv6|does not appear to be"
    r"|under NFKC|Exceeds the limit|not supported between|argument of type|Non-hexadecimal"
)


class Oracle(StrEnum):
    """What must be true."""

    ERRORS = "no error but ours"
    FAULTS = "every refusal has a fault"
    WORDS = "in our words, as text that can be sent"
    TIME = "50 ms of CPU time for a reading"
    SAME = "the same by every carrier, in any chunks, after storing"
    PLANS = "plans that the models allow"
    LIMITS = "documents within the limits of storage and queues"
    PICTURES = "pictures as Pillow measures them"
    MEMORY = "memory does not grow"


class Finding(AssertionError):
    """Something that must be true is not; `kind` is the same for each input of the same cause."""

    def __init__(self, oracle: Oracle, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.oracle = oracle
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Verdict[T]:
    """What a reader made of an input: its value, or its faults."""

    value: T | None
    faults: tuple[str, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether the reader refused the input."""
        return bool(self.faults)


def ask[T](what: str, read: Callable[[], T], *, given: str = "") -> Verdict[T]:
    """Call a reader and return its verdict.

    A finding is an error of another kind than ours, a refusal without a fault or in the words of a
    library (unless `given`, the input, has them), or a reading that takes too long.
    """
    verdict, seconds = _call(what, read)
    for _ in range(_TRIES):
        if seconds <= MOST_SECONDS:
            break
        seconds = min(seconds, _call(what, read)[1])
    if seconds > MOST_SECONDS:
        raise Finding(Oracle.TIME, f"{what} takes too long", f"{seconds * 1000:.0f} ms of CPU time")
    check_words(what, verdict.faults, given=given)
    return verdict


def _call[T](what: str, read: Callable[[], T]) -> tuple[Verdict[T], float]:
    start = time.thread_time()
    try:
        verdict = Verdict(read())
    except ImageJobsError as error:
        verdict = Verdict[T](None, _faults(what, error))
    except Finding:
        raise
    except Exception as error:
        raise Finding(Oracle.ERRORS, f"{what} raises {_place(error)}", str(error)[:200]) from error
    return verdict, time.thread_time() - start


def _faults(what: str, error: ImageJobsError) -> tuple[str, ...]:
    found: Iterable[object] = (str(error),)
    if isinstance(error, Rejected):
        found = error.faults
    elif isinstance(error, Refused):
        found = error.problem.faults or found
    faults = tuple(map(str, found))
    if not faults or not all(faults):
        raise Finding(
            Oracle.FAULTS, f"{what} refuses without a fault", type(error).__name__
        ) from error
    return faults


def _place(error: Exception) -> str:
    """Return the error and the line of ours that it came from."""
    place, trace = "", error.__traceback__
    while trace:
        name = trace.tb_frame.f_code.co_filename.rpartition("/shared/")
        if name[1]:
            place = f" in {name[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}{place}"


def check_words(what: str, texts: Iterable[str], *, given: str = "") -> None:
    """Check that none of the texts is a library's, and that each can be sent."""
    for text in texts:
        foreign = _FOREIGN.search(text)
        if foreign and foreign[0] not in given:
            raise Finding(
                Oracle.WORDS,
                f"{what} speaks as a library does: {foreign[0].rstrip('0123456789')}",
                text[:300],
            )
        check_text(what, text)


def check_text(what: str, text: str) -> None:
    """Check that a text can be sent and logged."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Finding(
            Oracle.WORDS, f"{what} writes text that is not UTF-8", repr(text[:200])
        ) from error


def read_stored[T: BaseModel](model: type[T], body: bytes) -> Verdict[T]:
    """Read a stored document as the stores do: a damaged one has its faults."""

    def read() -> T:
        try:
            return model.model_validate_json(body)
        except ValidationError as error:
            raise Rejected(plain_faults(error)) from error

    return ask(f"a stored {model.__name__}", read, given=body.decode(errors="replace"))


def same[T](what: str, *, one: T, other: T) -> None:
    """Check that two ways to the same thing end in the same place."""
    if one != other:
        raise Finding(Oracle.SAME, what, f"{str(one)[:300]} is not {str(other)[:300]}")
