"""The client's connection to an app whose account is in memory; time passes when somebody waits."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.client.caller import read_configuration
from shared.client.connection import Connection
from shared.config.settings import Configuration
from shared.errors import StoreUnavailable
from tests.fakes.memory import MemoryBlobs, MemoryQueues
from tests.fakes.world import gather_in_order

BEGAN = datetime(2026, 11, 30, 17, 0, tzinfo=UTC)
STORAGE = {"ImageStorage": "UseDevelopmentStorage=true"}
#: Of a client that does not know the app's deployments, and of one that does.
FIELDS_ONLY = read_configuration(STORAGE)
ROUTING = read_configuration(STORAGE | {"FOUNDRY_DEPLOYMENTS": '[{"name": "gpt-image-2"}]'})


@dataclass(slots=True)
class WaitingClock:
    """Stands still until somebody waits; never suspends, as on the client's synchronous side."""

    time: datetime = BEGAN
    waits: list[float] = field(default_factory=list)
    #: Called during each wait.
    meanwhile: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += timedelta(seconds=seconds)
        self.meanwhile()


class MemoryConnection(Connection):
    """A connection whose blobs have names that begin with their container: `jobs/fox.json`."""

    def __init__(
        self,
        blobs: Mapping[str, str | bytes] | None = None,
        *,
        configuration: Configuration = FIELDS_ONLY,
        failing: Collection[int] = (),
    ) -> None:
        self.clock: WaitingClock = WaitingClock()
        self.queues: MemoryQueues = MemoryQueues(now=self.clock.now, before=self._begin_send)
        #: Sends that fail, counted from the first.
        self.failing = failing
        self._sends = 0
        self._containers: dict[str, MemoryBlobs] = {}
        super().__init__(
            configuration,
            blobs=self.container,
            queues=self.queues,
            clock=self.clock,
            gather=gather_in_order,
        )
        for name, body in (blobs or {}).items():
            self.put(name, body)

    def container(self, name: str) -> MemoryBlobs:
        return self._containers.setdefault(name, MemoryBlobs(name, now=self.clock.now))

    def put(
        self, name: str, body: str | bytes = b"", metadata: Mapping[str, str] | None = None
    ) -> None:
        container, _, blob = name.partition("/")
        data = body.encode() if isinstance(body, str) else body
        self.container(container).seed(blob, data, metadata)

    def body(self, name: str) -> bytes:
        container, _, blob = name.partition("/")
        return self.container(container).stored[blob].body

    async def _begin_send(self, operation: str, _queue: str) -> None:
        if operation == "send":
            self._sends += 1
            if self._sends in self.failing:
                raise StoreUnavailable("the queue does not answer")
