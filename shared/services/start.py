"""The start of a process: a misconfigured app must not take a message, nor a log a secret."""

from collections.abc import Mapping
from pathlib import Path

from ..configuration import Configuration, configure
from ..errors import Misconfigured
from .redaction import quiet


def load(environ: Mapping[str, str]) -> Configuration:
    """Return the configuration of this process, or raise `Misconfigured` with every fault."""
    quiet()
    own_models = environ.get("MODEL_CATALOGUE")
    return configure(environ, own_models=_text(own_models) if own_models else None)


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"MODEL_CATALOGUE: {path!r} can't be read: {error}") from error
