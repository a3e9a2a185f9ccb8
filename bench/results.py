"""What a run found, in one form: printed as a table, kept as JSON (all readings) and as text (the table)."""

import dataclasses
import enum
import json
import statistics
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text


class Verdict(enum.StrEnum):
    """How a row stands to its budget."""

    GOAL = "goal met"
    MUST = "must met"
    SHORT = "SHORT OF MUST"
    NONE = "no budget"
    FAILED = "NOT MEASURED"
    OPEN = "limit not reached"
    NOT_BUILT = "not built yet"


STYLES: Final = {
    Verdict.GOAL: "green",
    Verdict.MUST: "yellow",
    Verdict.SHORT: "bold red",
    Verdict.NONE: "dim",
    Verdict.FAILED: "bold red",
    Verdict.OPEN: "yellow",
    Verdict.NOT_BUILT: "dim",
}


@dataclass(frozen=True)
class Budget:
    """The two bounds of a row, in the row's unit or, with `ratio`, as a multiple of nginx's figure."""

    goal: float
    must: float
    ratio: bool = False
    more_is_better: bool = False

    def judge(self, value: float) -> Verdict:
        if self.more_is_better:
            return Verdict.GOAL if value >= self.goal else Verdict.MUST if value >= self.must else Verdict.SHORT
        return Verdict.GOAL if value <= self.goal else Verdict.MUST if value <= self.must else Verdict.SHORT


@dataclass(frozen=True)
class Row:
    """One line of the table. Readings are one per alternation, in `unit`; `floor` is nginx, or direct where `floor_name` says so."""

    name: str
    title: str
    unit: str = ""
    ours: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    floor_name: str = "nginx"
    budget: Budget | None = None
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    missing: str = ""
    """Why there are no readings; empty where there are."""
    at_least: bool = False
    """The load was not enough to find the limit: the readings are lower bounds, which can meet a budget and cannot miss it."""
    built: bool = True

    @property
    def value(self) -> float | None:
        return statistics.median(self.ours) if self.ours else None

    @property
    def floor_value(self) -> float | None:
        return statistics.median(self.floor) if self.floor else None

    @property
    def ratio(self) -> float | None:
        """Our median over the floor's; None where there is no floor."""
        if self.value is None or not self.floor_value:
            return None
        return self.value / self.floor_value

    @property
    def verdict(self) -> Verdict:
        if not self.built:
            return Verdict.NOT_BUILT
        judged = self.ratio if self.budget is not None and self.budget.ratio else self.value
        if judged is None:
            return Verdict.FAILED
        if self.budget is None:
            return Verdict.NONE
        verdict = self.budget.judge(judged)
        return Verdict.OPEN if self.at_least and verdict is Verdict.SHORT else verdict

    def document(self) -> dict[str, Any]:
        """The row for the JSON file."""
        return {
            **dataclasses.asdict(self),
            "median": self.value,
            "floor_median": self.floor_value,
            "ratio": self.ratio,
            "verdict": self.verdict.value,
        }


def figure(value: float | None) -> str:
    """Three significant digits, whole above a hundred."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def bound(budget: Budget | None, value: float | None) -> str:
    if budget is None or value is None:
        return "–"
    return f"{value:g}×" if budget.ratio else f"{'≥' if budget.more_is_better else '≤'} {value:,g}"


@dataclass(frozen=True)
class Report:
    """One run of the bench."""

    date: str
    commit: str
    machine: dict[str, str]
    settings: dict[str, Any]
    warnings: list[str]
    rows: list[Row]

    def render(self) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("row", no_wrap=True)
        table.add_column("what", ratio=1)
        for name in ("Sekisho", "beside it", "ratio", "goal", "must"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
        for row in self.rows:
            verdict = row.verdict
            beside = f"{figure(row.floor_value)} ({row.floor_name})" if row.floor else "–"
            table.add_row(
                row.name,
                f"{row.title}, {row.unit}" if row.unit else row.title,
                f"> {figure(row.value)}" if row.at_least else figure(row.value),
                beside,
                f"{row.ratio:.2f}×" if row.ratio else "–",
                bound(row.budget, row.budget.goal if row.budget else None),
                bound(row.budget, row.budget.must if row.budget else None),
                Text(verdict.value, style=STYLES[verdict]),
            )
        lines = [Text(f"Sekisho bench · {self.date} · commit {self.commit}", style="bold")]
        lines.append(Text(" · ".join(f"{name} {value}" for name, value in self.machine.items()), style="dim"))
        lines.append(Text(" · ".join(f"{name} {value}" for name, value in self.settings.items()), style="dim"))
        lines += [Text(f"warning: {warning}", style="bold yellow") for warning in self.warnings]
        notes = [Text(f"{row.name}: {note}") for row in self.rows for note in ([row.missing] if row.missing else []) + row.notes]
        return Group(*lines, table, *notes)

    def text(self) -> str:
        """The table as it is kept in a file: without colours, 160 columns wide."""
        console = Console(file=StringIO(), width=160, no_color=True, force_terminal=False)
        console.print(self.render())
        written = console.file.getvalue()  # type: ignore[attr-defined]
        return "\n".join(line.rstrip() for line in written.splitlines()) + "\n"

    def keep(self, folder: Path) -> tuple[Path, Path]:
        """Write `<date>-<commit>.json` and `.txt`; a run of the same day and commit replaces the one before."""
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self.date[:10]}-{self.commit}"
        document = {
            "date": self.date,
            "commit": self.commit,
            "machine": self.machine,
            "settings": self.settings,
            "warnings": self.warnings,
            "rows": [row.document() for row in self.rows],
        }
        paths = folder / f"{stem}.json", folder / f"{stem}.txt"
        paths[0].write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        paths[1].write_text(self.text())
        return paths
