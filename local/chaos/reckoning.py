"""What trouble came to: what was billed, held against records, pictures and events. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

#: Events that end a job; a parked one waits for a person, and is told all the same.
ENDS: Final = {
    "image.job.succeeded": "succeeded",
    "image.job.failed": "failed",
    "image.job.parked": "parked",
    "image.job.cancelled": "cancelled",
}
#: US dollars: events and records round to a millionth.
ROUNDING: Final = 2e-6

type Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """All that can be seen from outside when the trouble is over."""

    #: Ids of the jobs that were submitted.
    jobs: Sequence[str]
    records: Mapping[str, Json]
    #: Every event, in the order it was taken off the queue.
    events: Sequence[Json]
    #: The emulator's paid calls.
    billed: Sequence[Json]
    #: SHA-256 of each blob in the images container, sidecars left out.
    pictures: Mapping[str, str]
    #: Calls answered 429.
    throttled: int = 0
    #: Messages left on poison queues, and dead letters that say poisoned.
    poisoned: int = 0
    kills: int = 0


@dataclass(slots=True)
class Reckoning:
    """Counts, and the sentences about what must not be."""

    jobs: int
    ended: Counter[str] = field(default_factory=Counter)
    paid_calls: int = 0
    flagged: int = 0
    repeated_events: int = 0
    throttled: int = 0
    kills: int = 0
    poisoned: int = 0
    billed_usd: float = 0.0
    told_usd: float = 0.0
    #: By what went wrong; each of these must be empty.
    lost: list[str] = field(default_factory=list)
    paid_twice_unflagged: list[str] = field(default_factory=list)
    events_missing: list[str] = field(default_factory=list)
    events_contradicting: list[str] = field(default_factory=list)
    pictures_wrong: list[str] = field(default_factory=list)
    cost_undercounted: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """Every sentence about what must not be."""
        return [
            *self.lost,
            *self.paid_twice_unflagged,
            *self.events_missing,
            *self.events_contradicting,
            *self.pictures_wrong,
            *self.cost_undercounted,
            *([f"{self.poisoned} messages were poisoned"] if self.poisoned else []),
        ]


def reckon(seen: Seen) -> Reckoning:
    """Hold what was billed against what is told and stored of each job."""
    made = Reckoning(
        jobs=len(seen.jobs),
        paid_calls=len(seen.billed),
        throttled=seen.throttled,
        kills=seen.kills,
        poisoned=seen.poisoned,
        billed_usd=sum(line["usd"] for line in seen.billed),
    )
    ends = _ends(seen.events)
    calls = _calls(seen.billed)
    for job_id in seen.jobs:
        record = seen.records.get(job_id)
        state = record["state"] if record else None
        if record is None or state == "running":
            made.lost.append(f"{job_id} is lost: its record says {state}")
            continue
        made.ended[str(state)] += 1
        _look_at_events(made, job_id, str(state), ends[job_id])
        told = [event for event in ends[job_id] if ENDS[event["type"]] == state]
        if told:
            _look_at_money(made, job_id, told[-1]["data"], calls[job_id])
            _look_at_pictures(made, job_id, told[-1]["data"], seen.pictures)
    _look_at_orphans(made, seen)
    _look_at_bills(made, seen)
    return made


def _ends(events: Iterable[Json]) -> defaultdict[str, list[Json]]:
    found: defaultdict[str, list[Json]] = defaultdict(list)
    for event in events:
        if event["type"] in ENDS:
            found[event["data"]["job_id"]].append(event)
    return found


def _calls(billed: Iterable[Json]) -> defaultdict[str, Counter[str]]:
    """Paid calls of each job, by task: a client's request id is job.generation.task.attempt."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in billed:
        job_id, generation, task, _ = line["client_request_id"].rsplit(".", 3)
        found[job_id][f"{generation}.{task}"] += 1
    return found


def _look_at_events(made: Reckoning, job_id: str, state: str, ends: Sequence[Json]) -> None:
    ids = {event["id"] for event in ends}
    made.repeated_events += len(ends) - len(ids)
    if state not in {ENDS[event["type"]] for event in ends}:
        made.events_missing.append(f"{job_id} is {state}, and no event tells so")
    if len(ids) > 1:
        kinds = ", ".join(event["type"] for event in ends)
        made.events_contradicting.append(f"{job_id} has {len(ids)} different ends: {kinds}")


def _look_at_money(made: Reckoning, job_id: str, data: Json, calls: Mapping[str, int]) -> None:
    made.flagged += bool(data["possible_duplicate_charge"])
    twice = [task for task, paid in calls.items() if paid > 1]
    if twice and not data["possible_duplicate_charge"]:
        made.paid_twice_unflagged.append(
            f"{job_id} was paid for {calls[twice[0]]} times (task {twice[0]}), and no flag says so"
        )
    made.told_usd += data["cost_usd"] or 0.0


def _look_at_pictures(
    made: Reckoning, job_id: str, data: Json, pictures: Mapping[str, str]
) -> None:
    for image in data["images"]:
        if pictures.get(image["blob"]) != image["sha256"]:
            made.pictures_wrong.append(f"{job_id} tells of {image['blob']}, which is not that")


def _look_at_orphans(made: Reckoning, seen: Seen) -> None:
    """Find pictures that no record knows."""
    known = {
        picture["blob"]
        for record in seen.records.values()
        for task in record["tasks"]
        for picture in task["pictures"]
    }
    made.pictures_wrong += [
        f"{name} is stored, and no record knows it" for name in seen.pictures if name not in known
    ]


def _look_at_bills(made: Reckoning, seen: Seen) -> None:
    """Find jobs that cost more than they tell."""
    spent: Counter[str] = Counter()
    for line in seen.billed:
        spent[line["client_request_id"].rsplit(".", 3)[0]] += line["usd"]
    told = {
        event["data"]["job_id"]: event["data"]["cost_usd"]
        for event in seen.events
        if event["type"] in ENDS
    }
    for job_id, usd in spent.items():
        said = told.get(job_id)
        if said is not None and said + ROUNDING < usd:
            made.cost_undercounted.append(f"{job_id} was billed ${usd:.6f} and tells ${said:.6f}")
