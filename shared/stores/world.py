"""All that a workflow reaches: repositories and interfaces, one set a process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..config.settings import Settings
from ..ports import BlockBlobs, Clock, Gather, ImagesEndpoint, Queues, Renderer, SignedLinks, Sink

if TYPE_CHECKING:  # no start waits for the repositories
    from .batches import BatchRecords
    from .dead_letters import DeadLetters
    from .index import JobIndex
    from .inputs import Inputs
    from .ledgers import BudgetLedgers, PoolLedgers
    from .manifests import Manifests
    from .pictures import Pictures
    from .publisher import Publisher
    from .records import JobRecords, ReuseEntries
    from .waiting_tasks import WaitingTasks


@dataclass(frozen=True, slots=True)
class World:
    """What a workflow is handed."""

    clock: Clock
    gather: Gather
    queues: Queues
    endpoint: ImagesEndpoint
    renderer: Renderer
    links: SignedLinks
    #: By name.
    sinks: Mapping[str, Sink]
    #: Opens the sink of a URL that a job names.
    callback: Callable[[str], Sink]
    records: "JobRecords"
    reuse: "ReuseEntries"
    index: "JobIndex"
    budget: "BudgetLedgers"
    pools: "PoolLedgers"
    tasks: "WaitingTasks"
    pictures: "Pictures"
    inputs: "Inputs"
    #: The container of inputs, for those that the app writes block by block.
    input_pictures: "Pictures"
    manifests: "Manifests"
    batches: "BatchRecords"
    dead_letters: "DeadLetters"
    publisher: "Publisher"


def build_world(  # noqa: PLR0913 (one an interface)
    settings: Settings,
    *,
    blobs: Callable[[str], BlockBlobs],
    queues: Queues,
    clock: Clock,
    gather: Gather,
    endpoint: "Callable[[Inputs], ImagesEndpoint]",
    renderer: "Callable[[Pictures], Renderer]",
    links: SignedLinks,
    sinks: Mapping[str, Sink],
    callback: Callable[[str], Sink],
) -> World:
    """Return a world over these interfaces; `blobs` opens a container by its name."""
    # ruff: noqa: PLC0415 (as above)
    from .batches import BatchRecords
    from .dead_letters import DeadLetters
    from .index import JobIndex
    from .inputs import Inputs
    from .ledgers import BudgetLedgers, PoolLedgers
    from .manifests import Manifests
    from .pictures import BlockSizes, Pictures
    from .publisher import Publisher
    from .records import JobRecords, ReuseEntries
    from .waiting_tasks import WaitingTasks

    sizes = BlockSizes(
        block_bytes=settings.upload_block_bytes,
        in_flight=settings.upload_blocks_in_flight,
        pool=settings.upload_block_pool,
    )
    pictures = Pictures(blobs(settings.images_container), sizes)
    images = settings.images_container
    inputs = Inputs(blobs(settings.inputs_container), blobs(images), images)
    pools = PoolLedgers(blobs(settings.pace_container), clock)
    events = settings.events_queue, settings.deliveries_queue
    return World(
        clock=clock,
        gather=gather,
        queues=queues,
        endpoint=endpoint(inputs),
        renderer=renderer(pictures),
        links=links,
        sinks=sinks,
        callback=callback,
        records=JobRecords(blobs(settings.jobs_container), clock),
        reuse=ReuseEntries(blobs(settings.jobs_container), clock),
        index=JobIndex(blobs(settings.jobs_container)),
        budget=BudgetLedgers(blobs(settings.jobs_container), clock),
        pools=pools,
        tasks=WaitingTasks(queues, pools, clock, settings),
        pictures=pictures,
        inputs=inputs,
        input_pictures=Pictures(blobs(settings.inputs_container), sizes, pictures.pool),
        manifests=Manifests(blobs(settings.manifests_container)),
        batches=BatchRecords(blobs(settings.jobs_container)),
        dead_letters=DeadLetters(blobs(settings.dead_letters_container)),
        publisher=Publisher(queues, *events, clock, tuple(sinks.values())),
    )
