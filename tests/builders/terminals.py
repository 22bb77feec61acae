"""A terminal of 80 columns without colours, and a pipe, for what commands print."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shared.client.cli import output

COLUMNS = 80


class Screen(io.StringIO):
    """What a terminal shows."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()


@contextmanager
def stdout(stream: io.StringIO) -> Iterator[None]:
    """Let commands print to a stream, which is a terminal or a pipe."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("COLUMNS", str(COLUMNS)), ("NO_COLOR", "1"), ("TERM", "xterm")):
            patch.setenv(name, value)
        patch.delenv("FORCE_COLOR", raising=False)
        patch.setattr(sys, "stdout", stream)
        output.console.cache_clear()
        try:
            yield
        finally:
            output.console.cache_clear()


def on_a_screen(what: object) -> list[str]:
    """Return the lines that a terminal shows of something that is printed."""
    screen = Screen()
    with stdout(screen):
        output.console().print(what)
    return screen.lines


def through_a_pipe(what: object) -> list[str]:
    """Return the lines that come out of a pipe."""
    pipe = io.StringIO()
    with stdout(pipe):
        output.console().print(what)
    return pipe.getvalue().splitlines()
