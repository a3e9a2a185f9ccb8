"""`python -m bench.soak`: steady mixed work for an hour (`SOAK_SECONDS`), and what each process holds meanwhile. Flat, or it fails.

Exit 0 where nothing grew and every answer was the right one, 1 otherwise. The samples are kept in `.work/bench/soak.json`.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import uvloop
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from bench import machine
from bench.__main__ import interrupt_on_terminate
from bench.processes import BenchError, Processes, free_ports, wait_port
from bench.product import Product
from bench.results import STYLES, Verdict
from bench.soak.gauges import Series, Trend, judge, look
from bench.soak.load import PACES, Load

HOUR: Final = 3600.0
WARM_SHARE: Final = 0.5
"""Of the run: caches that fill and allocators that settle are no growth; the database's own takes some minutes of this work."""
MOST_WARM_S: Final = 600.0
SAMPLES: Final = 120
LEAST_EVERY_S: Final = 2.0
MOST_LAG_S: Final = 5.0
"""By how much the records may be behind at the end."""
GAP_MS: Final = 20
CHUNKS: Final = 50
WIDTH: Final = 150


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Work steadily and see whether anything grows.")
    seconds = float(os.environ.get("SOAK_SECONDS") or HOUR)
    parser.add_argument("--seconds", type=float, default=seconds, help="how long (default: SOAK_SECONDS, else an hour)")
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args(arguments)


def prepare(processes: Processes, folder: Path) -> tuple[Product, Path]:
    """A filled home, a running product with an observer in each of its processes, and where they write."""
    port, dead = free_ports(2)
    upstream = processes.spawn(
        "upstream", [*machine.python_module("bench.load.upstream"), str(port), str(GAP_MS), str(CHUNKS)], cwd=machine.ROOT
    )
    wait_port(upstream, port, "upstream", processes)
    gauges = folder / "gauges"
    gauges.mkdir()
    product = Product(processes, folder)
    product.start(pinned=False)
    product.adopt(pinned=False)
    product.fill({"up": f"http://127.0.0.1:{port}/v1", "dead": f"http://127.0.0.1:{dead}/v1"}, folder)
    product.stop()
    return product, gauges


def processes_of(product: Product) -> list[Series]:
    workers = [Series(f"worker {number}", pid) for number, pid in enumerate(product.workers, 1)]
    return [Series("supervisor", product.supervisor), Series("node", product.node), *workers]


async def soak(product: Product, gauges: Path, seconds: float, progress: Progress) -> tuple[list[Series], Load, str]:
    """Work and watch; the third is what ended the run before its time, empty where nothing did."""
    series, load, over = processes_of(product), Load(product), asyncio.Event()
    task = progress.add_task("soaking", total=seconds)
    every, begun, trouble = max(LEAST_EVERY_S, seconds / SAMPLES), time.monotonic(), ""

    async def watch() -> None:
        nonlocal trouble
        try:
            while (passed := time.monotonic() - begun) < seconds:
                for one in series:
                    one.samples.append(look(one.pid, passed, gauges))
                held = ", ".join(f"{one.name} {one.samples[-1].memory_mb:.0f} MB" for one in series[1:])
                progress.update(task, completed=passed, description=held)
                await asyncio.sleep(every)
        except FileNotFoundError as error:
            trouble = f"a process ended ({error.filename})"
        finally:
            over.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(watch())
        group.create_task(load.run(over))
    return series, load, trouble


def table_of(trends: list[Trend]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("process", "what", "after warm-up", "at the end", "per hour", "allowed", "course (warm-up included)", "verdict"):
        table.add_column(name, no_wrap=True, justify="right" if name in ("after warm-up", "at the end", "per hour") else "left")
    for trend in trends:
        verdict = Text("flat" if trend.verdict is Verdict.GOAL else "GROWS", style=STYLES[trend.verdict])
        figures = (f"{trend.first:,.1f}", f"{trend.last:,.1f}", f"{trend.per_hour:+,.1f}")
        table.add_row(trend.process, trend.what, *figures, trend.allowed, trend.chart, verdict)
    return table


def run(options: argparse.Namespace, console: Console) -> int:
    folder = Path(tempfile.mkdtemp(prefix="sekisho-soak-"))
    columns = (TextColumn("{task.description:<44}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    try:
        with Processes(folder) as processes:
            product, gauges = prepare(processes, folder)
            observer = str(Path(__file__).with_name("observer"))
            product.start(pinned=False, workers=options.workers, more={"SEKISHO_BENCH_GAUGES": str(gauges)}, path=observer)
            product.adopt(pinned=False)
            try:
                with Progress(*columns, console=console, refresh_per_second=1) as progress:
                    series, load, trouble = uvloop.run(soak(product, gauges, options.seconds, progress))
                lag = float(product.cli("status")["journal_lag_s"])
            finally:
                product.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    warm = min(MOST_WARM_S, options.seconds * WARM_SHARE)
    trends = [trend for one in series for trend in judge(one, warm)]
    problems = [trouble] if trouble else []
    problems += [f"{count:,} × {what}" for what, count in load.wrong.most_common(10)]
    if lag > MOST_LAG_S:
        problems.append(f"the records are {lag:.1f} s behind")
    if not trends:
        problems.append("the run was too short for a trend")
    keep(options, series, load, trends, problems)
    out = Console()
    out = Console(width=max(out.width, WIDTH))
    out.print(Text(f"Sekisho soak · {options.seconds:,.0f} s · {options.workers} worker(s) · commit {machine.commit()}", style="bold"))
    paces = ", ".join(f"{kind} {load.done[kind]:,} ({pace:g}/s)" for kind, pace in PACES.items())
    out.print(Text(f"done: {paces}", style="dim"))
    out.print(table_of(trends))
    for problem in problems:
        out.print(Text(problem, style="bold red"))
    return 1 if problems or any(trend.verdict is not Verdict.GOAL for trend in trends) else 0


def keep(options: argparse.Namespace, series: list[Series], load: Load, trends: list[Trend], problems: list[str]) -> None:
    """Write every sample where `make bench` leaves its partial runs."""
    target = machine.ROOT / ".work" / "bench" / "soak.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {
        "commit": machine.commit(),
        "seconds": options.seconds,
        "workers": options.workers,
        "done": dict(load.done),
        "wrong": dict(load.wrong),
        "problems": problems,
        "trends": [dataclasses.asdict(trend) for trend in trends],
        "samples": {one.name: [dataclasses.asdict(sample) for sample in one.samples] for one in series},
    }
    target.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def main(arguments: Sequence[str]) -> int:
    console = Console(stderr=True)
    interrupt_on_terminate()
    try:
        refusal = machine.refuse_other_platforms()
        if refusal:
            raise BenchError(refusal)
        return run(parse(arguments), console)
    except BenchError as error:
        console.print(f"soak: {error}", style="bold red", markup=False)
    except KeyboardInterrupt:
        console.print("soak: interrupted; everything it started is stopped", style="bold red")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
