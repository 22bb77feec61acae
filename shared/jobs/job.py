"""Define the job, what a caller requests, and the rules between its fields.

A `Job` is always valid. Its defaults are part of the contract (`docs/messages.md`).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Strict,
    Tag,
    model_validator,
)

from ..errors import Fault
from .fields import (
    BlobName,
    Duration,
    ExactSize,
    InputName,
    JobId,
    Locale,
    ModelName,
    Moment,
    Options,
    Prompt,
    QueueName,
    RequestModel,
    SizeText,
    Tags,
    TemplateText,
    TenantName,
    Traceparent,
    Url,
    Variables,
    added_field,
    check_distinct,
    parse_moment,
    read_duration,
)
from .prompts import fill_template, list_template_faults
from .text import digest_json

type Kind = Literal["exact", "rendition", "thumbnail", "contact_sheet"]
MAX_RENDITIONS: Final = 8
#: Longest edge of a finished picture, in pixels.
MAX_FINISHED_EDGE: Final = 8_192
#: Most pixels of a finished picture (7680x4320 is below): decoded, it stays below 150 MB.
MAX_FINISHED_PIXELS: Final = 1 << 25
#: Most finished pictures of one job: its record and its sidecar list each of them.
MAX_RENDITIONS_PER_JOB: Final = 500


class Rendition(RequestModel):
    """Another encoding of the picture, made from the stored original."""

    format: Literal["webp", "jpeg", "avif"]
    quality: int = Field(default=80, ge=1, le=100, description="Of the encoder, not of the model.")


class Finish(RequestModel):
    """The renditions to make from the stored originals after the last call."""

    size: ExactSize | None = Field(
        default=None, description="Exact pixels; the original's when left out."
    )
    how: Literal["crop", "resize"] = Field(
        default="crop",
        description="How another aspect is reached: by cropping, or by stretching.",
    )
    renditions: Annotated[
        tuple[Rendition, ...], Strict(strict=False), AfterValidator(check_distinct)
    ] = Field(default=(), max_length=MAX_RENDITIONS)
    thumbnail: int | None = Field(
        default=None, ge=16, le=1024, description="Longest edge in pixels."
    )

    contact_sheet: bool = Field(
        default=False, description="One picture of the job with all results on it, labelled."
    )

    @model_validator(mode="after")
    def _check_options(self) -> "Finish":
        if not (self.size or self.renditions or self.thumbnail or self.contact_sheet):
            raise ValueError(
                "is empty; set size, renditions, thumbnail or contact_sheet, or leave finish out"
            )
        width, height = map(int, (self.size or "1x1").split("x"))
        if max(width, height) > MAX_FINISHED_EDGE or width * height > MAX_FINISHED_PIXELS:
            raise ValueError(
                f"size {self.size!r} is too big; an edge has at most {MAX_FINISHED_EDGE} pixels, "
                f"the whole picture at most {MAX_FINISHED_PIXELS:,}"
            )
        return self


#: What the prompt comes from: a job names one of them.
_PROMPTS = ("prompt", "prompt_blob", "template")


def find_conflicts(
    given: Mapping[str, Any], *, faulty: frozenset[str] = frozenset()
) -> tuple[Fault, ...]:
    """Return the faults between fields; `given` has the fields as the caller wrote them.

    Fields in `faulty` already have a fault: they count as given, and no rule checks their value.
    """
    written = {name: value for name, value in given.items() if value not in (None, (), [])}
    return tuple(
        Fault(rule_field, message)
        for rule_field, needs, message in _list_conflicts(written)
        if faulty.isdisjoint(needs)
    )


def _list_conflicts(written: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield the field, the fields whose values were compared, and the message."""
    yield from _list_prompt_conflicts(written)
    if "models" in written and written.get("model", "auto") != "auto":
        yield "models", ("model",), "is set and so is model; set one of the two"
    if isinstance(written.get("models"), list | tuple) and len(written["models"]) == 1:
        yield "models", ("models",), "has only one model; set model instead"
    if "compression" in written and written.get("format", "png") != "jpeg":
        yield "compression", ("format",), "needs format 'jpeg'; a png is always lossless"
    if written.get("background") == "transparent" and written.get("format", "png") != "png":
        yield "background", ("format",), "'transparent' needs format 'png'; a jpeg has no alpha"
    begin, end = (_moment(written.get(name)) for name in ("not_before", "deadline"))
    if begin and end and end <= begin:
        yield "deadline", ("deadline", "not_before"), "is not after not_before; leave time to call"
    if "mask" in written and "inputs" not in written:
        yield "mask", (), "needs an input picture; name the picture to edit in inputs"


