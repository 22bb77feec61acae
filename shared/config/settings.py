"""What an operator can set, and what makes a setting wrong; `shared.config.settings` reads it.

Every setting is an environment variable; `docs/settings.md` lists them, and a test holds code,
local stack and page together.

The settings with everything they imply worked out: what the work is handed beside the world.

They are read once from a mapping, which need not be the process's own, and refused with a sentence
for each that is wrong.
"""

import fnmatch
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    SecretStr,
    ValidationError,
    model_validator,
)

from ..catalogue.deployments import Deployment
from ..catalogue.models import Catalogue, extend_catalogue, read_builtin
from ..errors import Misconfigured
from ..jobs.localization import check_template
from .url_policy import check_topic_url
from .webhooks import Webhook, check_hosts

#: Name of the connection that triggers and services share: a connection string under this very
#: name, or `ImageStorage__queueServiceUri` and its siblings.
CONNECTION: Final = "ImageStorage"

_QueueName = Annotated[
    str, Field(min_length=3, max_length=56, pattern=r"^[a-z0-9](-?[a-z0-9])*$")
]  # 63 less "-poison"
_ContainerName = Annotated[
    str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9](-?[a-z0-9])*$")
]
_Commas = Annotated[
    tuple[str, ...],
    BeforeValidator(
        lambda value: (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )
    ),
]

type Lane = Literal["small", "standard", "large"]


def _check_schedule(text: str) -> str:
    fields = text.split()
    if len(fields) not in {5, 6} or not all(re.fullmatch(r"[\w*,/-]+", each) for each in fields):
        raise ValueError(
            "is no NCRONTAB schedule: give six fields, seconds first, such as '30 * * * * *'"
        )
    return text


