"""A row of CSV becomes a job message, one field a column."""

import json

import pytest

from shared.batches.csv_rows import find_delimiter, read_columns, row_message, split_cells


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [("prompt", ","), ("prompt,n;size,seed", ","), ("prompt;n", ";"), ("prompt\tn", "\t")],
)
def test_the_delimiter_is_what_the_header_holds_most_of(header: str, delimiter: str) -> None:
    assert find_delimiter(header) == delimiter


def test_a_quoted_cell_may_hold_delimiters_quotes_and_line_breaks() -> None:
    assert split_cells('"a, ""b""\nc",2', ",") == ['a, "b"\nc', "2"]
    assert split_cells("", ",") == []
    with pytest.raises(ValueError, match="not valid CSV"):
        split_cells('"a" b,2', ",")


def test_columns_are_fields_in_any_case_and_tags_in_their_own() -> None:
    assert read_columns([" Prompt", "N", "tag_Campaign"]) == ("prompt", "n", "tag_Campaign")


@pytest.mark.parametrize("columns", [["promt"], ["prompt", ""], ["tags"], ["tag_"], ["n", "N"]])
def test_a_column_that_is_not_a_field_or_comes_twice_is_a_fault(columns: list[str]) -> None:
    with pytest.raises(ValueError, match="called"):
        read_columns(columns)


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("prompt", " a fox ", " a fox "),
        ("n", " 3 ", 3),
        ("n", "three", "three"),
        ("max_cost_usd", "0.5", 0.5),
        ("size", "2k", "2k"),
        ("size", "2k | 4k 16:9", ["2k", "4k 16:9"]),
        ("locales", "de", ["de"]),
        ("finish", '{"size": "1x2"}', {"size": "1x2"}),
        ("finish", "{no json", "{no json"),
    ],
)
def test_a_cell_becomes_what_its_field_holds(column: str, cell: str, value: object) -> None:
    assert json.loads(row_message([column], [cell])) == {column: value}


def test_an_empty_cell_leaves_its_field_out_and_a_tag_is_a_column_of_its_own() -> None:
    row = row_message(["prompt", "n", "tag_a", "tag_b"], ["a fox", " ", "1", "x"])
    assert json.loads(row) == {"prompt": "a fox", "tags": {"a": "1", "b": "x"}}


def test_an_option_is_a_column_of_its_own_or_all_are_one_of_json() -> None:
    columns = read_columns(["prompt", "option_seed", "option_moderation", "option_web_grounding"])
    row = row_message(columns, ["a fox", "42", "low", "true"])
    assert json.loads(row)["options"] == {"seed": 42, "moderation": "low", "web_grounding": True}
    assert json.loads(row_message(["options"], ['{"seed": 1}'])) == {"options": {"seed": 1}}
    with pytest.raises(ValueError, match="use one"):
        read_columns(["options", "option_seed"])


def test_a_row_has_a_cell_for_each_column() -> None:
    with pytest.raises(ValueError, match="the row has 1 cells and the header 2"):
        row_message(["prompt", "n"], ["a fox"])
