"""Define the plan: every decision about a job on one model and size, made before any call."""

from collections.abc import Sequence
from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from ..catalogue.pricing import TokenEstimate
from ..jobs.fields import StoredModel, added_field


class Adjustment(StoredModel):
    """A change to the caller's request, and its reason."""

    # Events show a copy, and promise no other members.
    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})

    field: str
    #: What the caller wrote; None where the caller left it open and no choice fitted exactly.
    asked: str | None
    decided: str
    reason: str


class Edit(StoredModel):
    """How a call sends the pictures it edits."""

    how: Literal["multipart", "json"]
    #: Name of the part of the form, or of the first member of the body.
    field: str


class Plan(StoredModel):
    """The calls of a job on one model and size: parameters, expected cost and reasons."""

    model: str
    #: Names of the model's deployments, in order of preference.
    deployments: tuple[str, ...] = Field(min_length=1)
    asked_size: str
    asked_quality: str
    asked_model: str
    asked_routing: str
    routing: Literal["legacy", "bucket", "service"]
    width: int
    height: int
    quality: str | None
    #: The legacy tier and the token bucket of the quality, where the model has them.
    tier: Literal["small", "standard", "large"] | None
    bucket: int | None
    #: Nothing reads it, but the version before reads no plan without it.
    lane: Literal["small", "standard", "large"] = "small"
    n: int
    format: Literal["png", "jpeg"]
    content_type: str
    compression: int | None
    background: str | None
    #: The request body without the prompt, the model and the members for streaming.
    parameters: dict[str, JsonValue]
    #: How pictures to edit are sent; None: no edit.
    edit: Edit | None = None
    #: The model streams and every call is for one picture; a deployment can still disable it.
    stream: bool
    #: Partial pictures of each picture.
    previews: int = added_field(0, ge=0)
    #: Paid calls in all locales, and the most pictures of one call.
    calls: int = Field(ge=1)
    per_call: int = Field(ge=1)
    #: In all locales.
    pictures: int = Field(ge=1)
    #: Output tokens of one picture.
    tokens: TokenEstimate
    #: All pictures; None where no price is known (not zero).
    estimate_usd: float | None
    #: The part of it that prompts and pictures to edit cost; None: not known apart.
    estimate_input_usd: float | None = None
    estimate_basis: str
    #: Of one call.
    expected_seconds: float
    call_limit_seconds: float
    adjustments: tuple[Adjustment, ...]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]

    def estimate_call(self, pictures: int) -> float | None:
        """Return the estimate of one call for so many pictures, USD; None if no price is known."""
        if self.estimate_usd is None:
            return None
        inputs = self.estimate_input_usd or 0.0
        made = (self.estimate_usd - inputs) * pictures / self.pictures
        return round(made + inputs / self.calls, 6)

    @property
    def estimate_call_input(self) -> float | None:
        """The estimate of one call that is refused before anything is made, USD."""
        inputs = self.estimate_input_usd
        return None if inputs is None else round(inputs / self.calls, 6)


def estimate_usd(plans: Sequence[Plan]) -> float | None:
    """Return the estimate of a whole job, USD; None if a part has no known price."""
    known = [plan.estimate_usd for plan in plans if plan.estimate_usd is not None]
    return round(sum(known), 6) if len(known) == len(plans) else None
