"""The command `image-jobs` as somebody at a terminal uses it, against the running stack."""

import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from local.stack.settings import DEPLOYMENTS
from shared.client.cli.main import main
from shared.limits.adaptive_rate import Quota
from shared.limits.budget import CostReservation, DayLedger
from shared.limits.circuit_breaker import Circuit
from shared.limits.pacing import start_pace
from shared.limits.pool_ledger import Ledger
from tests.acceptance.running_stack import RunningStack, running_stack
from tests.simulation.waiting import until


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack("--set", "REPLY_QUEUES=cli-replies") as stack:
        yield stack


@pytest.fixture
def terminal(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> "Terminal":
    monkeypatch.setenv("ImageStorage", stack.ready["storage"])
    monkeypatch.setenv("FOUNDRY_DEPLOYMENTS", json.dumps(DEPLOYMENTS))
    monkeypatch.setenv("FOUNDRY_ENDPOINT", stack.ready["foundry"])
    monkeypatch.setenv("FOUNDRY_API_KEY", "local-key")
    return Terminal(monkeypatch, capsys)


class Terminal:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def run(self, *arguments: str, stdin: str = "", code: int = 0) -> str:
        """What a command prints."""
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        ended = main(arguments)
        said = self._capsys.readouterr()
        assert ended == code, f"{said.out}\n{said.err}"
        return said.err if code and not said.out else said.out

    def flush(self) -> None:
        """Forget what was printed."""
        self._capsys.readouterr()

    def json(self, *arguments: str, stdin: str = "", code: int = 0) -> Any:  # noqa: ANN401 (any JSON)
        """The JSON that a command prints."""
        return json.loads(self.run(*arguments, "--json", stdin=stdin, code=code))


def test_a_picture_is_submitted_waited_for_and_fetched(terminal: Terminal, tmp_path: Path) -> None:
    said = terminal.run(
        *("submit", "a fox in the snow", "--id", "cli-1", "-m", "gpt-image-2"),
        *("-s", "1536x1024", "-q", "low", "--out", str(tmp_path)),
    )
    assert said.startswith("cli-1   gpt-image-2   1536x1024   low   ~$0.0049")
    with Image.open(tmp_path / "cli-1" / "0.png") as picture:
        assert picture.size == (1536, 1024)


def test_a_job_comes_from_a_file_or_from_stdin_and_options_go_over_it(
    terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "job.json"
    file.write_text(json.dumps({"prompt": "a fox", "size": "16:9", "n": 2}))
    receipt = terminal.json("submit", "-f", str(file), "-n", "1", "-q", "low", "--id", "cli-2")
    (plan,) = receipt["plans"]
    assert (plan["asked_size"], plan["n"], plan["quality"]) == ("16:9", 1, "low")
    again = terminal.json("submit", "-f", "-", stdin=json.dumps({"prompt": "an owl"}))
    assert terminal.json("watch", "cli-2", "--within", "60")["state"] == "succeeded"
    assert terminal.json("watch", "-", stdin=f"{again['job_id']}\n")["state"] == "succeeded"


def test_a_prompt_comes_from_stdin(terminal: Terminal, stack: RunningStack) -> None:
    terminal.json("submit", "-", "--id", "cli-3", "-q", "low", "--wait", stdin="a fox\nby night")
    assert stack.record("cli-3")["job"]["prompt"] == "a fox\nby night"


def test_status_and_get_go_by_the_id(terminal: Terminal, tmp_path: Path) -> None:
    terminal.json("submit", "a fox", "--id", "cli-4", "-q", "low", "-t", "of=us", "--wait")
    status = terminal.json("status", "cli-4")
    assert (status["state"], status["job"]["tags"]) == ("succeeded", {"of": "us"})
    assert status["cost_known_by"] == "usage"
    (file,) = terminal.json("get", "cli-4", "-o", str(tmp_path))["files"]
    assert Path(file).stat().st_size == status["images"][0]["bytes"]
    assert "✔ succeeded" in terminal.run("status", "cli-4")
    (listed,) = terminal.run("list", "-n", "1").splitlines()[1:]
    assert listed.split()[0] == "cli-4"


def test_events_of_a_reply_queue_are_printed_and_deleted(
    terminal: Terminal, stack: RunningStack
) -> None:
    stack.queues.create_queue("cli-replies")
    job = {"prompt": "a fox", "job_id": "cli-events", "quality": "low", "reply_to": "cli-replies"}
    terminal.json("submit", "-f", "-", "--wait", stdin=json.dumps(job))
    until(lambda: stack.left("cli-replies"), "an event")
    event = terminal.json("events", "cli-replies")
    assert (event["type"], event["data"]["job_id"]) == ("image.job.succeeded", "cli-events")
    assert stack.left("cli-replies") == 0
    assert "belong to its receivers" in terminal.run("events", "image-events", code=2)


def test_a_file_is_uploaded_and_edited(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "fox.png"
    Image.new("RGB", (1024, 1024), "white").save(file)
    asked = ("submit", "make it snow", "--id", "cli-9", "-m", "gpt-image-2", "-q", "low")
    done = terminal.json(*asked, "--input", str(file), "--wait")
    assert done["state"] == "succeeded"
    assert done["job"]["inputs"][0].startswith("pictures/")


def test_the_ledger_tells_what_was_spent(terminal: Terminal) -> None:
    models = ("-m", "gpt-image-1-mini", "-m", "MAI-Image-2.5")
    terminal.json("submit", "a fox", "--id", "cli-8", *models, "-q", "low", "-w")
    spent = terminal.json("status", "cli-8")["cost_usd"]
    told = terminal.json("ledger")
    assert told["pools"]["gpt-image-1-mini"]["quota_rpm"] == 600
    assert told["budget"]["cost_usd"] is None
    (day,) = [line for line in told["costs"] if line["models"] == "gpt-image-1-mini, MAI-Image-2.5"]
    assert (day["jobs"], day["pictures"]) == (1, 2)
    assert day["cost_usd"] == pytest.approx(spent)
    assert "in 7 days" in terminal.run("ledger")
    assert "in 1 day\n" in terminal.run("ledger", "--days", "1")
    report = terminal.json("ledger", "--by", "tenant,model")
    assert {"gpt-image-1-mini", "MAI-Image-2.5"} <= {each["model"] for each in report["costs"]}
    jobs = [json.loads(line) for line in terminal.run("list", "-n", "99", "--json").splitlines()]
    total = sum(job["cost_usd"] for job in jobs if job["state"] != "running")
    assert report["total"]["cost_usd"] == pytest.approx(total, abs=0.005)
    assert terminal.run("ledger", "--by", "tenant", "--csv").startswith("tenant,calls,cost_usd")


def test_the_ledger_tells_todays_budget_and_what_is_blocked(
    terminal: Terminal, stack: RunningStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    hold = CostReservation(amount=250_000, job_id="under-way", until=now + timedelta(minutes=5))
    day = DayLedger(spent=1_500_000, certain=1_250_000, held={"2": hold}, next_ticket=3)
    body = day.model_dump_json().encode()
    stack.blobs.get_blob_client("jobs", f"budget/{now.date()}.json").upload_blob(body)
    circuit = Circuit(
        reason="blocked",
        message="[red]stopped",
        opened_at=now,
        probe_at=now + timedelta(minutes=5),
    )
    pool = Ledger(pace=start_pace(Quota(60), now=now), circuits={"": circuit})
    body = pool.model_dump_json().encode()
    stack.blobs.get_blob_client("pace", "elsewhere.json").upload_blob(body)

    told = terminal.json("ledger")
    assert told["pools"]["elsewhere"]["circuits"][0]["message"] == "[red]stopped"
    budget = told["budget"]
    assert (budget["cost_usd"], budget["cost_usd_at_most"]) == (1.25, 1.5)
    assert (budget["reserved_usd"], budget["calls"]) == (0.25, 1)
    assert [each["job_id"] for each in budget["holds"]] == ["under-way"]
    assert "not known here" in terminal.run("ledger")
    monkeypatch.setenv("DAILY_BUDGET_USD", "10")
    said = terminal.run("ledger")
    for wanted in (
        "$1.2500",
        "$1.5000",
        "$0.2500",
        "$10.0000",
        "$8.2500",
        "under-way",
        "all: blocked, [red]",
    ):
        assert wanted in said, said
    doctor = terminal.run("doctor", code=1)
    assert "✘ pool elsewhere  circuit of all deployments is open, blocked: [red]stopped" in doctor
    stack.blobs.get_blob_client("pace", "elsewhere.json").delete_blob()


def test_a_dead_letter_is_listed_shown_and_purged(terminal: Terminal, stack: RunningStack) -> None:
    stack.submit({"job_id": "cli-dead", "prompt": "", "n": 11})
    stack.event("cli-dead")
    assert "n: 11 is too big" in terminal.run("why", "cli-dead")
    assert "✘ rejected" in terminal.run("watch", "cli-dead", "--within", "60", code=1)
    listed = [json.loads(line) for line in terminal.run("dead", "list", "--json").splitlines()]
    (letter,) = [each for each in listed if each["job_id"] == "cli-dead"]
    assert letter["reason"] == "invalid_job"
    assert "n: 11 is too big" in letter["why"]
    assert letter["name"] in terminal.run("dead", "list")
    day = letter["name"][:10].replace("/", "-")
    assert letter["name"] in terminal.run("dead", "list", "--day", day)
    assert terminal.run("dead", "list", "--day", "2026-01-01") == "No dead letters on these days.\n"
    assert json.loads(terminal.run("dead", "show", letter["name"]))["message_id"]
    terminal.run("dead", "purge", letter["name"])
    assert "no dead letter" in terminal.run("dead", "purge", letter["name"], code=4)


def test_a_file_of_jobs_is_checked_sent_and_followed(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "animals.csv"
    file.write_text("prompt,quality,n\na fox,low,1\nan owl,low,99\na hare,low,2\n")
    said = terminal.run("batch", str(file), code=2)
    assert "3 entries, 1 with faults" in said
    told = terminal.json("batch", str(file), "--anyway", "--wait", "--within", "90", code=1)
    counts = told["counts"]
    assert (counts["succeeded"], counts["rejected"], counts["images"]) == (2, 1, 3)
    assert "sent before" in terminal.run("batch", str(file), "--anyway", "--json", code=1)
    assert terminal.json("follow", told["batch_id"])["counts"] == counts
    assert terminal.json("follow", told["batch_id"], "--wait", code=1) == told
    assert "completed" in terminal.run("follow", told["batch_id"])
    assert "no batch 'never'" in terminal.run("follow", "never", code=4)
    file.write_text("prompt,quality\na fox,low\n")
    assert "completed" in terminal.run("batch", str(file), "--wait", "--within", "90")


def test_a_job_that_ends_without_its_picture_ends_the_command_with_1(terminal: Terminal) -> None:
    refused = "[[refuse:moderation_blocked]] a fox"
    said = terminal.run("submit", refused, "--id", "cli-5", "-q", "low", "--wait", code=1)
    assert "content_refused" in said
    assert "`image-jobs doctor`" not in terminal.run("why", "cli-5")


def test_what_is_wrong_with_a_job_is_said_before_anything_is_sent(
    terminal: Terminal, stack: RunningStack
) -> None:
    said = terminal.run("submit", "a fox", "--id", "cli-6", "-n", "11", "-q", "best", code=2)
    assert [line.partition(":")[0] for line in said.splitlines()] == ["quality", "n"]
    told = json.loads(
        terminal.run("submit", "a fox", "-s", "4000x500", "--fit", "reject", "--json", code=2)
    )
    assert told["code"] == "unsupported_request"
    assert stack.blob("jobs", "cli-6.json") is None


def test_a_job_is_cancelled_and_replayed(terminal: Terminal) -> None:
    terminal.json("submit", "a fox [[fault-once:429,5000]]", "--id", "cli-10", "-q", "low")
    until_known(terminal, "cli-10")
    assert terminal.json("cancel", "cli-10", "--reason", "no need")["state"] == "cancelled"
    assert "nothing is left" not in terminal.run("cancel", "cli-10")
    assert "only a parked job can release" in terminal.run("release", "cli-10", code=2)
    terminal.json("replay", "cli-10")
    assert terminal.json("watch", "cli-10", "--within", "60")["state"] == "succeeded"
    assert "nothing is left to cancel" in terminal.run("cancel", "cli-10", code=2)


def test_the_data_of_a_customer_is_erased_by_its_tag(
    terminal: Terminal, stack: RunningStack
) -> None:
    for job_id in ("cli-erase-1", "cli-erase-2"):
        terminal.json(
            "submit", "a fox", "--id", job_id, "-q", "low", "--tag", "customer=cli-erase", "--wait"
        )
    erased = terminal.json("erase", "cli-erase-1")
    assert erased["erased"]["receivers"][0] == "image-events"
    assert "images/cli-erase-1/default/0.png" in erased["erased"]["deleted"]
    assert stack.blob("images", "cli-erase-1/default/0.png") is None
    assert erased["cost_usd"] > 0
    said = terminal.run("erase", "--tag", "customer:cli-erase", "--yes")
    assert "cli-erase-2 is erased" in said
    assert "cli-erase-1" not in said  # it has no tag any more
    assert "No jobs to erase" in terminal.run("erase", "--tag", "customer:cli-erase", "--yes")
    assert "is erased" in terminal.run("replay", "cli-erase-1", code=2)


def until_known(terminal: Terminal, job_id: str) -> None:
    until(lambda: main(["status", job_id, "--json"]) == 0, f"record of {job_id}")
    terminal.flush()


def test_an_unknown_job_ends_with_4_and_a_long_one_with_5(terminal: Terminal) -> None:
    assert "never-sent" in terminal.run("status", "never-sent", code=4)
    terminal.json("submit", "a fox [[fault-once:slow-headers,2]]", "--id", "cli-7", "-q", "low")
    said = terminal.run("watch", "cli-7", "--within", "0.2", "--json", code=5)
    assert "job cli-7 has not ended within 0.2 s" in said
    assert terminal.json("watch", "cli-7", "--within", "60")["state"] == "succeeded"


def test_the_doctor_finds_all_well_and_what_is_missing(
    terminal: Terminal, stack: RunningStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "✔ sending to image-jobs" in terminal.run("doctor", "--send")
    assert stack.left("image-jobs") == 0
    monkeypatch.setenv("TASKS_QUEUE", "no-such-queue")
    monkeypatch.setenv("FOUNDRY_ENDPOINT", "http://127.0.0.1:9")
    said = terminal.run("doctor", code=1)
    assert "✘ queue no-such-queue" in said
    assert "✘ endpoint http://127.0.0.1:9" in said


def test_a_file_with_one_template_is_shown_before_it_is_made(
    stack: RunningStack, terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "animals.csv"
    file.write_text(
        "prompt_template,job_id,variable_animal,quality\n"
        '"a $animal, in the snow",templated-fox,fox,low\n'
        ",templated-hare,hare,low\n"
    )
    shown = terminal.run("batch", str(file), "--dry-run")
    assert shown.startswith("a fox, in the snow\na hare, in the snow\n2 entries, 0 with faults, ~$")
    terminal.json("batch", str(file), "--wait", "--within", "90")
    prompts = [stack.record(f"templated-{animal}")["job"]["prompt"] for animal in ("fox", "hare")]
    assert prompts == ["a fox, in the snow", "a hare, in the snow"]


def test_a_file_names_its_tenant_once(
    stack: RunningStack, terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "shop.csv"
    file.write_text("prompt,job_id,quality\na fox,shop-fox,low\n")
    assert "'No Name' is not" in terminal.run("batch", str(file), "--tenant", "No Name", code=2)
    told = terminal.json("batch", str(file), "--tenant", "shop", "--wait", "--within", "90")
    assert told["manifest"]["name"].startswith("tenants/shop/client/")
    assert stack.record("shop-fox")["job"]["tenant"] == "shop"
    assert terminal.json("list", "--tenant", "shop")["job_id"] == "shop-fox"
