import json
import random
from pathlib import Path

import pytest

from local.host.configuration import (
    Connection,
    Misconfigured,
    connection,
    is_disabled,
    read_host_json,
    resolve,
    seconds_of,
)
from local.host.queues import Backoff, whole
from local.stack.settings import QUEUES, settings


def host_json(directory: Path, **members: object) -> Path:
    (directory / "host.json").write_text(json.dumps({"version": "2.0"} | members))
    return directory


def test_a_name_in_percent_signs_is_an_app_setting() -> None:
    assert resolve("%A%-jobs-%B%", {"A": "x", "B": "y"}) == "x-jobs-y"
    with pytest.raises(Misconfigured, match="'%A%' does not resolve"):
        resolve("%A%", {})


def test_an_exact_setting_wins_over_a_service_uri() -> None:
    uri = {"Jobs__queueServiceUri": "https://q", "Jobs__clientId": "me"}
    assert connection("Jobs", uri) == Connection(queue_url="https://q", client_id="me")
    assert connection("Jobs", uri | {"Jobs": "text"}) == Connection(connection_string="text")
    assert connection("", {"AzureWebJobsStorage": "text"}).connection_string == "text"


def test_an_account_name_gives_both_urls() -> None:
    found = connection("", {"AzureWebJobsStorage__accountName": "acc"})
    assert found.queue_url == "https://acc.queue.core.windows.net"
    assert found.blob_url == "https://acc.blob.core.windows.net"


def test_a_connection_without_a_setting_is_refused() -> None:
    with pytest.raises(Misconfigured, match="Jobs__queueServiceUri"):
        connection("Jobs", {})


def test_a_setting_stops_a_function() -> None:
    assert is_disabled("tick", {"AzureWebJobs.tick.Disabled": "true"})
    assert is_disabled("tick", {"AzureWebJobs__tick__Disabled": "1"})
    assert not is_disabled("tick", {"AzureWebJobs.tick.Disabled": "false"})


def test_host_json_has_the_defaults_of_azure(tmp_path: Path) -> None:
    options = read_host_json(host_json(tmp_path), {})
    assert (options.queues.batch_size, options.queues.new_batch_threshold) == (16, 8)
    assert (options.queues.max_dequeue_count, options.queues.encoding) == (5, "base64")
    assert (options.route_prefix, options.timeout) == ("api", 1800.0)


def test_host_json_is_read_and_validated(tmp_path: Path) -> None:
    queues = {"batchSize": 4, "newBatchThreshold": 0, "visibilityTimeout": "00:00:30"}
    directory = host_json(tmp_path, functionTimeout="-1", extensions={"queues": queues})
    options = read_host_json(directory, {})
    assert options.timeout is None
    assert (options.queues.new_batch_threshold, options.queues.visibility_timeout) == (0, 30.0)
    with pytest.raises(Misconfigured, match="batchSize 33"):
        read_host_json(host_json(tmp_path, extensions={"queues": {"batchSize": 33}}), {})


def test_an_app_setting_wins_over_host_json(tmp_path: Path) -> None:
    directory = host_json(tmp_path, extensions={"queues": {"batchSize": 4}})
    prefix = "AzureFunctionsJobHost__extensions__queues__"
    settings = {f"{prefix}batchSize": "2", f"{prefix}visibilityTimeout": "00:00:02"}
    queues = read_host_json(directory, settings).queues
    assert (queues.batch_size, queues.visibility_timeout) == (2, 2.0)


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:00:30", 30), ("01:00:00", 3600), ("7.00:00:00", 604_800)]
)
def test_a_time_span_is_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("seed", range(20))
def test_polling_slows_down_to_the_longest_interval(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", random.Random(seed).uniform)  # noqa: S311 (no secret)
    backoff = Backoff(2.0)
    waits = [backoff.next() for _ in range(12)]
    assert waits[0] == 0.1
    assert waits[-1] == 2.0
    assert waits == sorted(waits)
    backoff.reset()
    assert backoff.next() == 0.1


def test_storage_is_asked_for_whole_seconds() -> None:
    assert [whole(0), whole(0.2), whole(1), whole(1.5)] == [0, 1, 1, 2]


def test_the_laptop_sets_what_the_app_needs() -> None:
    given = settings("storage", "http://127.0.0.1:1")
    assert given["ImageStorage"] == given["AzureWebJobsStorage"] == "storage"
    assert "gpt-image-2" in {each["name"] for each in json.loads(given["FOUNDRY_DEPLOYMENTS"])}
    assert {"image-jobs", "image-tasks-poison", "image-events"} <= set(QUEUES)