def _list_prompt_conflicts(
    written: Mapping[str, Any],
) -> Iterator[tuple[str, tuple[str, ...], str]]:
    given = [name for name in _PROMPTS if name in written]
    if not given:
        yield "prompt", (), "is missing; set prompt, prompt_blob or template"
    for other in given[1:]:
        yield other, (), f"is set and so is {given[0]}; set one of the two"
    if "template" not in given and written.get("variables"):
        yield "variables", (), "needs a template that uses them; set template"
    for field, message in list_template_faults(written):
        yield field, ("template", "variables"), message


def _moment(value: object) -> datetime | None:
    """Return a moment as a caller wrote it; None for one that its own field rejects."""
    try:
        return parse_moment(value) if value is not None else None
    except ValueError:
        return None


#: Values of `model` that leave the choice to the app.
ANY_MODEL = ("auto", "cheapest")
#: The tenant of a job that names none.
DEFAULT_TENANT = "default"
MAX_MODELS = 8
MAX_SIZES = 8
MAX_LOCALES = 50
#: The most input pictures any model takes.
MAX_INPUTS = 16
MAX_PICTURES = 10
MAX_PREVIEWS = 3

#: The two forms of `size`; pydantic puts the chosen one into the path of a fault.
ONE_SIZE, SEVERAL_SIZES = "one", "several"


def _check_models(names: tuple[str, ...]) -> tuple[str, ...]:
    if named := next((name for name in names if name in ANY_MODEL), None):
        raise ValueError(f"{named!r} is not allowed in a list; name each model")
    return names


def _check_sizes(sizes: tuple[str, ...]) -> tuple[str, ...]:
    # Not min_length: pydantic counts only valid entries, and would call a faulty list too short.
    if not sizes:
        raise ValueError("is an empty list; give at least one size, or leave it out")
    return sizes


def _unwrap_one(sizes: tuple[str, ...]) -> str | tuple[str, ...]:
    return sizes[0] if len(sizes) == 1 else sizes


def _choose_form(value: object) -> str:
    return SEVERAL_SIZES if isinstance(value, list | tuple) else ONE_SIZE


_Size = Annotated[
    Annotated[SizeText, Tag(ONE_SIZE)]
    | Annotated[
        Annotated[
            tuple[SizeText, ...],
            Strict(strict=False),
            Field(max_length=MAX_SIZES, json_schema_extra={"minItems": 1}),
        ],
        AfterValidator(check_distinct),
        AfterValidator(_check_sizes),
        AfterValidator(_unwrap_one),
        Tag(SEVERAL_SIZES),
    ],
    Discriminator(_choose_form),
]


