"""What callers rely on: the names there are, and two clients that do the same."""

import inspect
from collections.abc import Callable

import pytest

import shared.client
from shared.client import AsyncImageJobs, ImageJobs, Misconfigured
from shared.client.clients import Operator
from shared.client.operators import AsyncOperator

#: Writing files blocks, so the asynchronous client leaves that to its caller.
BLOCKING = {"save"}


def methods(kind: type) -> dict[str, Callable[..., object]]:
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name: method for name, method in found if not name.startswith("_")}


def test_the_public_names_are_these() -> None:
    assert sorted(shared.client.__all__) == [
        "AsyncImageJobs",
        "ConflictingJob",
        "DamagedPicture",
        "DeadLetter",
        "Event",
        "Fault",
        "IllegalStep",
        "Image",
        "ImageJobs",
        "ImageJobsError",
        "IndexEntry",
        "InvalidJob",
        "Job",
        "JobEnded",
        "JobState",
        "Misconfigured",
        "NoSuchBlob",
        "NoSuchJob",
        "NotAMessage",
        "NotSubmitted",
        "Quote",
        "Receipt",
        "Rejected",
        "Status",
        "StillRunning",
        "StoreUnavailable",
        "UnsupportedRequest",
    ]


SIDES = pytest.mark.parametrize(
    ("side", "other_side"), [(ImageJobs, AsyncImageJobs), (Operator, AsyncOperator)]
)


@SIDES
def test_both_clients_do_the_same(side: type, other_side: type) -> None:
    one, other = methods(side), methods(other_side)
    assert set(one) - BLOCKING == set(other)
    for name, method in other.items():
        assert inspect.signature(method).parameters == inspect.signature(one[name]).parameters


@SIDES
def test_both_clients_say_the_same(side: type, other_side: type) -> None:
    for name, method in methods(other_side).items():
        assert inspect.getdoc(method) == inspect.getdoc(methods(side)[name])


def test_an_address_that_is_none_is_told_without_its_key() -> None:
    with pytest.raises(Misconfigured, match="not the connection string") as refused:
        ImageJobs(connection_string="AccountName=a;AccountKey", environ={})
    assert "AccountKey" not in str(refused.value)


async def test_a_client_is_made_without_a_loop_or_a_network_and_closed() -> None:
    url = {"ImageStorage__queueServiceUri": "https://a.example", "X": ""}
    url["ImageStorage__blobServiceUri"] = "https://b.example"
    ImageJobs(environ=url).close()
    await AsyncImageJobs(environ=url).close()
