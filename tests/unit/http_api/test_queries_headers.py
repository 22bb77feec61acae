import pytest

from shared.http_api.queries import ByteRange, is_json, matches_version, read_byte_range


@pytest.mark.parametrize(
    ("content_type", "taken"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/cloudevents+json", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("", False),
        (None, False),
    ],
)
def test_a_body_must_say_that_it_is_json(content_type: str | None, taken: bool) -> None:  # noqa: FBT001 (a table's column)
    assert is_json(content_type) is taken


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ('"v1"', True),
        ('W/"v1"', True),
        ('"v0", "v1"', True),
        ("*", True),
        ('"v10"', False),
        ("v1", False),
        ("", False),
        (None, False),
    ],
)
def test_a_caller_has_a_version_if_it_names_it(header: str | None, known: bool) -> None:  # noqa: FBT001 (a table's column)
    assert matches_version(header, '"v1"') is known


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-", ByteRange(0, None)),
        ("bytes=5-9", ByteRange(5, 9)),
        ("bytes=5-5", ByteRange(5, 5)),
        ("bytes=9-5", None),
        ("bytes=-5", None),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        (f"bytes={'9' * 16}-", None),
        ("", None),
        (None, None),
    ],
)
def test_a_range_of_one_part_is_read_and_any_other_passed_over(
    header: str | None, wanted: ByteRange | None
) -> None:
    assert read_byte_range(header) == wanted
