"""The start of a process: a misconfigured app must not take a message, nor a log a secret."""

from collections.abc import Mapping
from pathlib import Path
from string import Template

from ..configuration import Configuration, configure
from ..errors import Misconfigured
from .redaction import quiet


def load(environ: Mapping[str, str]) -> Configuration:
    """Return the configuration of this process, or raise `Misconfigured` with every fault."""
    quiet()
    own_models = _text("MODEL_CATALOGUE", environ)
    template = environ.get("LOCALE_TEMPLATE", "")
    if template and "prompt" not in Template(template).get_identifiers():
        environ = {**environ, "LOCALE_TEMPLATE": _text("LOCALE_TEMPLATE", environ) or ""}
    return configure(environ, own_models=own_models)


def _text(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the text of the file that a variable names, None where it names none."""
    path = environ.get(name)
    if not path:
        return None
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{name}: {path!r} can't be read: {error}") from error
