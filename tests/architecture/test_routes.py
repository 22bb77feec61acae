"""The table of routes names who answers: somebody of that name does."""

import inspect
from importlib import import_module

import pytest

from local.contracts.operations import OPERATIONS, Operation
from shared.triggers.http.routes import ROUTES, Route


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_who_answers_a_route_takes_a_request_and_the_configuration(route: Route) -> None:
    answer = getattr(import_module(f"shared.triggers.http.{route.module}"), route.name)
    assert inspect.iscoroutinefunction(answer)
    assert list(inspect.signature(answer).parameters) == ["req", "configuration"]


def test_no_two_routes_have_one_name_or_one_way() -> None:
    assert len({route.name for route in ROUTES}) == len(ROUTES)
    ways = [(method, route.path) for route in ROUTES for method in route.methods]
    assert len(set(ways)) == len(ways)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_a_route_reads_what_its_contract_says(operation: Operation) -> None:
    (route,) = [route for route in ROUTES if route.name == operation.name]
    told = [each["name"] for each in operation.parameters if each["in"] == "query"]
    assert set(route.query) == set(told)
    assert route.reads_body == bool(operation.body)
    assert route.is_open or "invalid_query" in operation.problems
