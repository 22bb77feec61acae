"""Faults by name: requested by a header, by a marker in the prompt, or by a rule.

A fault is written `name` or `name,value`; several are joined by `;`. The header is
`x-emulator-fault`; in a prompt it reads `[[fault:name,value]]`, `[[fault-once:name,value]]` (only
the first call with that prompt) or `[[refuse:moderation_blocked]]`.
"""

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from local.foundry.replies.refusals import REFUSALS

BEFORE: Mapping[str, str] = {
    "429": "throttled before a picture is made; value: ms to wait (1000)",
    "429-bare": "throttled without retry-after",
    "429-capacity": "the service is busy; value: ms to wait (1000)",
    "500": "server error before a picture is made",
    "503": "unavailable before a picture is made",
    "401": "the key or token is rejected",
    "403": "the firewall of the resource",
    "404": "no such deployment",
    "404-path": "no such path",
    "402": "the account has not paid",
    "insufficient_quota": "the account has no quota left (429)",
    "billing_hard_limit_reached": "the account has reached its limit (400)",
    "blocked": "the resource is blocked (403), until the faults are cleared",
    "disconnect": "the connection is closed without a reply before a picture is made",
    "reset": "the connection is reset (RST) before a picture is made",
    "silence": "no reply, not even headers, until the client disconnects",
}
AFTER: Mapping[str, str] = {
    "500-after": "server error after the picture was made: billed",
    "408": "time-out after the picture was made: billed",
    "html-502": "a gateway's HTML page after the picture was made: billed",
    "disconnect-after": "the connection is closed without a reply: billed",
    "wall": "a call without a stream is cut; value: seconds of the service (122): billed",
    "empty-data": "200 with no picture: billed",
    "202": "202 with the id of a job instead of a picture: billed",
}
REPLY: Mapping[str, str] = {
    "cut": "the body ends early; value: bytes sent (half)",
    "cut-after-picture": "the body ends after the value-th picture (1)",
    "stall": "silence until the client disconnects; value: bytes sent before (0)",
    "slow-headers": "the reply starts late; value: real seconds (1)",
    "truncated-json": "a complete reply with incomplete JSON; value: bytes (half)",
    "wrong-content-type": "JSON with another content type; value: the type (text/plain)",
    "off-grid": "a size outside the rules for `auto`; value: WxH (1254x836)",
    "bad-base64": "an invalid character in the middle of each picture",
    "usage": "an absurd usage; value: its output tokens (1e18)",
    "linked": "links instead of pictures (not streamed); value: another origin than ours",
    "mixed": "the first picture as base64, the others as links (not streamed)",
    "spoilt-first": "a GIF in place of the first picture (not streamed)",
    "data-uri": "a data URI around the base64 of each picture",
    "base64url": "the alphabet of URLs in the base64",
    "trailing": "bytes after the end of each picture",
    "c2pa": "a C2PA manifest in each picture, made for another one",
    "long-header": "a header; value: its length (65000)",
    "status": "another status of a reply with pictures; value: the status (201)",
    "deflate": "content-encoding: deflate, also when not requested",
    "gzip": "content-encoding: gzip, also when not requested",
    "error-event": "a stream that ends in an error event",
    "no-final": "a stream that ends without its completed event",
    "escapes": r"\/ and \u002B in the base64",
    "chunk": "value: most bytes written at once (1)",
    "rate": "value: bytes a second (65536)",
}
NAMES: Mapping[str, str] = {
    **BEFORE,
    **AFTER,
    **REPLY,
    **dict.fromkeys(REFUSALS, "refused with the status and the body of that kind"),
}
HEADER = "x-emulator-fault"

_IN_PROMPT = re.compile(r"\[\[(fault|fault-once|refuse):([^\]]+)\]\]")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and its value."""

    name: str
    value: str | None = None

    def number(self, default: float) -> float:
        """Return the value as a number."""
        return default if self.value is None else float(self.value)


def read_fault(text: str) -> Fault:
    """Read `name` or `name,value`; raise ValueError with the known names."""
    name, _, value = text.strip().partition(",")
    if name not in NAMES:
        raise ValueError(f"unknown fault {name!r}; known faults: {', '.join(NAMES)}")
    fault = Fault(name, value.strip() or None)
    if fault.value and name not in {"wrong-content-type", "off-grid", "linked"}:
        fault.number(0)  # raises ValueError for text
    return fault


class Rule(BaseModel):
    """A fault for some of the calls: the next `count`, or a share of `rate`, or all."""

    model_config = ConfigDict(extra="forbid")

    fault: str
    value: str | float | None = None
    count: int | None = Field(default=None, ge=1)
    rate: float | None = Field(default=None, ge=0, le=1)
    deployment: str | None = None
    prompt_contains: str | None = None
    hits: int = 0

    def read(self) -> Fault:
        """Return the fault of this rule."""
        return read_fault(self.fault if self.value is None else f"{self.fault},{self.value}")


class Faults:
    """The rules, the blocked resources, and the prompts that had their fault."""

    def __init__(self, seed: int = 0) -> None:
        self.rules: list[Rule] = []
        self.blocked: set[str] = set()
        self._chance = random.Random(seed)  # noqa: S311  # faults, not secrets
        self._had: set[str] = set()

    def add(self, rule: Rule) -> None:
        """Add a rule; raise ValueError when its fault is unknown."""
        rule.read()
        self.rules.append(rule)

    def clear(self) -> None:
        """Remove all rules and blocks."""
        self.rules.clear()
        self.blocked.clear()
        self._had.clear()

    def chosen(self, *, header: str | None, prompt: str, deployment: str) -> dict[str, Fault]:
        """Return the faults of one call by name: from the header, the prompt and the rules."""
        faults = [read_fault(text) for text in (header or "").split(";") if text.strip()]
        faults.extend(self._in_prompt(prompt))
        faults.extend(self._by_rule(prompt, deployment))
        return {fault.name: fault for fault in faults}

    def _in_prompt(self, prompt: str) -> Iterable[Fault]:
        for kind, text in _IN_PROMPT.findall(prompt):
            if kind == "fault-once":
                if prompt in self._had:
                    continue
                self._had.add(prompt)
            yield read_fault(text)

    def _by_rule(self, prompt: str, deployment: str) -> Iterable[Fault]:
        for rule in self.rules:
            spent = rule.count is not None and rule.hits >= rule.count
            elsewhere = rule.deployment is not None and rule.deployment != deployment
            if spent or elsewhere or (rule.prompt_contains or "") not in prompt:
                continue
            if rule.rate is not None and self._chance.random() >= rule.rate:
                continue
            rule.hits += 1
            yield rule.read()
