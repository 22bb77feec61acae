"""A row of CSV becomes a job message, one field a column."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.batches.csv_rows import (
    find_delimiter,
    read_columns,
    read_separator,
    row_message,
    split_row,
)
from shared.errors import InvalidJob


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [("prompt", ","), ("prompt,n;size,seed", ","), ("prompt;n", ";"), ("prompt\tn", "\t")],
)
def test_the_delimiter_is_what_the_header_holds_most_of(header: str, delimiter: str) -> None:
    assert find_delimiter(header.encode()) == delimiter


def cells_of(row: str, delimiter: str = ",") -> list[str]:
    found = split_row(row.encode(), delimiter, len(row.encode()), is_last=True)
    assert found is not None
    assert found[1] == len(row.encode())
    return [cell.decode() for cell in found[0]]


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ('"a, ""b""\nc",2', ['a, "b"\nc', "2"]),
        ("", [""]),
        ("a,,\r\n", ["a", "", ""]),
        ('a 6" ruler,"x"\r', ['a 6" ruler', "x"]),
        ('"",""\n', ["", ""]),
        (' "a" ,b', [' "a" ', "b"]),
    ],
)
def test_a_quote_opens_a_cell_only_at_its_start(row: str, cells: list[str]) -> None:
    assert cells_of(row) == cells


@given(
    st.lists(st.text(st.sampled_from('a",;\t\r\n ü狐')), min_size=2, max_size=6),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_whatever_the_csv_module_writes_is_read(cells: list[str], delimiter: str, end: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerow(cells)
    assert cells_of(out.getvalue(), delimiter) == cells


@pytest.mark.parametrize(
    ("row", "says"), [('"a" b,2', "text follows a closing quote"), ('a,"b', "never closed")]
)
def test_wrong_quotes_are_told(row: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        cells_of(row)


def test_a_row_that_may_go_on_is_not_a_row_yet() -> None:
    for row in (b"a,b", b'a,"b\n', b'a,"b"', b"a,"):
        assert split_row(row, ",", len(row), is_last=False) is None


def test_excel_names_the_separator_above_the_header() -> None:
    assert read_separator(b"sep=;\r\n") == ";"
    assert read_separator(b'"sep=\t"\n') == "\t"
    assert read_separator(b"prompt;n") is None
    with pytest.raises(ValueError, match=r"sep=\| is not supported"):
        read_separator(b"sep=|")


def test_columns_without_names_at_the_end_are_left_out_and_others_must_be_empty() -> None:
    assert read_columns(["prompt", "", "n", " ", ""]) == ("prompt", "", "n")
    assert json.loads(row_message(["prompt", "", "n"], ["a", "", "2", "", ""])) == {
        "prompt": "a",
        "n": 2,
    }
    with pytest.raises(ValueError, match="cell 2 has a value, and its column has no name"):
        row_message(["prompt", "", "n"], ["a", "x", "2"])


def test_a_message_about_many_columns_names_a_few() -> None:
    with pytest.raises(ValueError, match="'x4' and 95 more; a column is one of"):
        read_columns([f"x{nth}" for nth in range(100)])
    with pytest.raises(ValueError, match="there are 257 columns; at most 256"):
        read_columns([f"tag_x{nth}" for nth in range(257)])


def test_columns_are_fields_in_any_case_and_tags_in_their_own() -> None:
    assert read_columns([" Prompt", "N", "tag_Campaign"]) == ("prompt", "n", "tag_Campaign")


@pytest.mark.parametrize("columns", [["promt"], ["tags"], ["tag_"], ["n", "N"]])
def test_a_column_that_is_not_a_field_or_comes_twice_is_a_fault(columns: list[str]) -> None:
    with pytest.raises(ValueError, match="called"):
        read_columns(columns)


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("prompt", " a fox ", " a fox "),
        ("n", " 3 ", 3),
        ("n", "three", "three"),
        ("n", "2.0", 2),
        ("n", "2.5", 2.5),
        ("compression", "90.", 90),
        ("n", "1_0", "1_0"),
        ("n", "٣", "٣"),
        ("max_cost_usd", "0.5", 0.5),
        ("max_cost_usd", "0.15000000000000002", 0.15000000000000002),
        ("max_cost_usd", "1e-05", 1e-05),
        ("max_cost_usd", "1e5", "1e5"),
        ("size", "2k", "2k"),
        ("size", "2k | 4k 16:9", ["2k", "4k 16:9"]),
        ("locales", "de", ["de"]),
        ("finish", '{"size": "1x2"}', {"size": "1x2"}),
    ],
)
def test_a_cell_becomes_what_its_field_holds(column: str, cell: str, value: object) -> None:
    assert json.loads(row_message([column], [cell])) == {column: value}


def test_a_decimal_comma_is_read_where_semicolons_or_tabs_divide() -> None:
    for cell, value in [("0,25", 0.25), ("2,0", 2), ("1.5", 1.5)]:
        assert json.loads(row_message(["max_cost_usd"], [cell], ";")) == {"max_cost_usd": value}
    assert json.loads(row_message(["max_cost_usd"], ["0,25"])) == {"max_cost_usd": "0,25"}


@pytest.mark.parametrize(
    ("cell", "says"), [("{no json", "finish: is not valid JSON"), ("[" * 10_000, "too deeply")]
)
def test_a_cell_of_json_that_is_none_is_a_fault_of_its_row(cell: str, says: str) -> None:
    with pytest.raises(InvalidJob, match=says):
        row_message(["finish"], [cell])


def test_names_that_a_cell_of_json_has_twice_are_kept_for_the_reader() -> None:
    assert b'{"a": 1, "a": 2}' in row_message(["finish"], ['{"a": 1, "a": 2}'])


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
    with pytest.raises(ValueError, match="the row has 1 cell and the header 2"):
        row_message(["prompt", "n"], ["a fox"])


def test_a_column_is_a_variable_of_the_template_and_keeps_its_text() -> None:
    columns = read_columns(["Template", "variable_colour", "variable_n"])
    assert columns == ("template", "variable_colour", "variable_n")
    message = json.loads(row_message(columns, [" $colour $n ", " red ", "2.0"]))
    assert message == {"template": " $colour $n ", "variables": {"colour": "red", "n": "2.0"}}


def test_the_template_of_a_row_above_is_used_until_a_row_has_its_own() -> None:
    columns = read_columns(["prompt_template", "variable_x"])
    above = json.loads(row_message(columns, ["", "1"], template="a $x"))
    assert above == {"template": "a $x", "variables": {"x": "1"}}
    own = json.loads(row_message(columns, ["an $x", "1"], template="a $x"))
    assert own["template"] == "an $x"


def test_a_file_has_one_kind_of_template_column() -> None:
    with pytest.raises(ValueError, match="'template' and 'prompt_template'; use one"):
        read_columns(["template", "prompt_template"])


def test_the_variables_have_no_column_together() -> None:
    with pytest.raises(ValueError, match="no field of a job is called 'variables'"):
        read_columns(["template", "variables"])
