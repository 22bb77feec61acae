"""Read the settings from environment variables and check them.

`docs/settings.md` lists all settings; a test keeps code, local stack and page consistent.
"""

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from ..catalogue.deployments import Deployment, check_endpoint
from ..catalogue.models import Catalogue, extend_catalogue, read_builtin
from ..errors import Misconfigured
from ..jobs.fields import Pattern
from ..jobs.prompts import check_template
from ..jobs.text import parse_json
from ..jobs.validation import describe_error, path, plain_faults
from .tenants import CallerEntry, Tenant, check_callers, check_tenants, find_tenant, read_keys
from .url_policy import Webhook, check_hosts, check_receiver, check_topic_url, look_up_keys

#: Name of the storage connection: a connection string in the variable of this name, or
#: `ImageStorage__queueServiceUri` and related variables.
CONNECTION: Final = "ImageStorage"

_NAME_RULE: Final = "of a-z 0-9 -, without a hyphen at either end or two in a row"
_QueueName = Annotated[
    str, Pattern(r"^(?=.{3,56}$)[a-z0-9](-?[a-z0-9])*$", f"use 3 to 56 {_NAME_RULE}")
]  # 63 less "-poison"
_ContainerName = Annotated[
    str, Pattern(r"^(?=.{3,63}$)[a-z0-9](-?[a-z0-9])*$", f"use 3 to 63 {_NAME_RULE}")
]


