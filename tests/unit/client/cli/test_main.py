"""The command without storage: what it reckons, what it refuses, how it ends."""

import io
import json
import sys
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from shared.client import DeadLetter
from shared.client.cli import commands, dead_letters, jobs, submit
from shared.client.cli.jobs import file_name
from shared.client.cli.main import exit_code, main
from shared.client.results import JobEnded, NoSuchBlob, NoSuchJob, Status, StillRunning
from shared.errors import (
    Fault,
    ImageJobsError,
    InvalidJob,
    Misconfigured,
    Rejected,
    StoreUnavailable,
)
from shared.http_api.queries import hash_key
from tests.builders.ended_jobs import record


@pytest.fixture(autouse=True)
def _nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ImageStorage", "FOUNDRY_DEPLOYMENTS", "FOUNDRY_ENDPOINT", "MODEL_CATALOGUE"):
        monkeypatch.delenv(name, raising=False)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    ended = main(arguments)
    out, err = capsys.readouterr()
    assert ended == code, f"{out}{err}"
    return out if code == 0 else err


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:  # noqa: ANN401 (any JSON)
    return json.loads(said(capsys, *arguments, "--json"))


@pytest.mark.parametrize(
    ("command", "number"),
    [
        (command, number)
        for command in (
            ("list", "--limit"),
            ("dead", "list", "--limit"),
            ("dead", "list", "--days"),
            ("ledger", "--days"),
            ("watch", "--within"),
            ("cancel", "fox", "--within"),
            ("batch", "jobs.csv", "--within"),
        )
        for number in ("1_0", "٣", "0x2", "+3", "nan", "inf", "1e999", "true", "-1", "9" * 12)
    ],
)
def test_a_number_that_json_does_not_have_or_no_clock_can_wait_is_bad_usage(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...], number: str
) -> None:
    assert "is not a" in said(capsys, *command, number, code=2)


