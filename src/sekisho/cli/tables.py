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


class Column:
    """One column: its title and how its cells lie. `whole` cells are never cut (an id that is cut is none)."""

    def __init__(self, title: str, *, right: bool = False, whole: bool = False, style: str | None = None) -> None:
        self.title = title
        self.right = right
        self.whole = whole
        self.style = style


def state(word: object) -> "Text":
    """A state in its colour."""
    from rich.text import Text

    text = figures.clean_line(word)
    return Text(text, style=STYLES.get(text, ""))


def styled(text: str, style: str) -> "Text":
    """A text in a style; for a cell or a line of its own."""
    from rich.text import Text

    return Text(text, style=style)


def table(columns: Sequence[Column], rows: Iterable[Sequence["str | Text"]]) -> "Table":
    """Rows under quiet headings."""
    from rich import box
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, header_style="bold", border_style="dim", pad_edge=False, show_edge=False)
    for column in columns:
        drawn.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=column.whole or column.right,
            overflow="fold" if column.whole else "ellipsis",
            style=column.style,
        )
    for row in rows:
        drawn.add_row(*row)
    return drawn


def facts(pairs: Iterable[tuple[str, "str | Text"]]) -> "Table":
    """Names to the left, values to the right of them; one subject, many facts."""
    from rich.table import Table

    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(style="dim", no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        drawn.add_row(name, value)
    return drawn