@contextmanager
def _naming(variable: str) -> Iterator[None]:
    """Begin the words of a `ValueError` with the variable."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{variable}: {error}") from error


def _split_commas(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _look_up_keys(value: object, info: ValidationInfo) -> object:
    names = _split_commas(value)
    return look_up_keys(names, info) if isinstance(names, tuple) else names


_Commas = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]

#: Where the version before sends tasks. For one version, a sweep moves them to the tasks queue
#: (docs/decisions/0019).
FORMER_LANES: Final = ("image-jobs-small", "image-jobs-standard", "image-jobs-large")


def _check_schedule(text: str) -> str:
    fields = text.split()
    if len(fields) not in {5, 6} or not all(re.fullmatch(r"[\w*,/-]+", each) for each in fields):
        raise ValueError(
            "is not an NCRONTAB schedule; write six fields, seconds first: '30 * * * * *'"
        )
    return text


def _parse_json(value: object) -> object:
    try:
        return parse_json(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from None


class Settings(BaseModel):
    """The app's settings; each alias is the name of an environment variable."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", validate_default=True, allow_inf_nan=False
    )

    storage_connection: SecretStr | None = Field(default=None, alias="ImageStorage")
    queue_service_uri: str | None = Field(default=None, alias="ImageStorage__queueServiceUri")
    blob_service_uri: str | None = Field(default=None, alias="ImageStorage__blobServiceUri")
    storage_credential: Literal["managedidentity"] | None = Field(
        default=None, alias="ImageStorage__credential"
    )
    #: Client id of the user-assigned identity, for storage and Foundry.
    client_id: str | None = Field(default=None, alias="ImageStorage__clientId")

    foundry_endpoint: Annotated[str, AfterValidator(check_endpoint)] = Field(
        default="", alias="FOUNDRY_ENDPOINT"
    )
    foundry_deployments: Annotated[tuple[Deployment, ...], BeforeValidator(_parse_json)] = Field(
        alias="FOUNDRY_DEPLOYMENTS"
    )
    foundry_api_key: SecretStr | None = Field(default=None, alias="FOUNDRY_API_KEY")
    #: File that adds or overrides models of the catalogue.
    model_catalogue: str | None = Field(default=None, alias="MODEL_CATALOGUE")
    #: Template of prompts in a locale; the start of the app reads it from its file.
    locale_template: Annotated[str, AfterValidator(check_template)] | None = Field(
        default=None, alias="LOCALE_TEMPLATE"
    )

    jobs_queue: _QueueName = Field(default="image-jobs", alias="JOBS_QUEUE")
    tasks_queue: _QueueName = Field(default="image-tasks", alias="TASKS_QUEUE")
    #: Where tasks wait whose time is far: no function reads it.
    waiting_queue: _QueueName = Field(default="image-waiting", alias="WAITING_QUEUE")
    finish_queue: _QueueName = Field(default="image-finish", alias="FINISH_QUEUE")
    events_queue: _QueueName = Field(default="image-events", alias="EVENTS_QUEUE")
    #: Events on their way to Event Grid and webhooks.
    deliveries_queue: _QueueName = Field(default="image-deliveries", alias="DELIVERIES_QUEUE")
    #: Messages about files uploaded to a container.
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
    publish_pictures: bool = Field(default=False, alias="PUBLISH_PICTURES")
    #: Queues that a job's `reply_to` may name; patterns with `*` and `?`.
    reply_queues: _Commas = Field(default=(), alias="REPLY_QUEUES")
    #: URL of an Event Grid topic that takes CloudEvents, and its key (without one: Entra ID).
    event_grid_topic_endpoint: Annotated[str, AfterValidator(check_topic_url)] | None = Field(
        default=None, alias="EVENT_GRID_TOPIC_ENDPOINT"
    )
    event_grid_topic_key: SecretStr | None = Field(default=None, alias="EVENT_GRID_TOPIC_KEY")
    #: Receivers of events, their allowed hosts (patterns), and allowed hosts of the local network.
    webhooks: Annotated[tuple[Webhook, ...], BeforeValidator(_parse_json)] = Field(
        default=(), alias="WEBHOOKS"
    )
    webhook_hosts: _Commas = Field(default=(), alias="WEBHOOK_HOSTS")
    webhook_local_hosts: _Commas = Field(default=(), alias="WEBHOOK_LOCAL_HOSTS")
    #: The keys that sign callbacks, given by the names of their settings; none: no callbacks.
    callback_keys: Annotated[tuple[SecretStr, ...], BeforeValidator(_look_up_keys)] = Field(
        default=(), alias="CALLBACK_SECRETS", max_length=4
    )
    #: Where a job may link pictures to edit: patterns of hosts, and hosts of the local network.
    input_hosts: _Commas = Field(default=(), alias="INPUT_HOSTS")
    input_local_hosts: _Commas = Field(default=(), alias="INPUT_LOCAL_HOSTS")
    #: How long the delivery of an event is retried, seconds.
    delivery_window_seconds: float = Field(
        default=86_400, alias="DELIVERY_WINDOW_SECONDS", ge=1, le=604_800
    )
    on_unknown_outcome: Literal["retry_once", "park", "fail"] = Field(
        default="retry_once", alias="ON_UNKNOWN_OUTCOME"
    )
    #: Upper bound of one paid call, seconds; host.json's functionTimeout must stay above it.
    call_deadline_seconds: float = Field(default=900, alias="CALL_DEADLINE_SECONDS", ge=5, le=1500)
    #: Time to store the last picture and write the result after a call's limit, seconds: an attempt
    #: without a result is dead after both.
    storing_margin_seconds: float = Field(default=60, alias="STORING_MARGIN_SECONDS", ge=5, le=240)
    #: No paid call is begun in the first seconds of an invocation: the platform ends an invocation
    #: that begins while its instance is drained after 1 to 3 s.
    call_guard_seconds: float = Field(default=4, alias="CALL_GUARD_SECONDS", ge=0, le=30)
    #: A task is delivered so long before its call, seconds: as long as an instance takes to start.
    lead_seconds: float = Field(default=40, alias="LEAD_SECONDS", ge=5, le=60)
    #: How long an endpoint may take to accept a connection, seconds.
    connect_timeout_seconds: float = Field(default=10, alias="CONNECT_TIMEOUT_SECONDS", gt=0, le=60)
    #: How long a reply that has started may pause, seconds.
    read_timeout_seconds: float = Field(default=120, alias="READ_TIMEOUT_SECONDS", gt=0, le=1500)
    #: A job without a deadline ends after this time, seconds.
    job_lifetime_seconds: float = Field(
        default=86_400, alias="JOB_LIFETIME_SECONDS", ge=60, le=604_800
    )

    #: How long a person may take to review the pictures of a job with `review`, seconds.
    review_seconds: float = Field(default=604_800, alias="REVIEW_SECONDS", ge=60, le=7_776_000)
    #: How long a link to a picture is valid, for callers who request links; 0: no links.
    read_link_seconds: int = Field(default=0, alias="READ_LINK_SECONDS", ge=0, le=86_400)
    #: Who may use the OpenAI endpoints, and the key of each; None: they are off.
    openai_keys: Annotated[dict[str, SecretStr], BeforeValidator(read_keys)] | None = Field(
        default=None, alias="OPENAI_KEYS"
    )
    #: How long such a request is held, seconds, before a redirect: the platform ends it at 230 s.
    openai_wait_seconds: float = Field(default=200, alias="OPENAI_WAIT_SECONDS", ge=1, le=220)
    #: Bytes of pictures that one response may have as base64; more are returned as links.
    openai_base64_bytes: int = Field(default=1 << 24, alias="OPENAI_BASE64_BYTES", ge=0, le=1 << 26)
    #: Limit for the cost of all calls that start on one day (UTC), US dollars; None: no limit.
    daily_budget_usd: float | None = Field(default=None, alias="DAILY_BUDGET_USD", gt=0)
    #: The callers who share the quota, and what is done with jobs of others.
    tenants: Annotated[tuple[Tenant, ...], BeforeValidator(_parse_json)] = Field(
        default=(), alias="TENANTS"
    )
    unknown_tenants: Literal["serve", "reject"] = Field(default="serve", alias="UNKNOWN_TENANTS")
    #: Who may use the HTTP API, and as whom; empty: callers are not told apart.
    callers: Annotated[tuple[CallerEntry, ...], BeforeValidator(_parse_json)] = Field(
        default=(), alias="CALLERS"
    )
    #: The platform verifies sign-ins, and removes its headers from the requests of others.
    trust_sign_in: bool = Field(default=False, alias="TRUST_SIGN_IN")
    #: When open jobs are checked, NCRONTAB (seconds first, UTC).
    sweep_schedule: Annotated[str, AfterValidator(_check_schedule)] = Field(
        default="30 * * * * *", alias="SWEEP_SCHEDULE"
    )

    #: Upload of pictures: bytes of a block, concurrent blocks of one picture, and of all together.
    upload_block_bytes: int = Field(
        default=1 << 20, alias="UPLOAD_BLOCK_BYTES", ge=1 << 16, le=1 << 23
    )
    upload_blocks_in_flight: int = Field(default=2, alias="UPLOAD_BLOCKS_IN_FLIGHT", ge=1, le=16)
    upload_block_pool: int = Field(default=16, alias="UPLOAD_BLOCK_POOL", ge=4, le=1024)

    @model_validator(mode="after")
    def _check_storage(self) -> Self:
        if self.storage_connection or (self.queue_service_uri and self.blob_service_uri):
            return self
        raise ValueError(
            f"set {CONNECTION} to a connection string, or {CONNECTION}__queueServiceUri and "
            f"{CONNECTION}__blobServiceUri to the account's URLs"
        )

    @model_validator(mode="after")
    def _check_lists(self) -> Self:
        with _naming("WEBHOOKS"):
            check_hosts(self.webhooks, hosts=self.webhook_hosts, local=self.webhook_local_hosts)
        with _naming("TENANTS"):
            check_tenants(self.tenants)
        with _naming("CALLERS"):
            check_callers(self.callers, trust_sign_in=self.trust_sign_in)
        return self

    @model_validator(mode="after")
    def _check_queue_names(self) -> Self:
        names = self.own_queues
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the queue {twice[0]!r} is named twice; each needs its own name")
        return self

    @property
    def own_queues(self) -> tuple[str, ...]:
        """The queues of the app itself; the platform adds a `-poison` queue to those it reads."""
        return (
            self.jobs_queue,
            self.tasks_queue,
            self.waiting_queue,
            self.finish_queue,
            self.events_queue,
            self.deliveries_queue,
            self.manifests_queue,
            *FORMER_LANES,
        )

    @property
    def job_lifetime(self) -> timedelta:
        """How long a job without a deadline is tried."""
        return timedelta(seconds=self.job_lifetime_seconds)

    @property
    def delivery_window(self) -> timedelta:
        """How long the delivery of an event is retried."""
        return timedelta(seconds=self.delivery_window_seconds)

    @property
    def call_deadline(self) -> timedelta:
        """Upper bound of one paid call."""
        return timedelta(seconds=self.call_deadline_seconds)

    @property
    def call_guard(self) -> timedelta:
        """How old an invocation is at least when it begins a paid call."""
        return timedelta(seconds=self.call_guard_seconds)

    @property
    def lead(self) -> timedelta:
        """How long before its call a task is delivered."""
        return timedelta(seconds=self.lead_seconds)

    @property
    def read_link_life(self) -> timedelta:
        """How long a link to a picture is valid; zero: no links."""
        return timedelta(seconds=self.read_link_seconds)

    @property
    def storing_margin(self) -> timedelta:
        """The time for storing and writing the result after a call."""
        return timedelta(seconds=self.storing_margin_seconds)

    def find_tenant(self, name: str) -> Tenant:
        """Return the tenant whose limits and share count for jobs of this name."""
        return find_tenant(self.tenants, name)

    @property
    def keeps_budget(self) -> bool:
        """Whether the calls of a day are counted: the app or a tenant has a daily budget."""
        limits = (self.daily_budget_usd, *(each.daily_budget_usd for each in self.tenants))
        return any(limit is not None for limit in limits)

    def serves_tenant(self, name: str) -> bool:
        """Return whether jobs of this tenant are accepted."""
        known = any(each.name == name for each in self.tenants)
        return known or self.unknown_tenants == "serve"

    def is_own_queue(self, queue: str) -> bool:
        """Return whether the app reads or writes this queue, or its poison messages."""
        return queue.removesuffix("-poison") in self.own_queues

    def allows_reply_to(self, queue: str) -> bool:
        """Return whether `reply_to` of a job may name this queue: never one of the app's own."""
        return not self.is_own_queue(queue) and any(
            fnmatch.fnmatchcase(queue, pattern) for pattern in self.reply_queues
        )

    def check_callback(self, url: str) -> None:
        """Raise `ValueError` if `callback` of a job may not be this URL."""
        if not self.callback_keys:
            raise ValueError("is not possible here: the app has no CALLBACK_SECRETS to sign it")
        check_receiver(url, hosts=self.webhook_hosts, local=self.webhook_local_hosts)

    def allows_callback(self, url: str) -> bool:
        """Return whether `callback` of a job may be this URL."""
        try:
            self.check_callback(url)
        except ValueError:
            return False
        return True


