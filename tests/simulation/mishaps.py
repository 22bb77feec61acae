"""What may go wrong in any order: steps that fail, and answers that cost nothing."""

from typing import Any

from shared.errors import NotSent
from tests.fakes.endpoint import Answer
from tests.simulation.scene import error_reply

TWO = '[{"name": "one", "model": "gpt-image-2"}, {"name": "two", "model": "gpt-image-2"}]'
POLICIES = ("retry_once", "park", "fail")
#: Steps of the fake world that may fail, or happen and be told as failed.
STEPS = (
    "index.write",
    "index.delete",
    "records.create",
    "records.read",
    "records.replace",
    "queues.send",
    "pictures.create",
    "pictures.find",
    "sidecars.create",
    "renderer.render",
    "renderer.sheet",
    "events.send",
    "dead_letters.write",
)
#: What a job may ask for: one call, calls that end in any order, something made of what they give.
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "matrix": {"size": ["1:1", "3:2"], "locales": ["de", "ja"]},
    "finish": {"finish": {"thumbnail": 64, "contact_sheet": True}},
}
UNPAID: tuple[Answer, ...] = (
    error_reply(429, "429", retry_after_ms="700"),
    error_reply(429, "429", retry_after_ms="90000"),
    error_reply(403, "Forbidden", "Your resource has been temporarily blocked"),
    error_reply(400, "moderation_blocked"),
    error_reply(404, "DeploymentNotFound"),
    error_reply(401, "401"),
    error_reply(500, "500"),
    NotSent("no route"),
)
