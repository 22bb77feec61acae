"""The audit after a trial: compare bills with records, pictures and events. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

#: Events that end a job; a parked job waits for a person and publishes one too.
END_EVENTS: Final = {
    "image.job.succeeded": "succeeded",
    "image.job.failed": "failed",
    "image.job.parked": "parked",
    "image.job.cancelled": "cancelled",
}
#: US dollars: events and records round to a millionth.
ROUNDING: Final = 2e-6

type Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that is visible from outside after a trial."""

    #: Ids of the jobs that were submitted.
    jobs: Sequence[str]
    records: Mapping[str, Json]
    #: Every event, in the order it was received.
    events: Sequence[Json]
    #: The emulator's paid calls.
    billed: Sequence[Json]
    #: SHA-256 of each blob in the images container, without sidecars.
    pictures: Mapping[str, str]
    #: Calls answered 429.
    throttled: int = 0
    #: Dead letters of poison messages.
    poisoned: int = 0
    #: What the trial did to hosts and storage, and how often.
    mishaps: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Audit:
    """Counts, and a sentence for each fault."""

    jobs: int
    ended: Counter[str] = field(default_factory=Counter)
    paid_calls: int = 0
    flagged: int = 0
    repeated_events: int = 0
    throttled: int = 0
    mishaps: Mapping[str, int] = field(default_factory=dict)
    poisoned: int = 0
    billed_usd: float = 0.0
    reported_usd: float = 0.0
    reported_usd_at_most: float = 0.0
    #: Sentences by kind of fault; every list must be empty.
    lost: list[str] = field(default_factory=list)
    paid_twice_unflagged: list[str] = field(default_factory=list)
    events_missing: list[str] = field(default_factory=list)
    events_contradicting: list[str] = field(default_factory=list)
    pictures_wrong: list[str] = field(default_factory=list)
    costs_wrong: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """Every sentence about a fault."""
        return [
            *self.lost,
            *self.paid_twice_unflagged,
            *self.events_missing,
            *self.events_contradicting,
            *self.pictures_wrong,
            *self.costs_wrong,
            *([f"{self.poisoned} messages were poisoned"] if self.poisoned else []),
        ]


def audit(seen: Observation) -> Audit:
    """Compare the bills with what is published and stored for each job."""
    found = Audit(
        jobs=len(seen.jobs),
        paid_calls=len(seen.billed),
        throttled=seen.throttled,
        mishaps=seen.mishaps,
        poisoned=seen.poisoned,
        billed_usd=sum(line["usd"] for line in seen.billed),
    )
    ends = _ends(seen.events)
    calls = _calls(seen.billed)
    for job_id in seen.jobs:
        record = seen.records.get(job_id)
        state = record["state"] if record else None
        if record is None or state == "running":
            found.lost.append(f"{job_id} is lost: its record says {state}")
            continue
        found.ended[str(state)] += 1
        _check_events(found, job_id, str(state), ends[job_id])
        published = [event for event in ends[job_id] if END_EVENTS[event["type"]] == state]
        if published:
            _check_cost(found, job_id, published[-1]["data"], calls[job_id])
            _check_pictures(found, job_id, published[-1]["data"], seen.pictures)
    _check_orphans(found, seen)
    _check_bills(found, seen)
    return found


def _ends(events: Iterable[Json]) -> defaultdict[str, list[Json]]:
    ends: defaultdict[str, list[Json]] = defaultdict(list)
    for event in events:
        if event["type"] in END_EVENTS:
            ends[event["data"]["job_id"]].append(event)
    return ends


def _calls(billed: Iterable[Json]) -> defaultdict[str, Counter[str]]:
    """Count paid calls by job and task; a client's request id is job.run.task.attempt."""
    calls: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in billed:
        job_id, run, task, _ = line["client_request_id"].rsplit(".", 3)
        calls[job_id][f"{run}.{task}"] += 1
    return calls


def _check_events(found: Audit, job_id: str, state: str, ends: Sequence[Json]) -> None:
    ids = {event["id"] for event in ends}
    found.repeated_events += len(ends) - len(ids)
    if state not in {END_EVENTS[event["type"]] for event in ends}:
        found.events_missing.append(f"{job_id} is {state}, but no event says so")
    if len(ids) > 1:
        kinds = ", ".join(event["type"] for event in ends)
        found.events_contradicting.append(f"{job_id} has {len(ids)} different end events: {kinds}")


def _check_cost(found: Audit, job_id: str, data: Json, calls: Mapping[str, int]) -> None:
    found.flagged += bool(data["possible_duplicate_charge"])
    twice = [task for task, paid in calls.items() if paid > 1]
    if twice and not data["possible_duplicate_charge"]:
        found.paid_twice_unflagged.append(
            f"{job_id} was paid for {calls[twice[0]]} times (task {twice[0]}) without a flag"
        )
    found.reported_usd += data["cost_usd"] or 0.0
    found.reported_usd_at_most += data["cost_usd_at_most"] or 0.0


def _check_pictures(found: Audit, job_id: str, data: Json, pictures: Mapping[str, str]) -> None:
    for image in data["images"]:
        if pictures.get(image["blob"]) != image["sha256"]:
            found.pictures_wrong.append(
                f"{job_id} names {image['blob']}, which is missing or different"
            )


def _check_orphans(found: Audit, seen: Observation) -> None:
    """Find pictures that no record names."""
    known = {
        picture["blob"]
        for record in seen.records.values()
        for task in record["tasks"]
        for picture in task["pictures"]
    }
    found.pictures_wrong += [
        f"{name} is stored, but no record names it" for name in seen.pictures if name not in known
    ]


def _check_bills(found: Audit, seen: Observation) -> None:
    """Find jobs whose bill is outside of what their events report.

    A certain cost that is an estimate may be higher than the bill: it counts the longest prompt.
    """
    billed: Counter[str] = Counter()
    for line in seen.billed:
        billed[line["client_request_id"].rsplit(".", 3)[0]] += line["usd"]
    reported = {
        event["data"]["job_id"]: event["data"]
        for event in seen.events
        if event["type"] in END_EVENTS and event["data"]["cost_usd"] is not None
    }
    for job_id, data in reported.items():
        usd, least, most = billed[job_id], data["cost_usd"], data["cost_usd_at_most"]
        is_too_high = data["cost_known_by"] == "usage" and usd < least - ROUNDING
        if is_too_high or usd > most + ROUNDING:
            found.costs_wrong.append(
                f"{job_id} was billed ${usd:.6f} but reports ${least:.6f} to ${most:.6f}"
            )
