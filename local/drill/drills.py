"""The drills: how each thing goes wrong, what the operator runs, and how it ends."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from local.drill.scene import MODEL, PATIENCE, Scene

TROUBLE: Final = "image-jobs doctor | grep -v ✔"

#: A queue of tasks, and jobs that wait for it.
TASKS_QUEUE: Final = "image-tasks"
LATE: Final = ("late-1", "late-2", "late-3")

PROBE: Final = (
    f'curl -s -o /dev/null -w "%{{http_code}}" -X POST -H "x-functions-key: $KEY" '
    f"$HOST/api/pools/{MODEL}/probe"
)


@dataclass(frozen=True, slots=True)
class Drill:
    """One thing that goes wrong."""

    #: A section of the runbook.
    name: str
    #: The alert that fires.
    alert: str
    #: What happens, in a sentence.
    story: str
    provoke: Callable[[Scene], object]
    #: What the operator runs to find the cause.
    commands: tuple[str, ...]
    #: How it ends, in a sentence.
    end: str
    #: What ends it, besides the commands that follow.
    heal: Callable[[Scene], object]
    #: What the operator runs then.
    cures: tuple[str, ...] = ()
    #: Jobs that succeed in the end.
    jobs: tuple[str, ...] = ()
    #: False where the alert lasts for a day.
    resolves: bool = True


def _lose_pictures(scene: Scene) -> None:
    scene.fail_calls("bad-base64", prompt_contains="dead-letters")
    scene.submit("dead-1", "a fox [dead-letters]")


def _lose_reply(scene: Scene) -> None:
    scene.submit("parked-1", "a fox [[fault-once:disconnect-after]]", on_unknown="park")


def _call_once(scene: Scene) -> None:
    scene.submit("parked-2")
    scene.wait_for_state("succeeded", "parked-2")


def _lose_replies(scene: Scene) -> None:
    for number in range(1, 4):
        lost, good = f"unknown-{number}", f"good-{number}"
        scene.submit(lost, f"fox {number} [[fault-once:disconnect-after]]")
        scene.wait(partial(scene.calls_ended, lost), f"{lost} called")
        # Two failures in a row would open the circuit.
        scene.submit(good)
        scene.wait_for_state("succeeded", good)


def _block(scene: Scene) -> None:
    scene.fail_calls("blocked")
    scene.submit("blocked-1")


def _take_down(scene: Scene) -> None:
    scene.fail_calls("503")
    for number in range(1, 4):
        scene.submit(f"down-{number}")


def _delete_container(scene: Scene) -> None:
    scene.stack.blobs.delete_container("images")
    scene.submit("storage-1")


def _create_container(scene: Scene) -> None:
    scene.stack.blobs.create_container("images")


def _slow_down(scene: Scene) -> None:
    scene.fail_calls("slow-headers", value=12)
    for number in range(1, 61):
        scene.submit(f"slow-{number}")


def _flood(scene: Scene) -> None:
    scene.lower_quota(20)
    for number in range(1, 41):
        scene.submit(f"shop-{number}", tenant="shop")
    scene.submit("press-1", tenant="press")


def _delete_tasks_queue(scene: Scene) -> None:
    scene.stack.queues.delete_queue(TASKS_QUEUE)
    now = datetime.now(UTC)
    # A sweep comes every 5 s: it finds one of them at least 3 s late.
    for job_id, seconds in zip(LATE, (62, 64, 66), strict=True):
        scene.submit(job_id, not_before=(now + timedelta(seconds=seconds)).isoformat())


def _create_tasks_queue(scene: Scene) -> None:
    scene.stack.queues.create_queue(TASKS_QUEUE)
    # What could not be moved is hidden for a minute.
    scene.wait(lambda: all(map(scene.has_ended, LATE)), "late jobs ended", 2 * PATIENCE)


def _stop(scene: Scene) -> None:
    scene.signal_app(signal.SIGSTOP)
    scene.submit("silence-1")


def _spend(scene: Scene) -> None:
    for number in range(1, 5):
        scene.submit(f"spend-{number}", quality="high", tags={"campaign": "winter"})


def _overspend(scene: Scene) -> None:
    # Three of these cost more than the budget of a day.
    for job_id in ("budget-1", "budget-2", "budget-3"):
        scene.submit(job_id, quality="high", n=6, tags={"campaign": "winter"})
        scene.wait(partial(scene.has_ended, job_id), f"{job_id} ended")


def _nothing(_: Scene) -> None:
    """Leave it to the commands."""


DRILLS: Final = (
    Drill(
        name="dead-letters",
        alert="dead-letters",
        story="The pictures in replies are damaged.",
        provoke=_lose_pictures,
        commands=("image-jobs dead list --days 1", "image-jobs why dead-1"),
        end="Replies hold whole pictures again.",
        heal=Scene.end_faults,
        cures=("image-jobs dead replay --reason no_image", "image-jobs watch dead-1"),
        jobs=("dead-1",),
    ),
    Drill(
        name="parked",
        alert="parked",
        story="A connection breaks before the reply, and the job says `on_unknown: park`.",
        provoke=_lose_reply,
        commands=("image-jobs list --state parked", "image-jobs why parked-1"),
        end="Other calls succeed, and the operator decides to call again.",
        heal=_call_once,
        cures=("image-jobs release parked-1", "image-jobs watch parked-1"),
        jobs=("parked-1",),
    ),
    Drill(
        name="unknown-outcomes",
        alert="unknown-outcomes",
        story="Three connections break before the reply.",
        provoke=_lose_replies,
        commands=(TROUBLE, "image-jobs why unknown-1"),
        end="Connections hold again.",
        heal=_nothing,
        jobs=("unknown-1", "unknown-2", "unknown-3"),
    ),
    Drill(
        name="circuit-open",
        alert="circuit-open",
        story="Microsoft blocks the resource.",
        provoke=_block,
        commands=(TROUBLE, "image-jobs why blocked-1"),
        end="Microsoft lifts the block, and the operator lets the next call be the test.",
        heal=Scene.end_faults,
        cures=(PROBE, "image-jobs watch blocked-1", TROUBLE),
        jobs=("blocked-1",),
    ),
    Drill(
        name="foundry-down",
        alert="foundry-down",
        story="Foundry answers every call with 503.",
        provoke=_take_down,
        commands=(TROUBLE, "image-jobs why down-3"),
        end="Foundry answers again, and the operator lets the next call be the test.",
        heal=Scene.end_faults,
        cures=(PROBE, "image-jobs watch down-1 down-2 down-3", TROUBLE),
        jobs=("down-1", "down-2", "down-3"),
    ),
    Drill(
        name="storage-blocked",
        alert="storage-blocked",
        story="Somebody deletes the container of pictures.",
        provoke=_delete_container,
        commands=(TROUBLE, "image-jobs why storage-1"),
        end="The container exists again.",
        heal=_create_container,
        cures=("image-jobs watch storage-1", TROUBLE),
        jobs=("storage-1",),
    ),
    Drill(
        name="oldest-message",
        alert="oldest-message",
        story="Calls are slow, and jobs arrive faster than they are made.",
        provoke=_slow_down,
        commands=("image-jobs doctor | grep oldest", "image-jobs ledger --days 1"),
        end="Calls are fast again.",
        heal=Scene.end_faults,
        cures=("image-jobs doctor | grep 'queue image-tasks '",),
        jobs=("slow-60",),
    ),
    Drill(
        name="tenant-floods",
        alert="oldest-message",
        story="A tenant sends many jobs, and the quota is small.",
        provoke=_flood,
        commands=(
            "image-jobs ledger --days 1",
            "image-jobs list --tenant shop --state running -n 3",
            "image-jobs ledger --by tenant --days 1",
        ),
        end="The operator cancels the jobs of the tenant.",
        heal=_nothing,
        cures=(
            "image-jobs list --tenant shop --state running | tail -n +2 | cut -f 1 > flood.txt",
            "image-jobs cancel - < flood.txt | tail -n 3",
        ),
        jobs=("press-1",),
    ),
    Drill(
        name="waiting-late",
        alert="waiting-late",
        story="Somebody deletes the tasks queue, and jobs wait for their time.",
        provoke=_delete_tasks_queue,
        commands=(TROUBLE, "image-jobs why late-1"),
        end="The queue exists again.",
        heal=_create_tasks_queue,
        cures=(f"image-jobs watch {' '.join(LATE)}", TROUBLE),
        jobs=LATE,
    ),
    Drill(
        name="silence",
        alert="silence",
        story="The app hangs.",
        provoke=_stop,
        commands=("image-jobs doctor | grep oldest", "image-jobs why silence-1"),
        end="The app runs again.",
        heal=lambda scene: scene.signal_app(signal.SIGCONT),
        cures=("image-jobs watch silence-1",),
        jobs=("silence-1",),
    ),
    Drill(
        name="spend",
        alert="spend",
        story="Calls cost more than `DAILY_SPEND_USD`, which is $0.75 here.",
        provoke=_spend,
        commands=("image-jobs ledger --days 1", "image-jobs ledger --by model,tag:campaign"),
        end="The alert ends when the calls of 24 hours cost less.",
        heal=_nothing,
        jobs=("spend-1", "spend-2", "spend-3", "spend-4"),
        resolves=False,
    ),
    Drill(
        name="budget-spent",
        alert="parked",
        story="Calls would cost more than `DAILY_BUDGET_USD`, which is $3 here.",
        provoke=_overspend,
        commands=(
            "image-jobs ledger --days 1",
            "image-jobs list --state parked",
            "image-jobs why budget-3",
        ),
        end="The operator lets one job exceed the budget.",
        heal=_nothing,
        cures=("image-jobs release budget-3", "image-jobs watch budget-3"),
        jobs=("budget-3",),
    ),
)
