"""Fetching pictures into files."""

from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from ..answers import Status
from ..synchronous import ImageJobs
from .connection import client
from .showing import AsJson, console, print_json
from .watching import Ids, named

OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="DIR", help="Fetch the pictures into this directory."),
]


def get(job_ids: Ids, *, out: OutOption = None, as_json: AsJson = False) -> None:
    """Fetch the pictures that jobs have so far, into DIR/JOB/….

    Bytes are checked against the record; a file is there whole or not at all.
    """
    with client() as jobs:
        for job_id in named(job_ids):
            status = jobs.status(job_id)
            files = fetch(jobs, status, out or Path(), quiet=as_json)
            if as_json:
                print_json({"job_id": job_id, "files": list(map(str, files))})
            elif not files:
                console().print(f"{job_id} is {status.state} and has no pictures")


def fetch(jobs: ImageJobs, status: Status, out: Path, *, quiet: bool) -> list[Path]:
    """Fetch a job's pictures and return where they are."""
    files = []
    for image in status.images:
        path = out / file_name(image.blob)
        jobs.save(image, path)
        files.append(path)
        if not quiet:
            console().print(
                f"{path}   {image.width}x{image.height}   {image.bytes / 1e6:.1f} MB",
                soft_wrap=True,
            )
    return files


def file_name(blob: str) -> Path:
    """Return where a blob goes: its own name, less the folder of pictures in no locale."""
    parts = [part for part in PurePosixPath(blob).parts if part not in {"/", "..", "default"}]
    return Path(*parts)