def test_an_estimate_has_a_line_for_each_model_size_and_quality(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ("estimate", "-m", "gpt-image-2", "-m", "MAI-Image-2.5", "-s", "1024x1024", "-s", "4k")
    lines = told(capsys, *asked)["lines"]
    assert [(line["model"], line["size"], line["quality"]) for line in lines] == [
        *[("gpt-image-2", size, level) for size in ("1024x1024", "4k") for level in LEVELS],
        ("MAI-Image-2.5", "1024x1024", "auto"),
        ("MAI-Image-2.5", "4k", "auto"),
    ]
    assert lines[0]["tokens"] == {"legacy": 208, "bucket": 196}
    assert "$0.0060" in said(capsys, *asked)


LEVELS = ("low", "medium", "high")


def test_an_estimate_covers_every_deployed_model_or_the_whole_catalogue(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    supposed = told(capsys, "estimate", "-s", "1024x1024")
    assert supposed["assumed"] is True
    assert len({line["model"] for line in supposed["lines"]}) > 5
    monkeypatch.setenv("FOUNDRY_DEPLOYMENTS", '[{"name": "gpt-image-1-mini"}]')
    known = told(capsys, "estimate", "-s", "1024x1024", "-q", "low")
    assert known["assumed"] is False
    assert [line["model"] for line in known["lines"]] == ["gpt-image-1-mini"]


def test_an_estimate_says_what_a_model_does_not_make(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("estimate", "-m", "gpt-image-2", "-s", "4000x500", "-q", "low", "--fit", "reject")
    assert "nearest" in told(capsys, *asked)["lines"][0]["rejected"]
    assert "nearest" in said(capsys, *asked)


def test_options_are_numbers_booleans_and_texts(capsys: pytest.CaptureFixture[str]) -> None:
    flux = (
        "route",
        "a fox",
        "-m",
        "FLUX.2-flex",
        "--option",
        "seed=42",
        "--option",
        "guidance=2.5",
    )
    for line in ("seed=42", "guidance=2.5"):
        assert line in said(capsys, *flux)
    refused = said(capsys, *flux, "--option", "steps=many", code=2)
    assert "options.steps: 'many' is not allowed for FLUX.2-flex; use a whole number" in refused


def test_a_route_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("route", "a fox", "-m", "gpt-image-2", "-s", "7680x4320", "-n", "2")
    (plan,) = told(capsys, *asked)["plans"]
    assert (plan["width"], plan["height"]) == (3840, 2160)
    explained = said(capsys, *asked)
    assert "≠ size: 7680x4320 → 3840x2160" in explained
    assert "• Model gpt-image-2 as requested." in explained


def test_json_may_be_asked_for_before_the_sub_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("route", "a fox", "--id", "fox", "-m", "gpt-image-2")
    assert json.loads(said(capsys, "--json", *asked)) == told(capsys, *asked)
    wrong = json.loads(said(capsys, "--json", *asked, "-n", "11", code=2))
    assert wrong["faults"][0]["field"] == "n"
    monkeypatch.setattr(dead_letters, "client", lambda: nullcontext(NoLetters()))
    assert said(capsys, "--json", "dead", "list") == ""
    assert said(capsys, "dead", "list") == "No dead letters on these days.\n"


class NoLetters:
    @property
    def operator(self) -> "NoLetters":
        return self

    def dead_letters(self, **_: object) -> list[DeadLetter]:
        return []


def test_a_matrix_is_explained_part_by_part(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("route", "a fox", "-m", "gpt-image-2", "-m", "MAI-Image-2.5", "-l", "de", "-l", "ja")
    plans = told(capsys, *asked)["plans"]
    assert [(plan["model"], plan["calls"]) for plan in plans] == [
        ("gpt-image-2", 2),
        ("MAI-Image-2.5", 2),
    ]


def test_every_option_fills_its_field(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"prompt": "a fox", "n": 4}')))
    (plan,) = told(
        capsys,
        *("route", "-f", "-", "--id", "fox", "-m", "gpt-image-2", "-s", "3:2", "-q", "low"),
        *("--routing", "bucket", "--fit", "reject", "-n", "2", "--format", "jpeg"),
        *("--compression", "80", "--background", "opaque", "--on-unknown", "park"),
        *("--max-cost", "1", "--deadline", "2099-01-01T00:00:00Z", "--priority", "normal"),
        *("-t", "a=b=c", "-t", "d="),
    )["plans"]
    assert plan["parameters"] == {
        "size": "1536x1024",
        "quality": "low",
        "n": 2,
        "output_format": "jpeg",
        "output_compression": 80,
        "background": "opaque",
    }
    assert (plan["calls"], plan["pictures"], plan["format"]) == (1, 2, "jpeg")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("route", "a fox", "-n", "0"), "n: 0 is too small"),
        (("route", "a fox", "-t", "tag"), "tags: 'tag' has no value; write NAME=VALUE"),
        (("route", "a fox", "--option", "seed"), "options: 'seed' has no value; write NAME=VALUE"),
        (("route", "-f", "no-such-file"), "can't be read"),
        (("route", "a fox", "--finish", "{"), "is not valid JSON"),
        (("submit", "a fox"), "set ImageStorage"),
        (("paint",), "No such command"),
    ],
)
def test_what_is_wrong_is_said_and_ends_with_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in " ".join(said(capsys, *arguments, code=2).replace("│", "").split())


def test_a_file_that_holds_no_job_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a long path would break the line
    Path("job.json").write_text("[]")
    assert "must be one job as a JSON object" in said(capsys, "route", "-f", "job.json", code=2)


def test_a_picture_that_cannot_be_read_is_told_in_a_sentence_and_a_long_name_is_a_blob(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Jobs:
        def upload(self, picture: bytes) -> str:
            raise AssertionError(picture)

        def submit(self, fields: dict[str, Any]) -> None:
            asked.append(fields)
            raise StoreUnavailable("away")

    monkeypatch.setattr(submit, "client", lambda: nullcontext(Jobs()))
    monkeypatch.chdir(tmp_path)
    for given in ("x" * 300, "a\0b"):
        assert said(capsys, "submit", "snow", "-i", given, code=3) == "away\n"
        assert asked.pop()["inputs"] == [given]

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    Path("a.png").touch()
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "a.png can't be read" in said(capsys, "submit", "snow", "--mask", "a.png", code=2)


def test_a_job_in_a_file_may_begin_with_a_byte_order_mark(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a long path would break the line
    path = Path("job.json")
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "a fox", "model": "gpt-image-2", "n": 3}')
    assert told(capsys, "route", "-f", str(path))["plans"][0]["pictures"] == 3
    path.write_bytes(b'{"prompt": "\xff"}')
    assert "is not UTF-8 text" in said(capsys, "route", "-f", str(path), code=2)


def test_errors_are_json_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    refused = json.loads(said(capsys, "route", "a fox", "-n", "0", "-q", "best", "--json", code=2))
    assert refused["error"] == "InvalidJob"
    assert [fault["field"] for fault in refused["faults"]] == ["quality", "n"]
    nowhere = json.loads(said(capsys, "status", "fox", "--json", code=2))
    assert nowhere["error"] == "Misconfigured"
    for wrong in (("paint",), ("list", "--limit", "x"), ("route", "a fox", "--nn", "2")):
        told = json.loads(said(capsys, *wrong, "--json", code=2))
        assert told["error"] == "UsageError"
        assert told["message"]


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--version").startswith("image-jobs")


def test_a_working_copy_tells_its_commit_if_git_is_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def find_nothing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(commands, "version", find_nothing)
    git = tmp_path / "git"
    git.write_text('#!/bin/sh\necho "1a2b3c4-dirty"\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    told = "image-jobs, a working copy at commit 1a2b3c4-dirty\n"
    assert said(capsys, "--version") == told
    git.unlink()
    assert said(capsys, "--version") == "image-jobs, a working copy\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (JobEnded(Status(record())), 1),
        (Rejected([Fault("", "no")]), 2),
        (InvalidJob([Fault("", "no")]), 2),
        (Misconfigured("no"), 2),
        (StoreUnavailable("no"), 3),
        (NoSuchJob("no"), 4),
        (NoSuchBlob("no"), 4),
        (StillRunning("no"), 5),
        (ImageJobsError("no"), 1),
    ],
)
def test_each_error_has_its_code(error: ImageJobsError, code: int) -> None:
    assert exit_code(error) == code


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--on-unknown" in said(capsys, "submit", "--help")


@pytest.mark.parametrize(
    ("blob", "file"),
    [
        ("fox/default/0.png", "fox/0.png"),
        ("fox/de/1.jpg", "fox/de/1.jpg"),
        ("/../fox/../../etc/0.png", "fox/etc/0.png"),
    ],
)
def test_a_file_stays_in_its_directory(blob: str, file: str) -> None:
    assert file_name(blob) == Path(file)


def test_every_option_of_a_job_goes_by_a_long_name_that_can_be_guessed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (plan,) = told(capsys, "route", "a fox", "-m", "gpt-image-2", "--n", "2")["plans"]
    assert plan["n"] == 2
    for guess, meant in (("--nn", "--n"), ("--qualty", "--quality")):
        assert meant in said(capsys, "route", "a fox", guess, "2", code=2)


@pytest.mark.parametrize(
    ("option", "begun", "words"),
    [
        ("--quality", "", {"auto", "low", "medium", "high", "xhigh", "max"}),
        ("-q", "m", {"medium", "max"}),
        ("--on-unknown", "", {"retry_once", "park", "fail"}),
        ("--priority", "l", {"low"}),
        ("--model", "gpt-image-2.5-f", {"gpt-image-2.5-flare"}),
    ],
)
def test_the_shell_completes_the_words_of_an_option(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    begun: str,
    words: set[str],
) -> None:
    monkeypatch.setenv("_IMAGE_JOBS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"image-jobs submit {option} {begun}")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert set(said(capsys).split()) == words


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ([NoSuchJob("no")], 4),
        ([StoreUnavailable("away")], 3),
        ([NoSuchJob("no"), StoreUnavailable("away")], 3),
        ([NoSuchJob("no"), InvalidJob([Fault("job_id", "no id")])], 2),
    ],
)
def test_a_status_that_storage_does_not_tell_is_no_unknown_job(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    wrong: list[ImageJobsError],
    code: int,
) -> None:
    class Jobs:
        def status_many(self, _ids: list[str]) -> list[ImageJobsError]:
            return wrong

    monkeypatch.setattr(jobs, "client", lambda: nullcontext(Jobs()))
    lines = said(capsys, "status", "fox", "owl", code=code).splitlines()
    assert sorted(lines) == sorted(map(str, wrong))


