"""Settings of an operator, and the operator's own models."""

import json
from datetime import date
from functools import partial
from random import Random
from typing import Any, Final

from shared.catalogue.models import Model
from shared.catalogue.pricing import estimate
from shared.config.settings import Configuration, configure, read_catalogue
from shared.errors import Fault, Rejected
from shared.jobs.prompts import check_template, localize_prompt
from shared.limits.budget import to_millionths

from ..grammar import Document, mutate, strange, text_of
from ..oracles import Verdict, ask, check_text
from .target import Target

_NEEDED: Final = {
    "ImageStorage": "UseDevelopmentStorage=true",
    "FOUNDRY_ENDPOINT": "https://res.openai.azure.com",
    "FOUNDRY_DEPLOYMENTS": '[{"name": "gpt-image-2"}]',
}
_DEPLOYMENT: Final[Document] = {
    "name": "gpt-image-2",
    "model": "gpt-image-2",
    "endpoint": "https://res.openai.azure.com",
    "url": "v1",
    "rpm": 60,
    "pool": "p",
    "stream": True,
    "extra_body": {"x": 1},
    "picture_hosts": ["*.example.net"],
}
_WEBHOOK: Final[Document] = {
    "name": "shop",
    "url": "https://shop.example/hook",
    "secrets": ["SECRET"],
    "events": ["*"],
}
_VALUES: Final[Document] = {
    "FOUNDRY_DEPLOYMENTS": [_DEPLOYMENT],
    "FOUNDRY_ENDPOINT": "my-resource.openai.azure.com",
    "WEBHOOKS": [_WEBHOOK],
    "WEBHOOK_HOSTS": "shop.example",
    "SECRET": "whsec_" + "QUJD" * 12,
    "REPLY_QUEUES": "a-*, b",
    "DAILY_BUDGET_USD": "12.5",
    "CALL_DEADLINE_SECONDS": "900",
    "READ_LINK_SECONDS": "60",
    "SWEEP_SCHEDULE": "30 * * * * *",
    "JOBS_QUEUE": "image-jobs",
    "TASKS_QUEUE": "image-jobs",
    "UPLOAD_BLOCK_BYTES": "1048576",
    "PUBLISH_ACCEPTED": "true",
    "ON_UNKNOWN_OUTCOME": "park",
    "EVENT_GRID_TOPIC_ENDPOINT": "https://t.eventgrid.azure.net/api/events",
    "LOCALE_TEMPLATE": "$prompt in $language ${locale}",
    "ImageStorage__queueServiceUri": "https://a.queue.core.windows.net",
}


def _read_settings(data: bytes) -> None:
    """Read settings, as lines of `NAME=value`."""
    lines = (line.partition("=") for line in data.decode(errors="replace").split("\n"))
    environ = _NEEDED | {name: value for name, _, value in lines if name}
    verdict = ask("configure", lambda: configure(environ), given=str(environ))
    _check_usable(verdict)
    template = environ.get("LOCALE_TEMPLATE", "")
    valid = ask("check_template", lambda: _own_error(template), given=template)
    if not valid.is_refused:
        ask("localize_prompt", lambda: localize_prompt('a "fox"', "de", template))


def _own_error(template: str) -> None:
    try:
        check_template(template)
    except ValueError as error:
        raise Rejected([Fault("LOCALE_TEMPLATE", str(error))]) from error


def _check_usable(verdict: Verdict[Configuration]) -> None:
    if verdict.value is None:
        return
    settings = verdict.value.settings
    for of in (settings.job_lifetime, settings.call_deadline, settings.read_link_life):
        check_text("a setting", str(of))
    ask("allows_reply_to", lambda: settings.allows_reply_to("my-queue"))


def _make_settings(rng: Random) -> bytes:
    names = rng.sample(list(_VALUES), rng.randint(1, 5))
    lines = []
    for name in names:
        value = mutate(rng, _VALUES[name])
        text = value if isinstance(value, str) else text_of(rng, value)
        lines.append(f"{name}={str(strange(rng)) if rng.random() < 0.2 else text}")
    return "\n".join(lines).encode("utf-8", "replace")


_MODEL: Final[Document] = {
    "like": "gpt-image-2",
    "family": "gpt-image",
    "url": "v1",
    "scope": "https://ai.azure.com/.default",
    "rpm": 10.0,
    "formats": ["png", "jpeg"],
    "sizes": {"kind": "free", "grid": 16, "max_pixels": 8_294_400, "max_ratio": 3},
    "usual_sizes": [[1024, 1024]],
    "qualities": {"low": {"bucket": 16, "grid": 8, "seconds": 12.0}},
    "prices": {"image_out": 30.0, "text_in": 5.0},
    "retires": "2027-04-01",
    "edits": {"how": "json", "field": "image"},
    "options": {"seed": {"type": "integer", "minimum": 0, "maximum": 9}},
    "auto_quality": "low",
    "tokens": "bucket",
    "max_inputs": 4,
}


def _read_catalogue(data: bytes) -> None:
    """Read the file of MODEL_CATALOGUE."""
    text = data.decode(errors="replace")
    catalogue = ask("a catalogue", lambda: read_catalogue(text), given=text).value
    if catalogue is None:
        return
    deployments = [
        {"name": f"d-{place}", "model": name} for place, name in enumerate(catalogue.models)
    ]
    environ = _NEEDED | {"FOUNDRY_DEPLOYMENTS": json.dumps(deployments)}
    _check_usable(ask("a catalogue", lambda: configure(environ, own_models=text), given=text))
    for model in catalogue.models.values():
        ask("a model", partial(_use_model, model))


def _use_model(model: Model) -> None:
    width, height = model.usual_sizes[0]
    level = model.qualities[0].name if model.qualities else None
    price = estimate(model, level, width, height, n=10, prompt_characters=32_000)
    to_millionths(price.usd or 0.0)
    model.warning(date(2026, 11, 22))


def _make_catalogue(rng: Random) -> bytes:
    names = rng.sample(list(_MODEL), rng.randint(1, 6))
    row = {name: _MODEL[name] for name in names}
    name = rng.choice(("mine", "gpt-image-2", "", "a b"))
    document = mutate(rng, {"models": {name: row}})
    if rng.random() < 0.4:
        return text_of(rng, document).encode("utf-8", "surrogatepass")
    return _toml(rng, document).encode("utf-8", "replace")


def _toml(rng: Random, document: Any) -> str:  # noqa: ANN401 (what JSON can hold)
    """Write a document as TOML, nearly: what TOML can't hold is an error in it."""
    models = document.get("models") if isinstance(document, dict) else None
    lines = list[str]()
    for name, row in models.items() if isinstance(models, dict) else ():
        lines.append(f"[models.{json.dumps(name)}]")
        members = row.items() if isinstance(row, dict) else ()
        lines += [f"{key} = {_inline(value)}" for key, value in members]
    text = "\n".join(lines)
    at = rng.randint(0, len(text))
    spoilt = text[:at] + rng.choice(('"', "[", "=", "\x00", "\n", "'''", "#", "1")) + text[at:]
    return spoilt if rng.random() < 0.3 else text


def _inline(value: Any) -> str:  # noqa: ANN401 (what JSON can hold)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)


TARGETS: Final = (
    Target("settings", _read_settings, _make_settings, 5),
    Target("catalogues", _read_catalogue, _make_catalogue, 4),
)
