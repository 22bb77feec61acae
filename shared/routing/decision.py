"""Decide size, quality and request body of a job on one model, or every reason for a rejection."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from ..catalogue.fitting import FittedSize, fit_size
from ..catalogue.models import Catalogue, Model, QualityLevel, QualityName
from ..catalogue.sizes import Auto, Exact, Size, Tier, TierName, parse_size
from ..errors import Fault
from ..jobs.fields import quote_value
from ..jobs.job import Job
from .plan import Adjustment

#: All token buckets, and the pixels of a long edge that one token covers: 3840 / 96.
BUCKETS = (16, 24, 36, 48, 64, 96)
PIXELS_PER_BUCKET_TOKEN = 40
#: What the legacy tiers mean, and what is chosen unasked: `xhigh` and `max` never are.
TIER_QUALITIES: dict[TierName, QualityName] = {
    "small": "low",
    "standard": "medium",
    "large": "high",
}
_TIERS: dict[str, TierName] = {quality: tier for tier, quality in TIER_QUALITIES.items()}
_LEGACY_SIZES = (Exact(1024, 1024), Exact(1536, 1024), Exact(1024, 1536))

type Routing = Literal["legacy", "bucket", "service"]


@dataclass(slots=True)
class Decision:
    """The decisions for one job on one model; the functions below fill it in."""

    model: Model
    size: Size
    fitted: FittedSize
    routing: Routing
    #: The level of the quality, or the highest that the service may choose.
    level: QualityLevel | None = None
    by_service: bool = False
    parameters: dict[str, JsonValue] = field(default_factory=dict)
    adjustments: list[Adjustment] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """Return whether nothing that the caller requested was changed."""
        return all(adjustment.asked is None for adjustment in self.adjustments)

    @property
    def tier(self) -> TierName | None:
        """The legacy tier of the quality."""
        return _TIERS.get(self.quality or "")

    @property
    def quality(self) -> str | None:
        """The value that is sent: the level, or `auto` where the service chooses it."""
        return "auto" if self.by_service else self.level.name if self.level else None

    def adjust(self, name: str, asked: str | None, decided: str, reason: str) -> None:
        """Record a change to the caller's request."""
        self.adjustments.append(Adjustment(field=name, asked=asked, decided=decided, reason=reason))

    def reject(self, name: str, message: str) -> None:
        """Record a reason why this model can't make the job."""
        self.faults.append(Fault(name, message))


def decide(job: Job, model: Model, catalogue: Catalogue, *, prompt_characters: int) -> Decision:
    """Return every decision for a job on a model, with all faults, not only the first."""
    size = parse_size(job.size if isinstance(job.size, str) else job.size[0])
    decision = Decision(model, size, fit_size(model, size), _choose_routing(job, model, size))
    _decide_size(job, decision)
    _decide_quality(job, decision)
    _check_other_fields(job, decision, prompt_characters)
    _check_options(job, decision, catalogue)
    decision.parameters = _list_parameters(job, decision)
    return decision


def _choose_routing(job: Job, model: Model, size: Size) -> Routing:
    """Return the routing as asked if the model supports it, else the one for the size."""
    has_buckets = any(level.bucket for level in model.qualities)
    if job.routing == "legacy" or (job.routing == "service" and model.auto_quality):
        return job.routing
    legacy = isinstance(size, Tier | Auto) or size in _LEGACY_SIZES
    return "legacy" if not has_buckets or (legacy and job.routing != "bucket") else "bucket"


def _decide_size(job: Job, decision: Decision) -> None:
    model, fitted, asked = decision.model, decision.fitted, str(decision.size)
    if not fitted.broken:
        decision.reasons.append(
            f"Size {asked} is {fitted.text} on {model.name}: {fitted.explanation}."
        )
        return
    broken = "; ".join(fitted.broken)
    if job.fit == "reject":
        decision.reject(
            "size",
            f"{asked!r} is not a size of {model.name}: {broken}; the nearest valid size is "
            f"{fitted.text}, which fit 'scale' would use",
        )
        return
    reason = f"{asked} is not a size of {model.name}: {broken}"
    decision.adjust("size", asked, fitted.text, reason)
    decision.reasons.append(f"Size {asked} became {fitted.text}, the nearest on {model.name}.")


def _decide_quality(job: Job, decision: Decision) -> None:
    model, tier = decision.model, decision.size if isinstance(decision.size, Tier) else None
    if not model.qualities:
        _ignore_quality(job, decision, tier)
        return
    if job.quality != "auto":
        decision.level = model.quality(job.quality)
        if decision.level is None:
            decision.reject(
                "quality",
                f"{model.name} has no quality {job.quality!r}; use "
                f"{', '.join(level.name for level in model.qualities)}",
            )
            return
        decision.reasons.append(f"Quality {job.quality} as asked.")
    else:
        _choose_level(job, decision, tier)
    if tier and decision.level and decision.tier != tier.name:
        why = (
            f"the requested quality {job.quality} has precedence over the tier"
            if job.quality != "auto"
            else f"{job.routing} routing was requested and decides the quality"
        )
        decision.adjust("size", str(tier), f"{decision.fitted.text}, {decision.level.name}", why)


def _ignore_quality(job: Job, decision: Decision, tier: Tier | None) -> None:
    name = decision.model.name
    if job.quality != "auto":
        decision.adjust("quality", job.quality, "none", f"{name} has no quality levels")
    if tier:
        decision.adjust(
            "size",
            str(tier),
            decision.fitted.text,
            f"{name} has no quality levels, so the tier {tier.name} has no effect",
        )
    decision.reasons.append(f"No quality: {name} has no quality levels.")


