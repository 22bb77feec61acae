"""The tables of the pages in docs, printed between two comments of their name."""

from collections.abc import Iterable, Mapping


def printed_tables(text: str, tables: Mapping[str, str]) -> str:
    """Return the page with its tables printed anew."""
    for name, table_text in tables.items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        text = f"{before}{start}{table_text}{end}{after}"
    return text


def table(head: str, rows: Iterable[str]) -> str:
    """Return a table; head and rows without their outer bars."""
    line = "|".join(" --- " for _ in head.split("|"))
    return "".join(f"|{row}|\n" for row in (f" {head} ", line, *rows))
