"""Tables on terminals of any width: ids and figures whole, one entry on one line."""

import io

import pytest
from rich.console import Console

from sekisho.cli import tables

COLUMNS = (
    tables.Column("id", whole=True),
    tables.Column("model"),
    tables.Column("key", spare=2),
    tables.Column("cost", right=True, spare=1),
    tables.Column("took", right=True),
)
ROWS = [
    ("call-0001", "provider/model-with-a-long-name-2026", "the key of a department", "$0.0002187", "1.24 s"),
    ("call-0002", "up/x", "k", "–", "12 ms"),
]


def drawn(width: int) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, markup=False, highlight=False)
    console.print(tables.table(COLUMNS, ROWS, within=console.width))
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (200, ["id", "model", "key", "cost", "took"]),
        (64, ["id", "model", "key", "cost", "took"]),
        (56, ["id", "model", "cost", "took"]),
        (36, ["id", "model", "took"]),
    ],
)
def test_spare_columns_fall_out_and_the_rest_is_one_line_each(width: int, heads: list[str]) -> None:
    lines = drawn(width)
    assert lines[0].split() == heads
    assert len(lines) == 4
    assert all(len(line) <= width for line in lines)
    assert lines[2].startswith("call-0001")
    assert lines[2].endswith("1.24 s")
    assert ("…" in lines[2]) == (width < 100)


def test_markup_in_a_cell_is_text() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=80, markup=False)
    console.print(tables.table((tables.Column("id"),), [("[red]x[/red]",)], within=80))
    console.print(tables.facts([("name", "[link=http://a]x[/link]")]))
    assert "[red]x[/red]" in stream.getvalue()
    assert "[link=http://a]x[/link]" in stream.getvalue()