def _choose_level(job: Job, decision: Decision, tier: Tier | None) -> None:
    model, routing = decision.model, decision.routing
    if job.routing not in {"auto", routing}:
        reason = f"{model.name} does not support {job.routing}"
        decision.adjust("routing", job.routing, routing, reason)
    if routing == "service":
        decision.level, decision.by_service = model.quality(model.auto_quality), True
        decision.reasons.append(
            f"The service chooses the quality; the estimate is for {model.auto_quality}."
        )
        return
    levels = [level for level in model.qualities if level.name in _TIERS] or model.qualities[:1]
    if routing == "legacy":
        name = tier.name if tier else "standard"
        wanted = TIER_QUALITIES[name]
        decision.level = level = next((one for one in levels if one.name == wanted), levels[-1])
        origin = "as requested" if tier else "by default"
        decision.reasons.append(
            f"Legacy routing: the tier {name} {origin}, which is quality {level.name}."
        )
        return
    _choose_bucket(decision, [level for level in levels if level.bucket] or levels)


def _choose_bucket(decision: Decision, levels: Sequence[QualityLevel]) -> None:
    """Choose the level whose bucket covers the long edge, else the highest of these levels."""
    model, counted = decision.model, sorted(levels, key=lambda one: one.bucket or 0)
    long = max(decision.fitted.width, decision.fitted.height)
    bucket = next((b for b in BUCKETS if b * PIXELS_PER_BUCKET_TOKEN >= long), BUCKETS[-1])
    reaching = (one for one in counted if (one.bucket or 0) >= bucket)
    decision.level = level = next(reaching, counted[-1])
    decision.reasons.append(
        f"Bucket routing: a long edge of {long} pixels needs bucket {bucket}, one token for "
        f"{PIXELS_PER_BUCKET_TOKEN} pixels, which is quality {level.name}."
    )
    if level.bucket != bucket:
        way = "next higher" if (level.bucket or 0) > bucket else "highest chosen unasked"
        decision.adjust(
            "quality",
            None,
            level.name,
            f"{model.name} has no level with bucket {bucket}; {level.name} ({level.bucket})"
            f" is the {way}",
        )


def _check_other_fields(job: Job, decision: Decision, prompt_characters: int) -> None:
    model = decision.model
    if prompt_characters > model.max_prompt_characters:
        decision.reject(
            "prompt",
            f"has {prompt_characters:,} characters; at most {model.max_prompt_characters:,} for "
            f"{model.name}",
        )
    if job.format not in model.formats:
        decision.reject(
            "format", f"{model.name} can't make {job.format!r}; use {', '.join(model.formats)}"
        )
    if job.background == "transparent" and not model.transparent:
        decision.reject("background", f"{model.name} can't make the background 'transparent'")
    if job.previews > model.max_previews:
        most = f"at most {model.max_previews}" if model.max_previews else "no"
        why = f"is {job.previews}; {model.name} streams {most} partial pictures"
        decision.reject("previews", f"{why}; leave it out, or choose another model")
    if job.inputs:
        _check_edit(job, decision)
    if job.compression is not None and "output_compression" not in model.parameters:
        decision.adjust(
            "compression", str(job.compression), "none", f"{model.name} has no such parameter"
        )


def _check_options(job: Job, decision: Decision, catalogue: Catalogue) -> None:
    model = decision.model
    for name, value in job.options.items():
        option = model.options.get(name)
        if option is None:
            takers = ", ".join(catalogue.takers(name)) or "none"
            own = ", ".join(model.options) or "none"
            message = f"{model.name} does not take it; models that do: {takers}; its own: {own}"
        elif not option.allows(value):
            message = f"{quote_value(value)} is not allowed for {model.name}; use {option.allowed}"
        elif option.edits_only and not job.inputs:
            message = f"{model.name} takes it for edits only; set inputs, or leave it out"
        else:
            continue
        decision.reject(f"options.{name}", message)


def _check_edit(job: Job, decision: Decision) -> None:
    model, edits = decision.model, decision.model.edits
    if edits is None or len(job.inputs) > model.max_inputs:
        decision.reject(
            "inputs",
            f"has {len(job.inputs)} pictures; at most {model.max_inputs} for {model.name}",
        )
        return
    if job.mask and not edits.masks:
        decision.reject("mask", f"{model.name} does not support a mask; leave it out")
    if "width" not in edits.without:
        return
    if decision.size == Auto():
        decision.reasons.append(f"An edit by {model.name} has the size of its input.")
    elif job.fit == "reject":
        decision.reject("size", f"an edit by {model.name} has the size of its input; use 'auto'")
    else:
        reason = f"an edit by {model.name} has the size of its input"
        decision.adjust("size", str(decision.size), "the size of the input", reason)


def _list_parameters(job: Job, decision: Decision) -> dict[str, JsonValue]:
    """Return the decisions as the members of the request body that the model's API accepts."""
    fitted = decision.fitted
    most = min(job.n, decision.model.most_per_call(previews=job.previews))
    members: dict[str, JsonValue] = {
        "size": fitted.text,
        "width": fitted.width,
        "height": fitted.height,
        "quality": decision.quality,
        "n": most,
        "num_images": most,
        "output_format": job.format,
        "output_compression": job.compression if job.format == "jpeg" else None,
        "background": None if job.background == "auto" else job.background,
    }
    edits = decision.model.edits if job.inputs else None
    known = set(decision.model.parameters) - set(edits.without if edits else ())
    sent = {name: value for name, value in members.items() if name in known and value is not None}
    return sent | job.options
