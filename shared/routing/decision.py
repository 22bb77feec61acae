"""What one model makes of a job: its size, quality and request body, or every reason why not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from ..catalogue.fitting import FittedSize, fit_size
from ..catalogue.models import Model, QualityLevel
from ..catalogue.sizes import Auto, Exact, Size, Tier, TierName, parse_size
from ..errors import Fault
from ..jobs.job import Job
from .plan import Adjustment

#: The token buckets there are, and the pixels of a long edge that one token covers: 3840 / 96.
BUCKETS = (16, 24, 36, 48, 64, 96)
PIXELS_PER_BUCKET_TOKEN = 40
TIER_GRIDS: dict[TierName, int] = {"small": 16, "standard": 32, "large": 64}
_TIERS: dict[int, TierName] = {grid: tier for tier, grid in TIER_GRIDS.items()}
_CLASSIC = (Exact(1024, 1024), Exact(1536, 1024), Exact(1024, 1536))

type Routing = Literal["legacy", "bucket"]


@dataclass(slots=True)
class Decision:
    """What was decided so far for one job on one model; it grows while it is being taken."""

    model: Model
    size: Size
    shaped: FittedSize
    routing: Routing
    level: QualityLevel | None = None
    parameters: dict[str, JsonValue] = field(default_factory=dict)
    adjustments: list[Adjustment] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """Tell whether nothing that was asked for was changed."""
        return all(adjustment.asked is None for adjustment in self.adjustments)

    @property
    def tier(self) -> TierName | None:
        """The legacy tier of the quality."""
        return _TIERS.get(self.level.grid) if self.level and self.level.grid else None

    def adjust(self, name: str, asked: str | None, decided: str, reason: str) -> None:
        """Note something that is not as it was asked."""
        self.adjustments.append(Adjustment(field=name, asked=asked, decided=decided, reason=reason))

    def refuse(self, name: str, message: str) -> None:
        """Note a reason why this model can't do the job."""
        self.faults.append(Fault(name, message))


def decide(job: Job, model: Model, *, prompt_characters: int) -> Decision:
    """Take every decision of a job on a model, and note every fault rather than the first."""
    size = parse_size(job.size if isinstance(job.size, str) else job.size[0])
    decision = Decision(model, size, fit_size(model, size), _routing(job, size))
    _decide_size(job, decision)
    _decide_quality(job, decision)
    _check_rest(job, decision, prompt_characters)
    decision.parameters = _parameters(job, decision)
    return decision


def _routing(job: Job, size: Size) -> Routing:
    if job.routing != "auto":
        return job.routing
    return "legacy" if isinstance(size, Tier | Auto) or size in _CLASSIC else "bucket"


def _decide_size(job: Job, decision: Decision) -> None:
    model, shaped, asked = decision.model, decision.shaped, str(decision.size)
    if not shaped.broken:
        decision.reasons.append(f"Size {asked} is {shaped.text} on {model.name}: {shaped.how}.")
        return
    broken = "; ".join(shaped.broken)
    if job.fit == "reject":
        decision.refuse(
            "size",
            f"{asked!r} is no size of {model.name}: {broken}; the nearest it makes is "
            f"{shaped.text}, which fit 'scale' would take",
        )
        return
    decision.adjust("size", asked, shaped.text, f"{asked} is no size of {model.name}: {broken}")
    decision.reasons.append(f"Size {asked} became {shaped.text}, the nearest of {model.name}.")


def _decide_quality(job: Job, decision: Decision) -> None:
    model, tier = decision.model, decision.size if isinstance(decision.size, Tier) else None
    if not model.qualities:
        _drop_quality(job, decision, tier)
        return
    if job.quality != "auto":
        decision.level = model.quality(job.quality)
        if decision.level is None:
            decision.refuse(
                "quality",
                f"{model.name} has no quality {job.quality!r}; it has "
                f"{', '.join(level.name for level in model.qualities)}",
            )
            return
        decision.reasons.append(f"Quality {job.quality} as asked.")
    else:
        _choose_level(job, decision, tier)
    if tier and decision.level and decision.tier != tier.name:
        why = (
            f"the quality {job.quality} was asked for and wins over the tier"
            if job.quality != "auto"
            else "bucket routing was asked for and decides the quality"
        )
        decision.adjust("size", str(tier), f"{decision.shaped.text}, {decision.level.name}", why)


def _drop_quality(job: Job, decision: Decision, tier: Tier | None) -> None:
    name = decision.model.name
    if job.quality != "auto":
        decision.adjust("quality", job.quality, "none", f"{name} has no quality levels")
    if tier:
        decision.adjust(
            "size",
            str(tier),
            decision.shaped.text,
            f"{name} has no quality levels, so the tier {tier.name} decides nothing",
        )
    decision.reasons.append(f"No quality is chosen: {name} has no quality levels.")


