"""The state diagrams of the docs, printed from the tables of transitions."""

from collections.abc import Iterable

from shared.records.record import JobState, TaskState
from shared.records.transitions import JOB_EDGES, TASK_EDGES, Step


def task_diagram() -> str:
    """Return the states of a task as a Mermaid diagram."""
    return _diagram(TaskState.PENDING, TASK_EDGES)


def job_diagram() -> str:
    """Return the states of a job as a Mermaid diagram."""
    return _diagram(JobState.RUNNING, JOB_EDGES)


def _diagram[State: str](first: State, edges: Iterable[tuple[State, Step, State]]) -> str:
    ways: dict[tuple[State, State], list[Step]] = {}
    for before, step, after in edges:
        ways.setdefault((before, after), []).append(step)
    lines = [
        f"    {before} --> {after}: {', '.join(steps)}" for (before, after), steps in ways.items()
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {first}", *lines, "```", ""])
