"""`python -m bench.micro`: nanoseconds per operation of each step, on one core.

The median and the least of several runs; the cost of calling an empty function is taken off. Exit 1 where a probe fails.
"""

import argparse
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.micro.probes import PROBES, Operation

REPEATS: Final = 7
RUN_SECONDS: Final = 0.04
WIDTH: Final = 120
"""Columns of the table where the terminal has fewer, or where there is none."""


@dataclass(frozen=True)
class Timing:
    """One line; times in nanoseconds per operation."""

    name: str
    what: str
    median_ns: float | None = None
    least_ns: float | None = None
    problem: str = ""


def run(operation: Operation, count: int) -> float:
    """Seconds that so many operations take."""
    numbers = range(count)
    begun = time.perf_counter()
    for _ in numbers:
        operation()
    return time.perf_counter() - begun


def measure(operation: Operation, run_seconds: float) -> list[float]:
    """Nanoseconds per operation of each run."""
    count = 1
    while (took := run(operation, count)) < run_seconds / 4 and count < 10_000_000:
        count *= 2 if took > run_seconds / 100 else 8
    count = max(1, round(count * run_seconds / max(took, 1e-9)))
    return [run(operation, count) / count * 1e9 for _ in range(REPEATS)]


def time_probe(name: str, empty_ns: float, run_seconds: float) -> Timing:
    what, probe = PROBES[name]
    try:
        with probe() as operation:
            gc.collect()
            gc.disable()
            try:
                found = measure(operation, run_seconds)
            finally:
                gc.enable()
    except ModuleNotFoundError as error:
        return Timing(name, what, problem=f"not built yet: {error.name}")
    except Exception as error:  # One broken probe must not cost the others.
        return Timing(name, what, problem=f"{type(error).__name__}: {error}")
    return Timing(name, what, max(0.0, statistics.median(found) - empty_ns), max(0.0, min(found) - empty_ns))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.micro", description="Time the steps of the hot path.")
    parser.add_argument("--only", default="", metavar="NAMES", help=f"separated by commas: {', '.join(PROBES)}")
    parser.add_argument("--quick", action="store_true", help="runs of 4 ms instead of 40")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = parser.parse_args(arguments)
    names = [name.strip() for name in options.only.split(",") if name.strip()] or list(PROBES)
    unknown = [name for name in names if name not in PROBES]
    if unknown:
        parser.error(f"there is no probe {unknown[0]!r}; there are {', '.join(PROBES)}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    run_seconds = RUN_SECONDS / 10 if options.quick else RUN_SECONDS
    empty_ns = min(measure(lambda: None, run_seconds))
    console = Console(stderr=True)
    timings = [time_probe(name, empty_ns, run_seconds) for name in track(names, "timing", console=console, transient=True)]
    if options.format == "json":
        print(json.dumps({"version": "1.0", "data": {"timings": [asdict(timing) for timing in timings]}}))
    else:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("step")
        table.add_column("what")
        table.add_column("median ns", justify="right")
        table.add_column("least ns", justify="right")
        for timing in timings:
            if timing.median_ns is None or timing.least_ns is None:
                table.add_row(timing.name, timing.what, timing.problem, "")
            else:
                table.add_row(timing.name, timing.what, f"{timing.median_ns:,.0f}", f"{timing.least_ns:,.0f}")
        terminal = Console()
        Console(width=max(terminal.width, WIDTH)).print(table)
    return 1 if any(timing.problem and not timing.problem.startswith("not built") for timing in timings) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