class Job(RequestModel):
    """One request for pictures, with the defaults filled in."""

    job_id: JobId = Field(
        description="Idempotency key, derived from the message if left out. Same id and same "
        "content: the result of the first job is published again; other content: a conflict."
    )
    prompt: Prompt | None = Field(
        default=None,
        repr=False,
        description="What the picture shows. Set this, `prompt_blob` or `template`.",
    )
    prompt_blob: BlobName | None = Field(
        default=None,
        description="Blob in the inputs container with the prompt as UTF-8 text.",
    )
    template: TemplateText | None = added_field(
        repr=False,
        description="Instead of `prompt`: a prompt with `$name` or `${name}` for each variable, "
        "and `$$` for a dollar sign. The job keeps the prompt that it makes.",
    )
    variables: Variables = Field(
        default_factory=dict,
        repr=False,
        exclude_if=lambda variables: not variables,  # it is never kept
        description="The text of each variable of `template`, and of no other.",
    )
    model: ModelName = Field(
        default="auto",
        description="A model of the catalogue; `auto`: the first deployed one that makes the job "
        "as asked; `cheapest`: the cheapest of these.",
    )
    models: Annotated[
        tuple[ModelName, ...],
        Strict(strict=False),
        AfterValidator(check_distinct),
        AfterValidator(_check_models),
    ] = Field(
        default=(),
        max_length=MAX_MODELS,
        description="Instead of `model`: the job on each of them.",
    )
    size: _Size = Field(
        default="auto",
        description="`1536x1024`, an aspect `16:9`, `small`, `standard`, `large`, `1k`, `2k`, `4k` "
        "(with an aspect: `4k 16:9`) or `auto`; a list: each of these sizes.",
    )
    routing: Literal["auto", "legacy", "bucket", "service"] = Field(
        default="auto",
        description="How size and quality are chosen where the job leaves them open; `service`: "
        "the model itself chooses the quality, if it can.",
    )
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max"] = Field(
        default="auto",
        description="A quality level of the model; `auto`: chosen by `routing`, at most `high`.",
    )
    fit: Literal["scale", "reject"] = Field(
        default="scale", description="How a size outside the limits of the model is handled."
    )
    n: int = Field(default=1, ge=1, le=MAX_PICTURES, description="Number of pictures.")
    format: Literal["png", "jpeg"] = Field(default="png", description="Encoding of the pictures.")
    compression: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Quality of a jpeg, percent; if left out, the provider's default.",
    )
    background: Literal["auto", "opaque", "transparent"] = Field(
        default="auto", description="`transparent` needs `png`."
    )
    options: Options = Field(
        default_factory=dict,
        exclude_if=lambda options: not options,  # a version before knows no options
        description="Parameters that only some models take, such as `moderation` or `seed`.",
    )
    locales: Annotated[tuple[Locale, ...], Strict(strict=False), AfterValidator(check_distinct)] = (
        Field(
            default=(),
            max_length=MAX_LOCALES,
            description="BCP 47 tags; `n` pictures for each locale.",
        )
    )
    inputs: Annotated[
        tuple[InputName, ...], Strict(strict=False), AfterValidator(check_distinct)
    ] = Field(
        default=(),
        repr=False,  # a URL may hold a secret
        max_length=MAX_INPUTS,
        description="Pictures to edit: in the inputs container, made by the app (`/images/…`), or "
        "at a URL whose host the app allows.",
    )
    mask: InputName | None = Field(
        default=None, repr=False, description="Where to edit; needs `inputs`."
    )
    finish: Finish | None = Field(
        default=None, description="What to make from the stored originals."
    )
    reply_to: QueueName | None = Field(
        default=None,
        description="Queue that receives the events of the job too; it must exist, and the app "
        "must allow it.",
    )
    callback: Url | None = added_field(
        repr=False,
        description="URL that receives the events of the job too, signed, if the app allows its "
        "host.",
    )
    reuse: Duration | None = added_field(
        description="`30d`, `12h`: take the pictures of a job with `reuse` that asked for exactly "
        "the same and succeeded within this time, at no cost.",
    )
    review: bool = added_field(
        False,
        description="Whether a person approves the pictures before the job succeeds.",
    )
    publish_pictures: bool | None = added_field(
        description="Whether `image.picture.stored` is published for each picture; if left out, "
        "`PUBLISH_PICTURES`.",
    )
    previews: int = added_field(
        0,
        ge=0,
        le=MAX_PREVIEWS,
        description="Partial pictures to show while a picture is made, where the model streams "
        "them; each costs extra output tokens.",
    )
    on_unknown: Literal["retry_once", "park", "fail"] | None = Field(
        default=None,
        description="What to do after a paid call whose reply was lost; if left out, "
        "`ON_UNKNOWN_OUTCOME`.",
    )
    max_cost_usd: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000_000,
        description="US dollars; a job with a higher estimate is rejected.",
    )
    deadline: Moment | None = Field(
        default=None, description="ISO 8601 with a time zone; no call starts after it."
    )
    not_before: Moment | None = added_field(
        description="ISO 8601 with a time zone; no call starts before it.",
    )
    priority: Literal["normal", "low"] = Field(
        default="normal", description="`low` lets jobs of normal priority go first."
    )
    tenant: TenantName = added_field(
        DEFAULT_TENANT,
        description="Who the job is for: shares of the quota, budgets and reports count by tenant. "
        "Can also be the CloudEvent extension of this name.",
    )
    tags: Tags = Field(
        default_factory=dict,
        description="Copied to record, events and blob metadata (as `tag_` and the name); at most "
        "4,096 bytes together, percent-encoded. Names must differ by more than case.",
    )
    traceparent: Traceparent | None = Field(
        default=None,
        description="W3C trace context; can also be the CloudEvent extension of this name.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_template(cls, given: Any) -> Any:  # noqa: ANN401 (whatever is to be validated)
        return fill_template(given) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _check_conflicts(self) -> "Job":
        found = find_conflicts(self.model_dump(exclude_defaults=True))
        if found:
            raise ValueError("; ".join(map(str, found)))
        return self

    @property
    def reuse_within(self) -> timedelta | None:
        """Return how old pictures of another job may be; None if none are taken."""
        return read_duration(self.reuse) if self.reuse else None

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the content: jobs with the same fingerprint are the same job.

        Defaults are left out, so a field set to its default equals a field left out, and a field
        added by a later version does not change the fingerprint of jobs that do not use it.
        """
        content = self.model_dump(
            mode="json", exclude_defaults=True, exclude={"job_id", "traceparent"}
        )
        return digest_json(content)

    def to_json(self) -> bytes:
        """Return the job as its shortest message."""
        return self.model_dump_json(exclude_defaults=True).encode()
