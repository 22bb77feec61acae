"""The job: what a caller asks for, valid as soon as it exists.

Defaults are part of the contract (`docs/messages.md`). `parsing` reads one from the bytes
of a message.

Rules between the fields of a job, told even when other fields are faulty.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

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
    InputName,
    JobId,
    Locale,
    ModelName,
    Moment,
    Prompt,
    QueueName,
    RequestModel,
    SizeText,
    Traceparent,
    check_distinct,
)
from .finish import Finish
from .tags import Tags


def find_conflicts(
    given: Mapping[str, Any], *, faulty: frozenset[str] = frozenset()
) -> tuple[Fault, ...]:
    """Return the faults between fields: `given` are those the caller wrote, as they were written.

    Fields in `faulty` were refused already and count as given; no rule judges their value.
    """
    said = {name: value for name, value in given.items() if value not in (None, (), [])}
    return tuple(
        Fault(rule_field, message)
        for rule_field, needs, message in _disagreements(said)
        if faulty.isdisjoint(needs)
    )


def _disagreements(said: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield field, the fields whose values were compared, and the sentence."""
    if "prompt" in said and "prompt_blob" in said:
        yield "prompt_blob", (), "stands beside a prompt; give exactly one of the two"
    if "prompt" not in said and "prompt_blob" not in said:
        yield "prompt", (), "is missing; give a prompt, or a prompt_blob that holds one"
    if "models" in said and said.get("model", "auto") != "auto":
        yield "models", ("model",), "stands beside a model; give one of the two"
    if isinstance(said.get("models"), list | tuple) and len(said["models"]) == 1:
        yield "models", ("models",), "names one model only; write it as model"
    if "compression" in said and said.get("format", "png") != "jpeg":
        yield "compression", ("format",), "needs format 'jpeg'; a png is never compressed with loss"
    if said.get("background") == "transparent" and said.get("format", "png") != "png":
        yield "background", ("format",), "'transparent' needs format 'png'; a jpeg has no alpha"
    if "mask" in said and "inputs" not in said:
        yield "mask", (), "masks nothing; name the input picture it belongs to in inputs"


MAX_MODELS = 8
MAX_SIZES = 8
MAX_LOCALES = 50
#: The most input pictures any model takes.
MAX_INPUTS = 16
MAX_PICTURES = 10

#: Which way of writing `size` was chosen; pydantic puts it into the path of a fault.
ONE, SEVERAL = "one", "several"


def _no_auto(names: tuple[str, ...]) -> tuple[str, ...]:
    if "auto" in names:
        raise ValueError("'auto' stands for one model; name each model of the list")
    return names


def _some_size(sizes: tuple[str, ...]) -> tuple[str, ...]:
    # Not min_length: pydantic counts the valid ones, and finds a list of faulty ones too short.
    if not sizes:
        raise ValueError("is an empty list; name at least one size, or leave it out")
    return sizes


def _one_is_no_list(sizes: tuple[str, ...]) -> str | tuple[str, ...]:
    return sizes[0] if len(sizes) == 1 else sizes


def _way_of_writing(value: object) -> str:
    return SEVERAL if isinstance(value, list | tuple) else ONE


_Size = Annotated[
    Annotated[SizeText, Tag(ONE)]
    | Annotated[
        Annotated[
            tuple[SizeText, ...],
            Strict(strict=False),
            Field(max_length=MAX_SIZES, json_schema_extra={"minItems": 1}),
        ],
        AfterValidator(check_distinct),
        AfterValidator(_some_size),
        AfterValidator(_one_is_no_list),
        Tag(SEVERAL),
    ],
    Discriminator(_way_of_writing),
]