def test_an_empty_list_is_told_in_words_and_whoever_has_not_ended_is_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Jobs:
        def newest(self, **_: object) -> list[str]:
            return []

        def status_many(self, ids: list[str]) -> list[ImageJobsError]:
            return [NoSuchJob(each) for each in ids]

    monkeypatch.setattr(jobs, "client", lambda: nullcontext(Jobs()))
    assert said(capsys, "list") == "No jobs.\n"
    assert said(capsys, "watch") == "No jobs running.\n"
    assert said(capsys, "watch", "--json") == ""
    late = ("--within", "0", "--json")
    assert "2 of 2 jobs have not ended" in said(capsys, "watch", "fox", "owl", *late, code=5)
    assert "job fox has not ended" in said(capsys, "watch", "fox", *late, code=5)


def test_a_key_is_made_with_the_entry_by_which_the_app_knows_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = told(capsys, "key", "--tenant", "shop")
    assert len(made["key"]) == 43
    assert told(capsys, "key")["key"] != made["key"]
    assert made["entry"] == {"tenant": "shop", "sha256": hash_key(made["key"])}
    assert told(capsys, "key")["entry"]["operator"] is True
    assert "entry for CALLERS" in said(capsys, "key", "--tenant", "shop")
    assert "use 1 to 40 of a-z" in said(capsys, "key", "--tenant", "No Name", code=2)


def test_serving_agents_without_its_extra_names_the_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "shared.client.mcp_server", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "mcp"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    message = "the package mcp is missing: pip install 'image-jobs[mcp]'\n"
    assert said(capsys, "mcp", code=2) == message


TEMPLATED = ("submit", "--template", "a $colour fox", "--variable", "colour=red", "--dry-run")


def test_a_dry_run_shows_the_prompts_and_the_cost_and_needs_no_storage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = said(capsys, *TEMPLATED, "--model", "gpt-image-2", "--size", "1024x1024")
    assert shown.startswith("a red fox\ngpt-image-2   1024x1024   ")
    many = [part for tag in ("de", "fr", "es", "it") for part in ("--locale", tag)]
    prompts = told(capsys, *TEMPLATED, *many)["prompts"]
    assert [prompt.splitlines()[0] for prompt in prompts] == ["a red fox"] * 3
    assert "German (de)" in prompts[0]


def test_a_dry_run_of_a_wrong_template_names_each_variable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = said(capsys, *TEMPLATED, "--variable", "color=red", code=2)
    assert wrong == "variables: 'color' is not used by the template; leave it out\n"
