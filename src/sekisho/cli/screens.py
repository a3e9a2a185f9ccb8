"""Where a command's words go: the result to stdout, all else to stderr, in the format that was chosen.

JSON is one envelope, `{"version":"1.0","data":...}` on stdout or `{"error":{"code","message"}}` on stderr, which then carries no other
words of ours: a program can read both. Text is for people: tables and colours where a terminal shows them, plain where not.
"""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

from sekisho.cli import figures
from sekisho.cli.failures import CommandError

if TYPE_CHECKING:
    from rich.console import Console

Format = Literal["text", "json"]
FORMATS: Final = ("text", "json")

PIPE_WIDTH: Final = 500
"""Columns where no terminal tells its own: wide enough that no cell is cut in a file."""

Draw = Callable[["Console"], None]
"""Writes the text form of a result."""


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at the stream; a closed one is none."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def encode(document: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """JSON that stays on one line and moves no cursor: control and direction marks inside texts are escaped."""
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent, separators=None if indent else (",", ":"))
    return text if not figures.UNSAFE.search(text) else figures.UNSAFE.sub(figures.escape, text)


def _is_utf8(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"


class Screen:
    """The two streams of one command."""

    def __init__(self, wanted: Format | None, *, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        for stream in (self._out, self._err):
            if isinstance(stream, io.TextIOWrapper) and not _is_utf8(stream):
                stream.reconfigure(errors="replace")  # a mark that the terminal cannot show ends no command
        self.format: Format = wanted or ("text" if is_terminal(self._out) else "json")

    @property
    def is_text(self) -> bool:
        """Whether people are meant to read it."""
        return self.format == "text"

    def result(self, data: Any, draw: Draw) -> None:
        """Print what the command came for: the envelope, or the drawing of it."""
        if self.is_text:
            draw(self.console())
        else:
            self._envelope(data, indent=2 if is_terminal(self._out) else None)

    def line(self, data: Any, draw: Draw) -> None:
        """One of many results that come over time: in JSON each is a line of its own."""
        if self.is_text:
            draw(self.console())
        else:
            self._envelope(data)

    def stream(self, text: str) -> None:
        """A piece of text that is not a line yet; unsafe characters are spelled out."""
        self._out.write(figures.UNSAFE.sub(figures.escape, text))
        self._out.flush()

    def raw(self, text: str) -> None:
        """A piece of an export: as it is for a program, with unsafe characters spelled out where a person looks at it."""
        shown = figures.UNSAFE.sub(figures.escape, text.replace("\r\n", "\n")) if is_terminal(self._out) else text
        self._out.write(shown)

    def _envelope(self, data: Any, indent: int | None = None) -> None:
        document = {"version": "1.0", "data": data}
        self._out.write(encode(document, indent=indent, ascii_only=not _is_utf8(self._out)) + "\n")
        self._out.flush()

    def note(self, text: str, style: str = "") -> None:
        """A remark for people, on stderr; programs are spared it."""
        if self.is_text:
            self.console(err=True).print(figures.clean(text), style=style, soft_wrap=True)

    def warn(self, warnings: list[str] | tuple[str, ...]) -> None:
        """Warnings for people, on stderr; in JSON they stand in the data."""
        for each in warnings:
            self.note(f"warning: {each}", style="yellow")

    def failure(self, failure: CommandError) -> None:
        """The error, on stderr, in the chosen format."""
        if self.is_text:
            from rich.text import Text

            self.console(err=True).print(Text.assemble(("error: ", "bold red"), figures.clean(failure.message)), soft_wrap=True)
        else:
            document = {"error": {"code": failure.code, "message": failure.message}}
            self._err.write(encode(document, ascii_only=not _is_utf8(self._err)) + "\n")
            self._err.flush()

    def console(self, *, err: bool = False) -> "Console":
        """A drawing surface that takes no markup from texts and colours only a terminal (and not under NO_COLOR)."""
        from rich.console import Console

        stream = self._err if err else self._out
        width = None if is_terminal(stream) else PIPE_WIDTH
        return Console(file=stream, markup=False, highlight=False, emoji=False, width=width)

    @contextmanager
    def working(self, label: str) -> Iterator[None]:
        """Shows on a terminal's stderr that something takes its time, and for how long; leaves no trace."""
        if not self.is_text or not is_terminal(self._err):
            yield
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=self.console(err=True), transient=True) as progress:
            progress.add_task(figures.clean_line(label), total=None)
            yield

    @contextmanager
    def advancing(self, label: str) -> Iterator[Callable[[int, int], None]]:
        """The same where it is known how much there is to do: a bar, moved by calling with what is done and the whole."""
        if not self.is_text or not is_terminal(self._err):
            yield lambda done, total: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console(err=True), transient=True) as progress:
            task = progress.add_task(figures.clean_line(label), total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
