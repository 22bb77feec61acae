"""Run drills: provoke, wait for the alert, run the operator's commands, heal, wait for its end."""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Console

from local.drill.drills import DRILLS, Drill
from local.drill.scene import MINUTE, DrillFailed, Scene, open_scene
from local.stack.stack import ROOT

RUNBOOK: Final = ROOT / "docs" / "runbook.md"
OUT: Final = ROOT / "out" / "drill"
#: Of a command that prints nothing.
SILENT: Final = "(no output)"

_BLOCK: Final = re.compile(
    r"<!-- drill (?P<name>[\w-]+) -->\n(?P<text>.*?)<!-- drilled (?P<digest>\w*) -->", re.DOTALL
)


def perform(drill: Drill, scene: Scene) -> Iterator[str]:
    """Perform a drill, and yield what the operator sees, in paragraphs."""
    alert = scene.alerts[drill.alert]
    if drill.resolves:
        scene.wait(lambda: not scene.fires(alert.name), f"{alert.name} off", 2 * alert.window)
    drill.provoke(scene)
    scene.wait(lambda: scene.fires(alert.name), f"alert {alert.name}")
    yield f"ALERT (severity {alert.severity}) Image Jobs: {alert.name}\n{alert.text}"
    for command in drill.commands:
        yield f"$ {command}\n{scene.run(command) or SILENT}"
    yield f"# {drill.end}"
    drill.heal(scene)
    for command in drill.cures:
        yield f"$ {command}\n{scene.run(command) or SILENT}"
    scene.wait_for_state("succeeded", *drill.jobs)
    if not drill.resolves:
        return
    seconds = alert.window * MINUTE
    scene.wait(lambda: not scene.fires(alert.name), f"{alert.name} resolved", seconds + 60)
    yield f"RESOLVED Image Jobs: {alert.name}"


def main(names: Sequence[str], *, write: bool) -> int:
    """Run the drills of these names, or all; return 0 if each alert fired and was resolved.

    With `write`, the runbook shows what was printed.
    """
    OUT.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"A minute in Azure is {MINUTE:g} s here. "
        "Starting the app (log of the hosts: out/drill/stack.log) …"
    )
    began, texts, code = time.monotonic(), dict[str, str](), 0
    with (
        (OUT / "stack.log").open("w") as log,
        open_scene(OUT, lambda line: print(line, file=log, flush=True)) as scene,
    ):
        for drill in (each for each in DRILLS if not names or each.name in names):
            started, shown = time.monotonic(), list[str]()
            console.print(f"\n━━ {drill.name}: {drill.story}\n", style="bold")
            try:
                for paragraph in perform(drill, scene):
                    shown.append(paragraph)
                    console.print(f"{paragraph}\n")
            except DrillFailed as error:
                console.print(f"FAILED: {error}", style="red")
                code = 1
                continue
            finally:
                scene.end_faults()
            texts[drill.name] = render(drill, shown)
            console.print(f"{drill.name}: {time.monotonic() - started:.0f} s", style="dim")
    if write:
        RUNBOOK.write_text(insert(RUNBOOK.read_text(), texts))
    console.print(f"{len(texts)} drills in {time.monotonic() - began:.0f} s")
    return code


def render(drill: Drill, shown: Sequence[str]) -> str:
    """Return what a drill printed as Markdown."""
    text = "\n\n".join(shown)
    return f"{drill.story} `make drill` prints:\n\n```text\n{text}\n```\n"


def insert(page: str, texts: Mapping[str, str]) -> str:
    """Return a page with these texts at the places of their names, each with its digest.

    A text that is edited afterwards does not have its digest any more: `edited` finds it.
    """

    def replace(match: re.Match[str]) -> str:
        text = texts.get(match["name"])
        if text is None:
            return match[0]
        return f"<!-- drill {match['name']} -->\n{text}<!-- drilled {digest(text)} -->"

    return _BLOCK.sub(replace, page)


def edited(page: str) -> list[str]:
    """Return the names of the texts in a page that are not as they were printed."""
    return [
        each["name"] for each in _BLOCK.finditer(page) if each["digest"] != digest(each["text"])
    ]


def find_texts(page: str) -> dict[str, str]:
    """Return the texts in a page by the names of their drills."""
    return {each["name"]: each["text"] for each in _BLOCK.finditer(page)}


def digest(text: str) -> str:
    """Return a short digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
