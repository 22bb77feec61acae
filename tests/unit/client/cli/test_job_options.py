"""Options and files of a job are read as the app reads a message."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.client.cli.job_options import job_fields
from shared.errors import Rejected
from shared.jobs.job import Job
from shared.jobs.parsing import build_job


def read(**options: Any) -> Job:  # noqa: ANN401 (options of any type)
    return build_job(job_fields({"prompt": "a fox", **options}), made_id="fox")


def test_numbers_are_read_as_json_reads_them() -> None:
    job = read(n="2", format="jpeg", compression="90", max_cost_usd="1.5e0")
    assert (job.n, job.compression, job.max_cost_usd) == (2, 90, 1.5)


@pytest.mark.parametrize("text", ["1_0", "٣", " 0x2", "1e1", "+3", "true", "", "NaN"])
def test_what_json_does_not_read_as_a_whole_number_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="n: "):
        read(n=text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_may_be_in_any_unicode_that_windows_writes(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_bytes(json.dumps({"prompt": "Küste", "n": 2}, ensure_ascii=False).encode(encoding))
    job = read(prompt=None, file=file)
    assert (job.prompt, job.n) == ("Küste", 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"n": 1, "n": 2}', "n: appears twice"),
        ("[1]", "must be one job"),
        ("{'n': 1}", "JSON has double quotes"),
        ("[" * 10_000, "nested too deeply"),
    ],
)
def test_a_file_is_refused_in_the_words_of_the_queue(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text(text)
    with pytest.raises(Rejected, match=says):
        read(file=file)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "finish: is not valid JSON: it ends too early"),
        ('{"thumbnail": 64, "thumbnail": 128}', "finish.thumbnail: appears twice"),
    ],
)
def test_an_option_of_json_is_read_like_a_message(text: str, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        read(finish=text)