def _choose_level(job: Job, decision: Decision, tier: Tier | None) -> None:
    model = decision.model
    for mode, known in (("bucket", _bucket_of), ("legacy", _grid_of)):
        if decision.routing == mode and not any(known(level) for level in model.qualities):
            decision.routing = "legacy" if mode == "bucket" else "bucket"
            if job.routing == mode:
                decision.adjust(
                    "routing", mode, decision.routing, f"{model.name} has no grid of {mode} routing"
                )
            break
    if decision.routing == "legacy":
        name = tier.name if tier else "standard"
        decision.level = level = _not_lower(model.qualities, _grid_of, TIER_GRIDS[name])
        said = "was asked for" if tier else "is the default"
        decision.reasons.append(
            f"Legacy routing: the tier {name} {said}, which is quality {level.name}."
        )
        return
    long = max(decision.shaped.width, decision.shaped.height)
    bucket = next((b for b in BUCKETS if b * PIXELS_PER_BUCKET_TOKEN >= long), BUCKETS[-1])
    decision.level = level = _not_lower(model.qualities, _bucket_of, bucket)
    decision.reasons.append(
        f"Bucket routing: a long edge of {long} pixels needs bucket {bucket}, one token for "
        f"{PIXELS_PER_BUCKET_TOKEN} pixels, which is quality {level.name}."
    )
    if level.bucket != bucket:
        way = "next not lower" if (level.bucket or 0) > bucket else "highest"
        decision.adjust(
            "quality",
            None,
            level.name,
            f"bucket {bucket} has no level of {model.name}; {level.name} ({level.bucket})"
            f" is the {way}",
        )


def _grid_of(level: QualityLevel) -> int | None:
    return level.grid


def _bucket_of(level: QualityLevel) -> int | None:
    return level.bucket


def _not_lower(
    levels: Sequence[QualityLevel], known: Callable[[QualityLevel], int | None], wanted: int
) -> QualityLevel:
    """Pick the level of a token count, else the next higher one, else the highest."""
    counted = sorted((count, at) for at, level in enumerate(levels) if (count := known(level)))
    reaching = [at for count, at in counted if count >= wanted]
    at = reaching[0] if reaching else counted[-1][1] if counted else -1
    return levels[at]


def _check_rest(job: Job, decision: Decision, prompt_characters: int) -> None:
    model = decision.model
    if prompt_characters > model.max_prompt_characters:
        decision.refuse(
            "prompt",
            f"its {prompt_characters:,} characters are over the {model.max_prompt_characters:,}"
            f" that {model.name} reads",
        )
    if job.format not in model.formats:
        decision.refuse(
            "format", f"{model.name} makes no {job.format!r}, only {', '.join(model.formats)}"
        )
    if job.background == "transparent" and not model.transparent:
        decision.refuse("background", f"{model.name} makes no background 'transparent'")
    if job.inputs:
        _check_edit(job, decision)
    if job.compression is not None and "output_compression" not in model.parameters:
        decision.adjust(
            "compression", str(job.compression), "none", f"{model.name} has no such parameter"
        )


def _check_edit(job: Job, decision: Decision) -> None:
    model, edits = decision.model, decision.model.edits
    if edits is None or len(job.inputs) > model.max_inputs:
        decision.refuse(
            "inputs", f"{len(job.inputs)} pictures are over the {model.max_inputs} of {model.name}"
        )
        return
    if job.mask and not edits.masks:
        decision.refuse("mask", f"{model.name} takes no mask")
    if "width" not in edits.without:
        return
    if decision.size == Auto():
        decision.reasons.append(f"An edit by {model.name} has the shape of its input.")
    elif job.fit == "reject":
        decision.refuse("size", f"an edit by {model.name} has the shape of its input")
    else:
        shape = "the shape of the input"
        decision.adjust("size", str(decision.size), shape, f"{model.name} edits in no other")


def _parameters(job: Job, decision: Decision) -> dict[str, JsonValue]:
    """Say the decisions in every spelling, and keep those that the model's API knows."""
    shaped = decision.shaped
    said: dict[str, JsonValue] = {
        "size": shaped.text,
        "width": shaped.width,
        "height": shaped.height,
        "quality": decision.level.name if decision.level else None,
        "n": min(job.n, decision.model.max_n_per_call),
        "num_images": min(job.n, decision.model.max_n_per_call),
        "output_format": job.format,
        "output_compression": job.compression if job.format == "jpeg" else None,
        "background": None if job.background == "auto" else job.background,
    }
    edits = decision.model.edits if job.inputs else None
    known = set(decision.model.parameters) - set(edits.without if edits else ())
    return {name: value for name, value in said.items() if name in known and value is not None}
