"""Divide one line of calls among tenants by their weights, with a few bytes for each tenant.

This is stride scheduling (Waldspurger 1995), a form of weighted fair queuing. The calls of a tenant
with one priority are a *flow*. A call moves the `head` of its flow ahead by its stride in virtual
time, and the flow with the smallest head calls next: twice the weight, half the stride, twice the
calls. A flow that has no call waiting has no share and keeps no claim for later.

Tickets hold a number in their flow and no time. So a 429, a new rate or a new tenant moves
everybody who waits, and nobody has to be told.
"""

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

#: Virtual time that a call takes in a flow of weight 1. It is an integer, so that ties are exact.
STRIDE: Final = 10_000
#: The weight of a tenant's calls of low priority, as a share of its weight.
LOW_SHARE: Final = 0.1
#: More flows than this share the last one, so that the ledger stays small.
MAX_FLOWS: Final = 200
OTHER_FLOWS: Final = "*"
#: After the name of the tenant, in the key of a flow.
_LOW: Final = " low"


@dataclass(frozen=True, slots=True)
class Flow:
    """The calls of one tenant that wait with one priority."""

    key: str
    stride: int
    #: Virtual time of the number called next.
    head: int
    #: The number called next, and the first number not given yet.
    calling: int
    promised: int
    #: What a newer version keeps of it.
    more: tuple[Any, ...] = ()

    @property
    def is_low(self) -> bool:
        """Whether the calls have low priority."""
        return self.key.endswith(_LOW)

    @property
    def waiting(self) -> int:
        """How many numbers wait."""
        return self.promised - self.calling

    def issue(self) -> "Flow":
        """Return the flow after its next number was given."""
        return replace(self, promised=self.promised + 1)

    def call(self) -> "Flow":
        """Return the flow after one call."""
        return replace(self, head=self.head + self.stride, calling=self.calling + 1)


@dataclass(frozen=True, slots=True)
class FairQueue:
    """The flows of a pool, in the order in which they came."""

    #: It never goes back. A flow whose head is later has had more than its share.
    virtual_time: int = 0
    flows: tuple[Flow, ...] = ()
    #: What a newer version keeps of it.
    more: tuple[Any, ...] = ()

    @property
    def waiting(self) -> int:
        """How many numbers wait in all flows."""
        return sum(flow.waiting for flow in self.flows)

    @property
    def active(self) -> list[Flow]:
        """The flows with calls that wait."""
        return [flow for flow in self.flows if flow.waiting > 0]

    def find(self, key: str) -> Flow | None:
        """Return a flow, if it is known."""
        return next((flow for flow in self.flows if flow.key == key), None)

    def store(self, changed: Flow) -> "FairQueue":
        """Return the queue with a changed flow."""
        flows = tuple(changed if flow.key == changed.key else flow for flow in self.flows)
        return replace(self, flows=flows)


def enter_flow(
    queue: FairQueue, tenant: str, weight: float, *, is_low: bool, first: int
) -> tuple[FairQueue, Flow]:
    """Return the queue with the tenant's flow; a new flow starts with the number `first`.

    A new flow of normal priority is called next; one of low priority waits for one of its strides,
    and so does each that waits when normal priority comes. No flow gets anything for the time that
    it was away.
    """
    key = f"{tenant}{_LOW}" if is_low else tenant
    if len(queue.flows) >= MAX_FLOWS and not queue.find(key):
        key = OTHER_FLOWS
    stride = max(round(STRIDE / (weight * LOW_SHARE if is_low else weight)), 1)
    if flow := queue.find(key):
        flow = replace(flow, stride=stride)
        return queue.store(flow), flow
    head = queue.virtual_time
    if is_low:
        head += stride
    elif active := queue.active:
        head = max(min(each.head for each in active), head - stride)
    flow, others = Flow(key, stride, head, first, first), queue.flows
    if not is_low and all(each.is_low for each in queue.active):
        others = tuple(replace(each, head=max(each.head, head + each.stride)) for each in others)
    return replace(queue, flows=(*others, flow)), flow


def count_ahead(queue: FairQueue, flow: Flow, number: int) -> int:
    """Return how many calls come before a number of a flow, if nobody else comes."""
    own = max(number - flow.calling, 0)
    turn, is_newer, ahead = flow.head + own * flow.stride, False, own
    for other in queue.flows:
        if other.key == flow.key:
            is_newer = True  # the newer flow goes first if two have the same virtual time
            continue
        passed = turn - other.head
        if passed >= 0:
            calls = -(-passed // other.stride) + (is_newer and passed % other.stride == 0)
            ahead += min(other.waiting, calls)
    return ahead


def pass_numbers(queue: FairQueue, count: int) -> FairQueue:
    """Call up to `count` numbers, as if somebody had come for them."""
    flows = {flow.key: flow for flow in queue.flows}
    for _ in range(min(count, queue.waiting)):
        # `min` returns the first one, and the newer flow goes first.
        waiting = [flow for flow in reversed(flows.values()) if flow.waiting > 0]
        first = min(waiting, key=lambda flow: flow.head)
        flows[first.key] = first.call()
    return replace(queue, flows=tuple(flows.values())) if count > 0 else queue


def settle_flows(queue: FairQueue) -> FairQueue:
    """Move virtual time to the flows that wait, and forget flows that are done.

    When nobody waits, all flows are forgotten: what nobody else wanted is charged to nobody.
    """
    active = queue.active
    if not active:
        return FairQueue()
    shares = sum(1 / flow.stride for flow in active)
    middle = round(sum(flow.head / flow.stride for flow in active) / shares)
    virtual_time = max(queue.virtual_time, middle)
    kept = tuple(flow for flow in queue.flows if flow.waiting > 0 or flow.head > virtual_time)
    return replace(queue, virtual_time=virtual_time, flows=kept)


def pack_queue(queue: FairQueue) -> str:
    """Return the queue in few characters: 200 flows take about 3 KB."""
    start = queue.virtual_time
    rows = [[f.key, f.stride, f.head - start, f.calling, f.waiting, *f.more] for f in queue.flows]
    text = json.dumps([start, rows, *queue.more], separators=(",", ":"))
    return b64encode(zlib.compress(text.encode(), 9)).decode()


def unpack_queue(packed: str) -> FairQueue:
    """Read what `pack_queue` returned; raises `ValueError`."""
    try:
        start, rows, *more = json.loads(zlib.decompress(b64decode(packed, validate=True)))
        return FairQueue(int(start), tuple(_flows(rows, int(start))), tuple(more))
    except (zlib.error, TypeError) as error:
        raise ValueError(f"flows that cannot be read: {error}") from error


def _flows(rows: Iterable[Sequence[Any]], start: int) -> Iterable[Flow]:
    for key, stride, head, calling, waiting, *more in rows:
        promised = calling + waiting
        yield Flow(str(key), int(stride), head + start, calling, promised, tuple(more))
