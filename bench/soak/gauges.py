"""What each process holds, sampled again and again, and whether it grows."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.results import Verdict

BLOCKS: Final = "▁▂▃▄▅▆▇█"
CHART_WIDTH: Final = 48
SHORT_MB_PER_MIN: Final = 1.0
"""What a process may grow in a run of minutes."""
LONG_MB_PER_HOUR: Final = 10.0
"""What it may grow in a run of half an hour and more."""
LONG_S: Final = 1800.0
SPARE: Final = 4
"""Descriptors, threads or tasks by which a level may differ at the end: chance, not growth."""


@dataclass(frozen=True)
class Sample:
    """One look at one process."""

    at: float
    memory_mb: float
    """Its own memory, without the pages of files such as mapped journals."""
    resident_mb: float
    descriptors: int
    threads: int
    tasks: int


def look(pid: int, at: float, folder: Path) -> Sample:
    """Read a process; raises FileNotFoundError where it is gone."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    told = folder / str(pid)
    return Sample(
        at,
        int(fields["RssAnon"].split()[0]) / 1024,
        int(fields["VmRSS"].split()[0]) / 1024,
        len(list(Path(f"/proc/{pid}/fd").iterdir())),
        int(fields["Threads"]),
        int(told.read_text()) if told.exists() else 0,
    )


@dataclass
class Series:
    """One process over time."""

    name: str
    pid: int
    samples: list[Sample] = field(default_factory=list)

    def values(self, what: str) -> list[float]:
        return [float(getattr(sample, what)) for sample in self.samples]


@dataclass(frozen=True)
class Trend:
    """How one figure of one process went."""

    process: str
    what: str
    first: float
    last: float
    per_hour: float
    allowed: str
    verdict: Verdict
    chart: str


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Growth per second: the median of the slopes between all pairs, which a single jump does not move."""
    slopes = [
        (values[right] - values[left]) / (times[right] - times[left])
        for left, right in itertools.combinations(range(len(times)), 2)
        if times[right] > times[left]
    ]
    return statistics.median(slopes) if slopes else 0.0


def chart(values: Sequence[float]) -> str:
    """The course in one line, from its least to its most."""
    if not values:
        return ""
    step = max(1.0, len(values) / CHART_WIDTH)
    picked = [values[int(place * step)] for place in range(int(len(values) / step))]
    least, most = min(picked), max(picked)
    scale = (len(BLOCKS) - 1) / (most - least) if most > least else 0.0
    return "".join(BLOCKS[round((value - least) * scale)] for value in picked)


def judge(series: Series, warm_s: float) -> list[Trend]:
    """What became of each figure after the warm-up."""
    kept = Series(series.name, series.pid, [sample for sample in series.samples if sample.at >= warm_s])
    if len(kept.samples) < 4:
        return []
    times = [sample.at for sample in kept.samples]
    lasted = times[-1] - times[0]
    memory = kept.values("memory_mb")
    grown = slope(times, memory) * 3600
    most = LONG_MB_PER_HOUR if lasted >= LONG_S else SHORT_MB_PER_MIN * 60
    allowed = f"< {LONG_MB_PER_HOUR:g} MB/h" if lasted >= LONG_S else f"< {SHORT_MB_PER_MIN:g} MB/min"
    verdict = Verdict.GOAL if grown < most else Verdict.SHORT
    trends = [Trend(series.name, "memory, MB", memory[0], memory[-1], grown, allowed, verdict, chart(series.values("memory_mb")))]
    quarter = max(1, len(times) // 4)
    for what in ("descriptors", "threads", "tasks"):
        values = kept.values(what)
        before, after = statistics.median(values[:quarter]), statistics.median(values[-quarter:])
        flat = after <= before * 1.1 + SPARE
        per_hour = slope(times, values) * 3600
        verdict = Verdict.GOAL if flat else Verdict.SHORT
        trends.append(Trend(series.name, what, before, after, per_hour, "flat", verdict, chart(series.values(what))))
    return trends
