"""Tables in the pages of docs, each between two comments with its name."""

from collections.abc import Iterable, Mapping


def printed_tables(text: str, tables: Mapping[str, str]) -> str:
    """Return the page with new tables."""
    for name, table_text in tables.items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        text = f"{before}{start}{table_text}{end}{after}"
    return text


def table(head: str, rows: Iterable[str]) -> str:
    """Return a table from head and rows without their outer bars."""
    line = "|".join(" --- " for _ in head.split("|"))
    return "".join(f"|{row}|\n" for row in (f" {head} ", line, *rows))
