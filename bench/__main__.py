"""`python -m bench`: measure, print the table of budgets, keep it.

Exit 0 when every chosen row was measured (a row short of its budget is marked, and is still a measurement), 1 otherwise.
"""

import argparse
import datetime
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench import machine, rows
from bench.processes import BenchError, Processes
from bench.results import Report, Row, Verdict
from bench.rig import FULL, QUICK, Durations, Rig

FREE_BYTES: Final = 3_000_000_000
"""What the journal and the database of a whole run may need for a while."""
WIDTH: Final = 140
"""Columns of the table where the terminal has fewer, or where there is none."""
REMEDIES: Final = {
    "wrk": "wrk is missing: install it (Debian, Ubuntu: apt-get install wrk)",
    "nginx": "nginx is missing: install it (Debian, Ubuntu: apt-get install nginx-light)",
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Sekisho beside nginx on this machine.")
    parser.add_argument(
        "--rows",
        default="",
        metavar="NAMES",
        help=f"only these, separated by commas: {', '.join(rows.NAMES)} (latency, many-streams and keys each mean all of theirs)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="one short round of each row: shows that the bench works, not how fast Sekisho is"
    )
    parser.add_argument("--peers", action="store_true", help="other gateways beside us instead (python -m bench.peers has its own options)")
    parser.add_argument("--keep-logs", action="store_true", help="leave the processes' logs in .work/bench/logs")
    return parser.parse_args(arguments)


def chosen(text: str) -> tuple[str, ...]:
    """The names of the rows that were asked for; all where the text is empty."""
    if not text:
        return rows.NAMES
    asked = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in asked if name not in rows.NAMES and name not in rows.ALIASES]
    if unknown:
        raise BenchError(f"there is no row {unknown[0]!r}; there are {', '.join(rows.NAMES)}")
    return tuple(name for one in asked for name in rows.ALIASES.get(one, (one,)))


def find_programs() -> dict[str, str]:
    """Paths of wrk and nginx; raises BenchError with what to install."""
    found = {name: machine.find(name) for name in REMEDIES}
    missing = [REMEDIES[name] for name, path in found.items() if path is None]
    if missing:
        raise BenchError("; ".join(missing))
    return {name: path for name, path in found.items() if path is not None}


def measure(wanted: tuple[str, ...], durations: Durations, programs: dict[str, str], console: Console, *, keep_logs: bool) -> list[Row]:
    """Run the scenarios that give the wanted rows. No process of ours outlives this function."""
    scenarios = [scenario for scenario in rows.SCENARIOS if set(scenario.rows) & set(wanted)]
    found: list[Row] = []
    folder = Path(tempfile.mkdtemp(prefix="sekisho-bench-"))
    columns = (TextColumn("{task.description:<34}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    try:
        if shutil.disk_usage(folder).free < FREE_BYTES:
            raise BenchError(f"{folder.parent} has less than {FREE_BYTES / 1e9:.0f} GB free; set TMPDIR to a place that has more")
        with Progress(*columns, console=console, refresh_per_second=2) as progress, Processes(folder) as processes:
            # The bench itself keeps off the measured core.
            os.sched_setaffinity(0, {processes.other})
            task = progress.add_task("the parts are started", total=sum(scenario.seconds(durations) for scenario in scenarios) + 10)
            rig = Rig(processes, folder, durations, programs, lambda text: progress.update(task, description=text))
            try:
                rig.start()
                progress.advance(task, 10)
                for scenario in scenarios:
                    found += scenario.run(rig)
                    progress.advance(task, scenario.seconds(durations))
            finally:
                progress.update(task, description="the parts are stopped")
                rig.product.stop()
    finally:
        if keep_logs:
            logs = machine.ROOT / ".work" / "bench" / "logs"
            logs.mkdir(parents=True, exist_ok=True)
            for path in [*folder.glob("*.log"), *folder.glob("nginx-*/error.log")]:
                shutil.copy(path, logs / f"{path.parent.name}-{path.name}" if path.parent != folder else logs / path.name)
        shutil.rmtree(folder, ignore_errors=True)
    return [row for row in found if row.name in wanted]


def interrupt_on_terminate() -> None:
    """Have SIGTERM end a run as Ctrl-C does: everything is stopped on the way out."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)


def main(arguments: Sequence[str]) -> int:
    if "--peers" in arguments:
        from bench.peers import __main__ as peers

        return peers.main([argument for argument in arguments if argument != "--peers"])
    options = parse(arguments)
    console = Console(stderr=True)
    interrupt_on_terminate()
    try:
        wanted = chosen(options.rows)
        refusal = machine.refuse_other_platforms()
        if refusal:
            raise BenchError(refusal)
        programs = find_programs()
        durations = QUICK if options.quick else FULL
        warnings = []
        with console.status("the machine is watched for two seconds"):
            quiet = machine.measure_quiet()
        if not quiet.ok:
            busiest = f": {', '.join(quiet.busiest)}" if quiet.busiest else ""
            warnings.append(f"the machine is not quiet, {quiet.busy:.0%} of its CPU is in use{busiest}; these figures do not count")
        if options.quick:
            warnings.append("a quick run: one short round, no medians; these figures do not count")
        for warning in warnings:
            console.print(f"warning: {warning}", style="bold yellow", markup=False)
        begun = time.monotonic()
        found = measure(wanted, durations, programs, console, keep_logs=options.keep_logs)
    except BenchError as error:
        console.print(f"bench: {error}", style="bold red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("bench: interrupted; everything it started is stopped", style="bold red")
        return 1
    settings = {"rounds": durations.rounds, "took": f"{time.monotonic() - begun:.0f} s", "idle before": f"{1 - quiet.busy:.0%}"}
    whole = not options.rows and not options.quick
    shown = [*found, *rows.NOT_BUILT] if not options.rows else found
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    report = Report(date, machine.commit(), machine.describe(programs), settings, warnings, shown)
    # Only a whole run is kept beside the source; part of one is for the person who asked for it.
    kept = report.keep(machine.ROOT / "bench" / "results" if whole else machine.ROOT / ".work" / "bench")
    terminal = Console()
    Console(width=max(terminal.width, WIDTH)).print(report.render())
    console.print(f"kept in {kept[0].relative_to(machine.ROOT)} and {kept[1].name}", style="dim")
    return 1 if any(row.verdict is Verdict.FAILED for row in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
