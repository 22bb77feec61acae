"""Run the demo: start the stack, submit jobs, show progress, collect pictures, stop."""

import asyncio
import json
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient
from rich.console import Console
from rich.live import Live

from local.demo.jobs import DEMO_JOBS
from local.demo.results import Result, progress, summary

#: Longest run; all jobs together take about ten seconds.
PATIENCE_SECONDS: Final = 180
STOP_SECONDS: Final = 30
#: Where to look after the demo.
NEXT: Final = (
    "Next: `make dev` keeps the system running and prints the address of the gallery;",
    "      docs/messages.md describes a job, docs/client.md the command `image-jobs`.",
)


def run_demo(out: Path) -> int:
    """Run the demo; return 0 when each job ended with the expected event, else 1."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return asyncio.run(_demo(out))


async def _demo(out: Path) -> int:
    console = Console()
    console.print(
        "Starting Azurite, a Foundry emulator and the Functions host "
        f"(log: {out.relative_to(out.parent.parent)}/stack.log) …"
    )
    began = time.monotonic()
    async with _stack(out) as stack:
        console.print(f"Ready after {time.monotonic() - began:.1f} s.\n")
        results = await _run(stack["storage"], out, console)
    console.print(summary(results, out))
    wrong = [result.job.job_id for result in results if not result.as_expected]
    total = sum(result.data.get("cost_usd") or 0 for result in results)
    pictures = sum(len(result.files) for result in results)
    console.print(
        f"{pictures} pictures, ${total:.4f} at list prices (the emulator is free). "
        f"Pictures and events: {out.relative_to(out.parent.parent)}/"
    )
    for line in NEXT:
        console.print(line, soft_wrap=True)
    if wrong:
        console.print(f"[red]Not as expected: {', '.join(wrong)}[/]")
    return 1 if wrong else 0


@asynccontextmanager
async def _stack(out: Path) -> AsyncIterator[dict[str, Any]]:
    """Start `python -m local up`; stop everything at the end."""
    with (out / "stack.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "local", "up"),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        try:
            line = await process.stdout.readline() if process.stdout else b""
            if not line:
                await process.wait()
                raise SystemExit((out / "stack.log").read_text("utf-8", "replace")[-4000:])
            yield json.loads(line)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), STOP_SECONDS)


async def _run(storage: str, out: Path, console: Console) -> list[Result]:
    results = [Result(job) for job in DEMO_JOBS]
    async with (
        QueueServiceClient.from_connection_string(storage) as queues,
        BlobServiceClient.from_connection_string(storage) as blobs,
    ):
        queue = queues.get_queue_client("image-jobs")
        began = time.monotonic()
        for job in DEMO_JOBS:
            await queue.send_message(json.dumps(job.message, ensure_ascii=False))
        with Live(progress(results), console=console, refresh_per_second=8) as live:
            watching = asyncio.create_task(_watch(blobs, results, live, began))
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await _collect(queues, blobs, results, out, began)
            except TimeoutError:
                console.print(f"[red]Stopped waiting after {PATIENCE_SECONDS} s.[/]")
            finally:
                watching.cancel()
                live.update(progress(results), refresh=True)
        console.print()
    return results


async def _collect(
    queues: QueueServiceClient,
    blobs: BlobServiceClient,
    results: list[Result],
    out: Path,
    began: float,
) -> None:
    """Read events until every job has ended; download the pictures of each."""
    waiting = {result.job.job_id: result for result in results}
    events = queues.get_queue_client("image-events")
    with (out / "events.jsonl").open("w", encoding="utf-8") as file:
        while waiting:
            async for message in events.receive_messages(messages_per_page=32):
                event = json.loads(message.content)
                file.write(json.dumps(event, ensure_ascii=False) + "\n")
                result = waiting.pop(event["data"].get("job_id"), None)
                if result:
                    result.event = event
                    result.seconds = time.monotonic() - began
                    await _download(blobs, result, out)
                await events.delete_message(message)
            await asyncio.sleep(0.1)


async def _download(blobs: BlobServiceClient, result: Result, out: Path) -> None:
    for picture in result.data.get("images", ()):
        path = out / picture["blob"].replace("/default/", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        client = blobs.get_blob_client(picture["container"], picture["blob"])
        path.write_bytes(await (await client.download_blob()).readall())
        result.files.append(path)


async def _watch(blobs: BlobServiceClient, results: list[Result], live: Live, began: float) -> None:
    """Show the state of each job from its record."""
    while True:
        for result in results:
            if result.event:
                continue
            result.seconds = time.monotonic() - began
            client = blobs.get_blob_client("jobs", f"{result.job.job_id}.json")
            try:
                record = json.loads(await (await client.download_blob()).readall())
            except ResourceNotFoundError:
                continue
            states = [task["state"] for task in record["tasks"]]
            result.state = "calling" if "calling" in states else states[0]
        live.update(progress(results))
        await asyncio.sleep(0.2)