def _parse_json(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


class Settings(BaseModel):
    """The app's settings; each alias is the name of an environment variable."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=True)

    storage_connection: SecretStr | None = Field(default=None, alias="ImageStorage")
    queue_service_uri: str | None = Field(default=None, alias="ImageStorage__queueServiceUri")
    blob_service_uri: str | None = Field(default=None, alias="ImageStorage__blobServiceUri")
    storage_credential: Literal["managedidentity"] | None = Field(
        default=None, alias="ImageStorage__credential"
    )
    #: Client id of the user-assigned identity, for storage and for Foundry.
    client_id: str | None = Field(default=None, alias="ImageStorage__clientId")

    foundry_endpoint: str = Field(default="", alias="FOUNDRY_ENDPOINT")
    foundry_deployments: Json[tuple[Deployment, ...]] = Field(alias="FOUNDRY_DEPLOYMENTS")
    foundry_api_key: SecretStr | None = Field(default=None, alias="FOUNDRY_API_KEY")
    #: File that adds or overrides models of the catalogue.
    model_catalogue: str | None = Field(default=None, alias="MODEL_CATALOGUE")
    #: What becomes of a prompt in a locale; the start of the app has read it from its file.
    locale_template: Annotated[str, AfterValidator(check_template)] | None = Field(
        default=None, alias="LOCALE_TEMPLATE"
    )

    jobs_queue: _QueueName = Field(default="image-jobs", alias="JOBS_QUEUE")
    small_queue: _QueueName = Field(default="image-jobs-small", alias="SMALL_QUEUE")
    standard_queue: _QueueName = Field(default="image-jobs-standard", alias="STANDARD_QUEUE")
    large_queue: _QueueName = Field(default="image-jobs-large", alias="LARGE_QUEUE")
    finish_queue: _QueueName = Field(default="image-finish", alias="FINISH_QUEUE")
    events_queue: _QueueName = Field(default="image-events", alias="EVENTS_QUEUE")
    #: Events on their way to Event Grid and webhooks.
    deliveries_queue: _QueueName = Field(default="image-deliveries", alias="DELIVERIES_QUEUE")
    #: Files dropped into a container, and the messages that tell of them.
    manifests_queue: _QueueName = Field(default="image-manifests", alias="MANIFESTS_QUEUE")
    manifests_container: _ContainerName = Field(default="manifests", alias="MANIFESTS_CONTAINER")
    images_container: _ContainerName = Field(default="images", alias="IMAGES_CONTAINER")
    jobs_container: _ContainerName = Field(default="jobs", alias="JOBS_CONTAINER")
    inputs_container: _ContainerName = Field(default="inputs", alias="INPUTS_CONTAINER")
    dead_letters_container: _ContainerName = Field(
        default="dead-letters", alias="DEAD_LETTERS_CONTAINER"
    )
    #: The ledgers of the quota pools.
    pace_container: _ContainerName = Field(default="pace", alias="PACE_CONTAINER")

    #: The `source` of every event.
    event_source: str = Field(default="/image-jobs", alias="EVENT_SOURCE", min_length=1)
    publish_accepted: bool = Field(default=False, alias="PUBLISH_ACCEPTED")
    #: Queues that a job's `reply_to` may name; patterns with `*` and `?`.
    reply_queues: _Commas = Field(default=(), alias="REPLY_QUEUES")
    #: URL of an Event Grid topic that takes CloudEvents, and its key (without one: Entra ID).
    event_grid_topic_endpoint: Annotated[str, AfterValidator(check_topic_url)] | None = Field(
        default=None, alias="EVENT_GRID_TOPIC_ENDPOINT"
    )
    event_grid_topic_key: SecretStr | None = Field(default=None, alias="EVENT_GRID_TOPIC_KEY")
    #: Receivers of events, hosts they may be at (patterns), and hosts of this very network.
    webhooks: Annotated[tuple[Webhook, ...], BeforeValidator(_parse_json)] = Field(
        default=(), alias="WEBHOOKS"
    )
    webhook_hosts: _Commas = Field(default=(), alias="WEBHOOK_HOSTS")
    webhook_local_hosts: _Commas = Field(default=(), alias="WEBHOOK_LOCAL_HOSTS")
    #: How long an event is offered to a sink that does not take it, seconds.
    delivery_window_seconds: float = Field(
        default=86_400, alias="DELIVERY_WINDOW_SECONDS", ge=1, le=604_800
    )
    on_unknown_outcome: Literal["retry_once", "park", "fail"] = Field(
        default="retry_once", alias="ON_UNKNOWN_OUTCOME"
    )
    #: Upper bound of one paid call, seconds; host.json's functionTimeout must stay above it.
    call_deadline_seconds: float = Field(default=900, alias="CALL_DEADLINE_SECONDS", ge=5, le=1500)
    #: After a call's limit, what storing its last picture and writing its result may take, seconds:
    #: an attempt without a result is dead when both are over.
    storing_margin_seconds: float = Field(default=60, alias="STORING_MARGIN_SECONDS", ge=5, le=240)
    #: How long an endpoint may take to accept a connection, seconds.
    connect_timeout_seconds: float = Field(default=10, alias="CONNECT_TIMEOUT_SECONDS", gt=0, le=60)
    #: How long a reply that has begun may stay silent, seconds.
    read_timeout_seconds: float = Field(default=120, alias="READ_TIMEOUT_SECONDS", gt=0, le=1500)
    #: A job without a deadline of its own is given up on after this long.
    job_lifetime_seconds: float = Field(
        default=86_400, alias="JOB_LIFETIME_SECONDS", ge=60, le=604_800
    )

    #: How long a link to a picture lasts, for callers who ask for one; none are given at 0.
    read_link_seconds: int = Field(default=0, alias="READ_LINK_SECONDS", ge=0, le=86_400)
    #: What all calls that begin on one day (UTC) may cost together, US dollars; None: no limit.
    daily_budget_usd: float | None = Field(
        default=None, alias="DAILY_BUDGET_USD", gt=0, allow_inf_nan=False
    )
    #: When open jobs are looked at, NCRONTAB (seconds first, UTC).
    sweep_schedule: Annotated[str, AfterValidator(_check_schedule)] = Field(
        default="30 * * * * *", alias="SWEEP_SCHEDULE"
    )

    #: Streaming a picture into storage: size of a block (bytes), blocks of one picture under way,
    #: blocks of all pictures together.
    upload_block_bytes: int = Field(
        default=1 << 20, alias="UPLOAD_BLOCK_BYTES", ge=1 << 16, le=1 << 23
    )
    upload_blocks_in_flight: int = Field(default=2, alias="UPLOAD_BLOCKS_IN_FLIGHT", ge=1, le=16)
    upload_block_pool: int = Field(default=32, alias="UPLOAD_BLOCK_POOL", ge=4, le=1024)

    @model_validator(mode="after")
    def _check_storage(self) -> Self:
        if not self.storage_connection and not (self.queue_service_uri and self.blob_service_uri):
            raise ValueError(
                f"set {CONNECTION} to a connection string, or {CONNECTION}__queueServiceUri and "
                f"{CONNECTION}__blobServiceUri to the account's URLs"
            )
        return self

    @model_validator(mode="after")
    def _check_webhooks(self) -> Self:
        try:
            check_hosts(self.webhooks, hosts=self.webhook_hosts, local=self.webhook_local_hosts)
        except ValueError as error:
            raise ValueError(f"WEBHOOKS: {error}") from error
        return self

    @model_validator(mode="after")
    def _check_queue_names(self) -> Self:
        names = [
            self.jobs_queue,
            *self.lanes.values(),
            self.finish_queue,
            self.events_queue,
            self.deliveries_queue,
            self.manifests_queue,
        ]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"the queue {twice[0]!r} is named twice; each queue needs its own name"
            )
        return self

    @property
    def lanes(self) -> Mapping[Lane, str]:
        """The queue of each lane."""
        return {
            "small": self.small_queue,
            "standard": self.standard_queue,
            "large": self.large_queue,
        }

    @property
    def job_lifetime(self) -> timedelta:
        """How long a job without a deadline of its own is tried for."""
        return timedelta(seconds=self.job_lifetime_seconds)

    @property
    def delivery_window(self) -> timedelta:
        """How long an event is offered to a sink that does not take it."""
        return timedelta(seconds=self.delivery_window_seconds)

    @property
    def call_deadline(self) -> timedelta:
        """Upper bound of one paid call."""
        return timedelta(seconds=self.call_deadline_seconds)

    @property
    def read_link_life(self) -> timedelta:
        """How long a link to a picture lasts; nothing where none are given."""
        return timedelta(seconds=self.read_link_seconds)

    @property
    def storing_margin(self) -> timedelta:
        """What an attempt has for storing and writing, after its call."""
        return timedelta(seconds=self.storing_margin_seconds)

    def allows_reply_to(self, queue: str) -> bool:
        """Tell whether a job may ask for its events on this queue."""
        return any(fnmatch.fnmatchcase(queue, pattern) for pattern in self.reply_queues)


#: Their values are never repeated.
_SECRETS: Final = frozenset({CONNECTION, "FOUNDRY_API_KEY", "EVENT_GRID_TOPIC_KEY"})


@dataclass(frozen=True, slots=True, eq=False)
class Configuration:
    """Settings, the models there are, and the deployments that serve them; one a process."""

    settings: Settings
    catalogue: Catalogue
    deployments: tuple[Deployment, ...]

    def deployment(self, name: str) -> Deployment | None:
        """Return the deployment of this name, or None when it is configured no more."""
        return next((item for item in self.deployments if item.name == name), None)


def configure(environ: Mapping[str, str], *, own_models: str | None = None) -> Configuration:
    """Work out the configuration; `own_models` is the text of the file `MODEL_CATALOGUE` names.

    Raises `Misconfigured`.
    """
    settings = read_settings(environ)
    catalogue = read_builtin()
    if own_models is not None:
        catalogue = extend_catalogue(catalogue, own_models)
    return Configuration(settings, catalogue, resolve_deployments(settings, catalogue))


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from a mapping of environment variables; empty values count as unset.

    Raises `Misconfigured`, with one line for each wrong variable.
    """
    given: dict[str, Any] = {name: value for name, value in environ.items() if value != ""}
    try:
        return Settings.model_validate(given, context=given)
    except ValidationError as error:
        faults = [_describe_fault(fault, given) for fault in error.errors(include_url=False)]
        raise Misconfigured("\n".join(faults)) from error


def resolve_deployments(settings: Settings, catalogue: Catalogue) -> tuple[Deployment, ...]:
    """Fill what each deployment leaves out from its model's row and from `FOUNDRY_ENDPOINT`.

    Raises `Misconfigured` for an empty list, a name used twice, a model that is in no catalogue,
    or a deployment without an endpoint.
    """
    if not settings.foundry_deployments:
        raise Misconfigured("FOUNDRY_DEPLOYMENTS: the list is empty; name at least one deployment")
    resolved = tuple(_resolve(item, settings, catalogue) for item in settings.foundry_deployments)
    names = [deployment.name for deployment in resolved]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise Misconfigured(f"FOUNDRY_DEPLOYMENTS: the name {twice!r} is used twice")
    _check_pools(resolved)
    return resolved


def _describe_fault(fault: Any, given: Mapping[str, str]) -> str:  # noqa: ANN401 (pydantic's ErrorDetails)
    where = [str(part) for part in fault["loc"]]
    name = where[0] if where else "settings"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "missing":
        return f"{name}: is required; set it"
    secret = name in _SECRETS
    value = "" if secret or not where or len(where) > 1 else f" (it is {given.get(name, '')!r})"
    return f"{'.'.join(where) or name}: {message}{value}"


def _check_pools(deployments: Sequence[Deployment]) -> None:
    """Refuse a pool of two quotas: each call would begin its pacing anew."""
    first: dict[str, Deployment] = {}
    for each in deployments:
        other = first.setdefault(each.pool, each)
        if other.rpm != each.rpm:
            raise Misconfigured(
                f"FOUNDRY_DEPLOYMENTS: {other.name!r} and {each.name!r} share the pool "
                f"{each.pool!r} with {other.rpm:g} and {each.rpm:g} requests a minute; give both "
                f"the quota they share as `rpm`, or each a `pool` of its own"
            )


def _resolve(deployment: Deployment, settings: Settings, catalogue: Catalogue) -> Deployment:
    name = deployment.model or deployment.name
    model = catalogue.models.get(name)
    if model is None:
        raise Misconfigured(
            f"FOUNDRY_DEPLOYMENTS: {deployment.name!r} serves {name!r}, which is in no catalogue; "
            f"give it one of {_listed(sorted(catalogue.models))} as `model`, or describe the model "
            f"in the file that MODEL_CATALOGUE names"
        )
    endpoint = deployment.endpoint or settings.foundry_endpoint.rstrip("/")
    if not endpoint:
        raise Misconfigured(
            f"FOUNDRY_DEPLOYMENTS: {deployment.name!r} has no endpoint; "
            f"give it one, or set FOUNDRY_ENDPOINT"
        )
    shape = deployment.url or model.url
    return Deployment.model_validate(
        deployment.model_dump()
        | {
            "model": model.name,
            "endpoint": endpoint,
            "url": shape,
            "api_version": deployment.api_version or model.api_version_for(shape),
            "scope": deployment.scope or model.scope,
            "rpm": deployment.rpm or model.rpm,
            "pool": deployment.pool or model.name,
        }
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
