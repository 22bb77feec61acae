"""Deployments as an operator writes them."""

import re

import pytest
from pydantic import ValidationError

from shared.catalogue.deployments import Deployment


def test_a_name_is_all_that_is_needed() -> None:
    made = Deployment(name="gpt-image-2")
    assert (made.model, made.endpoint, made.rpm, made.pool) == ("", "", None, "")


@pytest.mark.parametrize(
    "endpoint", ["", "https://res.example", "http://127.0.0.1:9000", "http://localhost:9000"]
)
def test_an_endpoint_is_https_or_on_this_machine(endpoint: str) -> None:
    assert Deployment(name="a", endpoint=endpoint).endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint", ["http://res.example", "res.example", "ftp://res.example", "https://",
                 "http://localhost.res.example", "https://me@res.example", "https://[::1",
                 "https://res.example:99999", "https://res.example#part", "https://res example"],
)  # fmt: skip
def test_an_endpoint_without_tls_or_a_plain_host_is_refused_by_its_name(endpoint: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(f"'{endpoint}' is no")):
        Deployment(name="a", endpoint=endpoint)


def test_slashes_at_the_end_of_an_endpoint_do_not_matter() -> None:
    assert Deployment(name="a", endpoint="https://res.example//").endpoint == "https://res.example"


@pytest.mark.parametrize("host", ["pictures.example", "*.example.net", "a-b.c1.example"])
def test_a_host_of_pictures_has_two_labels_or_a_pattern_before_them(host: str) -> None:
    assert Deployment(name="a", picture_hosts=(host,)).picture_hosts == (host,)


@pytest.mark.parametrize(
    "host", ["", "*", "localhost", "*.", "*.net/", "a.*.net", "https://a.example", "A.example",
             "127.0.0.1", "a.example:443"],
)  # fmt: skip
def test_what_is_no_host_or_matches_too_much_is_refused(host: str) -> None:
    with pytest.raises(ValidationError, match=r"write 'pictures\.example' or '\*\.example\.net'"):
        Deployment(name="a", picture_hosts=("pictures.example", host))


@pytest.mark.parametrize(
    "fields", [{"name": ""}, {"name": "-a"}, {"name": "a" * 65}, {"rpm": 0}, {"rpm": 100_001},
               {"pool": "-"}, {"url": "v2"}, {"colour": "red"}],
)  # fmt: skip
def test_a_field_out_of_its_bounds_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refused:
        Deployment.model_validate({"name": "a"} | fields)
    assert [str(fault["loc"][0]) for fault in refused.value.errors()] == [*fields]