class Job(RequestModel):
    """One request for pictures, as a caller wrote it, with the defaults filled in."""

    job_id: JobId = Field(
        description="Idempotency key, made from the message when left out. Same id and same "
        "content: the first job's result is told again; other content: a conflict."
    )
    prompt: Prompt | None = Field(
        default=None, repr=False, description="What the picture shows; this or `prompt_blob`."
    )
    prompt_blob: BlobName | None = Field(
        default=None,
        description="Blob in the inputs container that holds the prompt as UTF-8 text.",
    )
    model: ModelName = Field(
        default="auto",
        description="Of the catalogue; `auto`: the cheapest that makes the job as asked.",
    )
    models: Annotated[
        tuple[ModelName, ...],
        Strict(strict=False),
        AfterValidator(check_distinct),
        AfterValidator(_no_auto),
    ] = Field(
        default=(), max_length=MAX_MODELS, description="Instead of `model`: the same job on each."
    )
    size: _Size = Field(
        default="auto",
        description="`1536x1024`, an aspect `16:9`, `small`, `standard`, `large`, `1k`, `2k`, `4k` "
        "(with an aspect: `4k 16:9`) or `auto`; a list makes each.",
    )
    routing: Literal["auto", "legacy", "bucket"] = Field(
        default="auto",
        description="How size and quality are chosen where they are not given in full.",
    )
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max"] = Field(
        default="auto", description="The model's level; the next one up where it has no such level."
    )
    fit: Literal["scale", "reject"] = Field(
        default="scale", description="What becomes of a size outside the model's limits."
    )
    n: int = Field(default=1, ge=1, le=MAX_PICTURES, description="Pictures.")
    format: Literal["png", "jpeg"] = Field(default="png", description="Encoding of the pictures.")
    compression: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Of a jpeg, percent; the provider's own when left out.",
    )
    background: Literal["auto", "opaque", "transparent"] = Field(
        default="auto", description="`transparent` needs `png`."
    )
    locales: Annotated[tuple[Locale, ...], Strict(strict=False), AfterValidator(check_distinct)] = (
        Field(
            default=(), max_length=MAX_LOCALES, description="BCP 47; one localized variation each."
        )
    )
    inputs: Annotated[
        tuple[InputName, ...], Strict(strict=False), AfterValidator(check_distinct)
    ] = Field(
        default=(),
        max_length=MAX_INPUTS,
        description="Pictures to edit: in the inputs container, or made here, as `/images/…`.",
    )
    mask: InputName | None = Field(default=None, description="Where to edit; goes with `inputs`.")
    finish: Finish | None = Field(
        default=None, description="What to make from the stored original."
    )
    reply_to: QueueName | None = Field(
        default=None,
        description="Queue that gets the job's events too; the app has a list of those.",
    )
    on_unknown: Literal["retry_once", "park", "fail"] | None = Field(
        default=None,
        description="What follows a paid call whose reply was lost; the app's setting by default.",
    )
    max_cost_usd: float | None = Field(
        default=None, gt=0, description="US dollars; a job estimated above it is refused."
    )
    deadline: Moment | None = Field(
        default=None, description="ISO 8601 with a zone; no call is begun after it."
    )
    priority: Literal["normal", "low"] = Field(
        default="normal", description="`low` waits for the others."
    )
    tags: Tags = Field(
        default_factory=dict,
        description="Copied to record, events and blob metadata (there `tag_` comes before each "
        "name); 4,096 bytes in all, percent-encoded. Names differ by more than case.",
    )
    traceparent: Traceparent | None = Field(
        default=None,
        description="W3C trace context; a CloudEvent's extension of this name does as well.",
    )

    @model_validator(mode="after")
    def _fields_agree(self) -> "Job":
        found = find_conflicts(self.model_dump(exclude_defaults=True))
        if found:
            raise ValueError("; ".join(map(str, found)))
        return self

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of what is asked for: jobs with one fingerprint are the same job.

        Defaults are left out, so saying one and omitting it are equal, and a field added by a
        later version changes no fingerprint of a job that does not use it.
        """
        content = self.model_dump(
            mode="json", exclude_defaults=True, exclude={"job_id", "traceparent"}
        )
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_json(self) -> bytes:
        """Return the job as the shortest message that reads back as this job."""
        return self.model_dump_json(exclude_defaults=True).encode()
