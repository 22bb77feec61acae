"""Documents that are nearly valid: samples, changed in a few places, written in odd ways."""

import base64
import copy
import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, Final

type Document = dict[str, Any]
#: An object or a list, and a name or an index in it.
type _Place = tuple[Any, Any]

#: An integer this large can't be multiplied by a float.
_NO_FLOAT: Final = 10**300
#: What callers should not write, or not there.
STRANGE: Final[Sequence[Any]] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    10**18,
    -(10**40),
    10**308,
    1e308,
    -0.0,
    0.5,
    1e-7,
    float("nan"),
    float("inf"),
    "",
    " ",
    "a",
    "0",
    "1_0",
    "null",
    "\ud800",
    "\x00",
    "\x1b[31m",
    "\u200b",
    "\u2028",
    "é",
    "😀",
    "a" * 300,
    "“" * 50,
    "[" * 40,
    "=" * 9,
    "1e999",
    "9" * 60,
    "../../etc",
    "%00",
    "https://[::1",
    "http://a:99999/",
    "2026-11-30T18:00:00",
    "2026-11-30T18:00:00Z",
    "9999-12-31T23:59:59.999999-23:59",
    "0001-01-01T00:00:00+23:59",
    "2026-12-31T23:59:60Z",
    "1024x1024",
    "99999x1",
    "4k 1:99999",
    "auto",
    "zh-Hant-TW",
    "gpt-image-2",
    "cheapest",
    [],
    [[]],
    [None],
    ["a", "a"],
    {},
    {"": ""},
    {"a": {"a": {"a": []}}},
    {"\ud800": 1},
)
_DEEP: Final = 40


def choose[T](rng: Random, *weighted: tuple[int, Callable[[], T]]) -> T:
    """Return what one of the makers makes, by their weights."""
    (make,) = rng.choices([made for _, made in weighted], [weight for weight, _ in weighted])
    return make()


def strange(rng: Random) -> Any:  # noqa: ANN401 (what JSON can hold)
    """Return a value that is probably wrong."""
    return copy.deepcopy(rng.choice(STRANGE))


def mutate(rng: Random, document: Any, times: int = 2) -> Any:  # noqa: ANN401 (what JSON can hold)
    """Return a copy of a document with some places changed."""
    root = {"": copy.deepcopy(document)}
    for _ in range(rng.randint(0, times)):
        places = list(_places(root))
        _change(rng, rng.choice(places), rng.choice(places))
    return root.get("")


def _places(holder: Any) -> Iterator[_Place]:  # noqa: ANN401 (what JSON can hold)
    members = holder.items() if isinstance(holder, dict) else enumerate(holder)
    for name, value in members:
        yield holder, name
        if isinstance(value, dict | list):
            yield from _places(value)


def _change(rng: Random, place: _Place, other: _Place) -> None:
    holder, name = place
    value = holder[name]
    match rng.randrange(8):
        case 0 | 1 | 2:
            holder[name] = strange(rng)
        case 3 if name != "":
            holder.pop(name)
        case 4 if isinstance(holder, dict) and name != "":
            holder[rng.choice(("x", "", "\ud800", "id", f"{name}s", name.upper()))] = value
        case 5:
            donor, key = other
            holder[name] = copy.deepcopy(donor[key])
        case 6 if isinstance(value, str):
            at = rng.randint(0, len(value))
            part = rng.choice(("\ud800", "\x07", " ", "|", '"', "\n", "é", "//", "0", ""))
            holder[name] = value[:at] + part + value[at + rng.randint(0, 2) :]
        case 7 if isinstance(value, int | float) and not isinstance(value, bool):
            by = rng.choice((-1, 0, 10, 1.0, 10**9, 0.1))
            holder[name] = value * (by if abs(value) < _NO_FLOAT else 10)
        case _:
            times = rng.choice((1, 2, 3 if isinstance(value, dict | list) else 60))
            holder[name] = [copy.deepcopy(value) for _ in range(times)]


def text_of(rng: Random, document: Any) -> str:  # noqa: ANN401 (what JSON can hold)
    """Write a document as JSON, sometimes with an error in it."""
    text = json.dumps(
        document, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, None, None, 1))
    )
    match rng.randrange(24):
        case 0:
            at = rng.randint(0, len(text))
            stray = rng.choice(('"', "\\", ",", "]", "}", "\x00", "'", "NaN"))
            return text[:at] + stray + text[at:]
        case 1:
            return text[: rng.randint(0, len(text))]
        case 2:
            return text.replace("}", ",}", 1)
        case 3 if text.startswith('{"'):
            return '{"prompt": "b", ' + text[1:]
        case 4:
            depth = rng.randint(1, _DEEP)
            return text.replace('""', "[" * depth + "]" * depth, 1)
        case 5:
            return text.replace(": ", ": " + "9" * rng.choice((30, 50, 5000)), 1)
        case _:
            return text


def encode(rng: Random, text: str) -> bytes:
    """Write a text in an encoding that a client may use."""
    plain = text.encode("utf-8", "surrogatepass")
    wide = text.encode("utf-16-le", "surrogatepass")
    return choose(
        rng,
        (12, lambda: plain),
        (1, lambda: b"\xef\xbb\xbf" + plain),
        (1, lambda: b"\xff\xfe" + wide),
        (1, lambda: wide),
        (1, lambda: text.encode("latin-1", "replace")),
    )


def wrap(rng: Random, body: bytes) -> bytes:
    """Wrap a body as clients of queues do."""
    return choose(
        rng,
        (10, lambda: body),
        (2, lambda: base64.b64encode(body)),
        (1, lambda: base64.urlsafe_b64encode(body).rstrip(b"=")),
        (1, lambda: base64.b64encode(base64.b64encode(body))),
        (1, lambda: json.dumps(body.decode("utf-8", "replace")).encode()),
        (1, lambda: repr(body).encode()),
    )