#: Their values are never repeated.
_SECRETS: Final = frozenset(
    {CONNECTION, "FOUNDRY_API_KEY", "EVENT_GRID_TOPIC_KEY", "CALLBACK_SECRETS", "OPENAI_KEYS"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Configuration:
    """The settings, the models and the deployments of one process."""

    settings: Settings
    catalogue: Catalogue
    deployments: tuple[Deployment, ...]

    def deployment(self, name: str) -> Deployment | None:
        """Return the deployment of this name; None if it is no longer configured."""
        return next((item for item in self.deployments if item.name == name), None)


def configure(environ: Mapping[str, str], *, own_models: str | None = None) -> Configuration:
    """Return the configuration; `own_models` is the text of the file in `MODEL_CATALOGUE`.

    Raises `Misconfigured`.
    """
    settings, catalogue = read_settings(environ), read_catalogue(own_models)
    return Configuration(settings, catalogue, resolve_deployments(settings, catalogue))


def read_catalogue(own_models: str | None) -> Catalogue:
    """Return the app's catalogue, with the operator's own models where there are any.

    Raises `Misconfigured` with one line for each fault of the operator's file.
    """
    if own_models is None:
        return read_builtin()
    try:
        return extend_catalogue(read_builtin(), own_models)
    except ValidationError as error:
        faults = [f"MODEL_CATALOGUE: {fault}" for fault in plain_faults(error)]
        raise Misconfigured("\n".join(faults)) from error


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from a mapping of environment variables; empty values count as unset.

    Raises `Misconfigured` with one line for each wrong variable.
    """
    given: dict[str, Any] = {name: value for name, value in environ.items() if value != ""}
    try:
        return Settings.model_validate(given, context=given)
    except ValidationError as error:
        faults = [_describe_fault(fault, given) for fault in error.errors(include_url=False)]
        raise Misconfigured("\n".join(faults)) from error


def resolve_deployments(settings: Settings, catalogue: Catalogue) -> tuple[Deployment, ...]:
    """Fill in the missing fields of each deployment from the catalogue and `FOUNDRY_ENDPOINT`.

    Raises `Misconfigured` for an empty list, a name used twice, a model not in the catalogue,
    or a deployment without an endpoint.
    """
    if not settings.foundry_deployments:
        raise Misconfigured("FOUNDRY_DEPLOYMENTS: the list is empty; name at least one deployment")
    resolved = tuple(_resolve(item, settings, catalogue) for item in settings.foundry_deployments)
    names = [deployment.name for deployment in resolved]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise Misconfigured(f"FOUNDRY_DEPLOYMENTS: the name {twice!r} is used twice")
    _check_pools(resolved)
    _check_tenant_models(settings, catalogue)
    return resolved


def _describe_fault(fault: Any, given: Mapping[str, str]) -> str:  # noqa: ANN401 (pydantic's ErrorDetails)
    where = fault["loc"]
    name = str(where[0]) if where else "settings"
    if fault["type"] == "missing" and len(where) == 1:
        return f"{name}: is required; set it"
    secret = name in _SECRETS
    value = "" if secret or not where or len(where) > 1 else f" (it is {given.get(name, '')!r})"
    return f"{path(where) or name}: {describe_error(fault)}{value}"


def _check_pools(deployments: Sequence[Deployment]) -> None:
    """Reject a pool with two quotas: its pacing would start again with every call."""
    first: dict[str, Deployment] = {}
    for each in deployments:
        other = first.setdefault(each.pool, each)
        if other.rpm != each.rpm:
            raise Misconfigured(
                f"FOUNDRY_DEPLOYMENTS: {other.name!r} and {each.name!r} share the pool "
                f"{each.pool!r} with {other.rpm:g} and {each.rpm:g} requests a minute; set the "
                f"same `rpm`, or another `pool`"
            )


def _check_tenant_models(settings: Settings, catalogue: Catalogue) -> None:
    for tenant in settings.tenants:
        if unknown := next((name for name in tenant.models if name not in catalogue.models), None):
            known = ", ".join(sorted(catalogue.models))
            raise Misconfigured(
                f"TENANTS: {tenant.name!r} may use the unknown model {unknown!r}; known: {known}"
            )


def _resolve(deployment: Deployment, settings: Settings, catalogue: Catalogue) -> Deployment:
    name = deployment.model or deployment.name
    model = catalogue.models.get(name)
    if model is None:
        raise Misconfigured(
            f"FOUNDRY_DEPLOYMENTS: {deployment.name!r} has the unknown model {name!r}; set `model` "
            f"to one of {', '.join(sorted(catalogue.models))}, or add the model in the file of "
            f"MODEL_CATALOGUE"
        )
    endpoint = deployment.endpoint or settings.foundry_endpoint.rstrip("/")
    if not endpoint:
        raise Misconfigured(
            f"FOUNDRY_DEPLOYMENTS: {deployment.name!r} has no endpoint; "
            f"set `endpoint`, or set FOUNDRY_ENDPOINT"
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
