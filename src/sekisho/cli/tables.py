"""Tables and fact sheets as every command draws them: quiet lines, figures to the right, colours that mean something."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from sekisho.cli import figures

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

STYLES: Final = {
    "completed": "green",
    "active": "green",
    "ok": "green",
    "running": "green",
    "ready": "green",
    "failed": "red",
    "error": "red",
    "revoked": "red",
    "disabled": "red",
    "expired": "red",
    "cancelled": "yellow",
    "cooling": "yellow",
    "warning": "yellow",
    "off": "yellow",
    "info": "cyan",
}
"""The colour of a state; an unknown one has none."""


LEAST_WIDTH: Final = 12
"""Columns of the terminal below which a cell that may be cut says too little."""

GAP: Final = 3
"""Blanks between two cells."""


class Column:
    """One column: its title and how its cells lie."""

    def __init__(self, title: str, *, right: bool = False, whole: bool = False, style: str | None = None, spare: int = 0) -> None:
        self.title = title
        self.right = right
        """Figures lie to the right, and are never cut."""
        self.whole = whole
        """Never cut either: an id that is cut is none."""
        self.style = style
        self.spare = spare
        """Above 0: left out where the terminal is too narrow, the highest first."""


def state(word: object) -> "Text":
    """A state in its colour."""
    from rich.text import Text

    text = figures.clean_line(word)
    return Text(text, style=STYLES.get(text, ""))


def styled(text: str, style: str) -> "Text":
    """A text in a style; for a cell or a line of its own."""
    from rich.text import Text

    return Text(text, style=style)


def table(columns: Sequence[Column], rows: Iterable[Sequence["str | Text"]], *, within: int) -> "Table":
    """Rows under quiet headings, one line each; on a terminal of `within` columns that is too narrow, spare columns fall out."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cells = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    shown = _fitting(columns, cells, within)
    drawn = Table(box=box.SIMPLE_HEAD, header_style="bold", border_style="dim", pad_edge=False, show_edge=False)
    for number in shown:
        column = columns[number]
        whole = column.whole or column.right
        drawn.add_column(column.title, justify="right" if column.right else "left", no_wrap=whole, style=column.style)
        for row in cells:
            # Cut, not wrapped: one entry is one line. What must stay whole is folded where nothing else is left to give.
            row[number].no_wrap, row[number].overflow = not whole, "fold" if whole else "ellipsis"
    for row in cells:
        drawn.add_row(*(row[number] for number in shown))
    return drawn


def _fitting(columns: Sequence[Column], cells: Sequence[Sequence["Text"]], within: int) -> list[int]:
    """The numbers of the columns that find room."""
    shown = list(range(len(columns)))

    def least(number: int) -> int:
        widest = max((row[number].cell_len for row in cells), default=0)
        column = columns[number]
        return max(len(column.title), widest if column.whole or column.right else min(widest, LEAST_WIDTH))

    while sum(least(number) for number in shown) + GAP * (len(shown) - 1) > within:
        spare = max(shown, key=lambda number: columns[number].spare)
        if not columns[spare].spare:
            break
        shown.remove(spare)
    return shown


def facts(pairs: Iterable[tuple[str, "str | Text"]]) -> "Table":
    """Names to the left, values to the right of them; one subject, many facts."""
    from rich.table import Table

    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(style="dim", no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        drawn.add_row(name, value)
    return drawn
