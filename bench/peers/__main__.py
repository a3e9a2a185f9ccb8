"""`python -m bench.peers`: JSON chat through Sekisho, nginx, LiteLLM and Portkey, one after the other on the same core.

CPU is that of the gateway's whole process tree (of Sekisho: its workers, and the node's apart), medians of three alternations.
"""

import argparse
import contextlib
import dataclasses
import datetime
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench import __main__ as whole
from bench import machine
from bench.load import wrk
from bench.peers.gateways import GATEWAYS, Gateway, Started
from bench.processes import BenchError, Processes, free_ports
from bench.results import figure
from bench.rig import CONNECTIONS, FULL, QUICK, Rig

START_SECONDS: Final = 120.0
NAMES: Final = ("nginx", "Sekisho", *(gateway.name for gateway in GATEWAYS))


@dataclass
class Measured:
    """One gateway: a reading per round, or the reason why there is none."""

    name: str
    version: str
    readings: list[dict[str, float]]
    problem: str = ""

    def median(self, name: str) -> float | None:
        return statistics.median(reading[name] for reading in self.readings) if self.readings else None


def _wait_answer(request: wrk.Request, process: subprocess.Popen[bytes], name: str, processes: Processes) -> None:
    """Return when a gateway answers a call with 200; raises BenchError with what it said instead."""
    body = json.dumps({"model": request.model, "messages": [{"role": "user", "content": "Hello"}]})
    headers = {"authorization": f"Bearer {request.key}", "content-type": "application/json", **dict(request.headers)}
    port = int(request.url.split(":")[2].split("/")[0])
    seen, deadline = "no answer", time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", "/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == 200:
                return
            seen = f"{answer.status} {text[:200].decode(errors='replace')!r}"
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    raise BenchError(f"{name} answers no call: {seen}; its log ends with: {processes.tail(name)}")


@contextlib.contextmanager
def _running(rig: Rig, gateway: Gateway, folder: Path) -> Iterator[tuple[Started, list[int]]]:
    """A peer on the measured core, answering; ended on the way out."""
    scratch = rig.folder / gateway.name
    scratch.mkdir(exist_ok=True)
    started = gateway.start(folder, scratch, free_ports(1)[0], rig.json_port)
    cores = {rig.processes.measured}
    process = rig.processes.spawn(gateway.name, started.argv, cores=cores, env=started.environment, cwd=started.cwd)
    try:
        _wait_answer(started.request, process, gateway.name, rig.processes)
        yield started, [process.pid, *(pid for pid, _ in machine.tree(process.pid))]
    finally:
        rig.processes.stop(process)


def _read(rig: Rig, request: wrk.Request, pids: list[int]) -> dict[str, float]:
    durations = rig.durations
    rig.load(request, connections=CONNECTIONS, seconds=durations.warm)
    before = machine.cpu_seconds(pids)
    summary = rig.load(request, connections=CONNECTIONS, seconds=durations.load)
    cpu = machine.cpu_seconds(pids) - before
    return {
        "rate": summary.rate,
        "cpu_us": cpu / summary.requests * 1e6,
        "p50_ms": summary.p50_us / 1000,
        "p99_ms": summary.p99_us / 1000,
        "rss_mb": sum(machine.rss_bytes(pid) for pid in pids) / 1e6,
    }


def measure(rig: Rig, names: Sequence[str]) -> list[Measured]:
    """Each gateway in turn, round by round. Peers are started anew for each of their rounds: only one runs at a time."""
    found = {name: Measured(name, "", []) for name in names}
    folders: dict[str, Path] = {}
    for gateway in GATEWAYS:
        if gateway.name in found:
            found[gateway.name].version = gateway.version
            rig.report(f"{gateway.name} {gateway.version} is installed")
            try:
                folders[gateway.name] = gateway.install()
            except BenchError as error:
                found[gateway.name].problem = str(error)
    for number in range(rig.durations.rounds):
        for name in names:
            one = found[name]
            if one.problem:
                continue
            rig.report(f"{name} · {number + 1} of {rig.durations.rounds}")
            try:
                if name == "nginx":
                    floor = rig.floor("up")
                    one.readings.append(_read(rig, floor.request(), floor.pids))
                elif name == "Sekisho":
                    ours, recorded = rig.ours("up"), rig.product.count()
                    reading = _read(rig, ours.request(), ours.pids)
                    rig.product.check_workers()
                    rig.product.wait_recorded(recorded + round(reading["rate"] * rig.durations.load))
                    one.readings.append(reading)
                else:
                    gateway = next(gateway for gateway in GATEWAYS if gateway.name == name)
                    with _running(rig, gateway, folders[name]) as (started, pids):
                        one.readings.append(_read(rig, started.request, pids))
            except (BenchError, FileNotFoundError) as error:
                one.problem, one.readings = str(error), []
    return list(found.values())


def render(found: list[Measured], heading: str, warnings: list[str]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("gateway")
    for name in ("answers/s on one core", "CPU µs/request", "× nginx", "p50 ms", "p99 ms", "RSS MB"):
        table.add_column(name, justify="right")
    floor = next((one.median("cpu_us") for one in found if one.name == "nginx"), None)
    for one in found:
        cpu = one.median("cpu_us")
        ratio = f"{cpu / floor:.1f}×" if cpu and floor else "–"
        cells = [figure(one.median("rate")), figure(cpu), ratio, *(figure(one.median(name)) for name in ("p50_ms", "p99_ms", "rss_mb"))]
        table.add_row(f"{one.name} {one.version}".strip(), *cells)
    notes = [Text(f"{one.name}: {one.problem}", style="bold red") for one in found if one.problem]
    about = f"JSON chat, {CONNECTIONS} connections; the gateway on one core, load and upstream on the other."
    about += " Sekisho has its key and limits on."
    return Group(
        Text(heading, style="bold"), *(Text(f"warning: {warning}", style="bold yellow") for warning in warnings), Text(about), table, *notes
    )


def keep(found: list[Measured], heading: str, warnings: list[str], facts: dict[str, Any], folder: Path) -> Path:
    """Write the table and the readings beside those of the bench."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{facts['date'][:10]}-{facts['commit']}-peers"
    document = {**facts, "warnings": warnings, "gateways": [dataclasses.asdict(one) for one in found]}
    stem.with_name(stem.name + ".json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    written = StringIO()
    Console(file=written, width=140, no_color=True, force_terminal=False).print(render(found, heading, warnings))
    path = stem.with_name(stem.name + ".txt")
    path.write_text("\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n")
    return path


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="Measure other gateways beside Sekisho and nginx.")
    parser.add_argument("--only", default="", metavar="NAMES", help=f"separated by commas: {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="one short round")
    options = parser.parse_args(arguments)
    asked = [name.strip().lower() for name in options.only.split(",") if name.strip()]
    unknown = [name for name in asked if name not in {known.lower() for known in NAMES}]
    if unknown:
        parser.error(f"there is no gateway {unknown[0]!r}; there are {', '.join(NAMES)}")
    names = [name for name in NAMES if not asked or name.lower() in asked]
    console = Console(stderr=True)
    whole.interrupt_on_terminate()
    durations = QUICK if options.quick else FULL
    folder = Path(tempfile.mkdtemp(prefix="sekisho-peers-"))
    warnings = ["a quick run: one short round; these figures do not count"] if options.quick else []
    try:
        refusal = machine.refuse_other_platforms()
        if refusal:
            raise BenchError(refusal)
        programs = whole.find_programs()
        quiet = machine.measure_quiet()
        if not quiet.ok:
            warnings.append(
                f"the machine is not quiet, {quiet.busy:.0%} of its CPU is in use: {', '.join(quiet.busiest)}; these figures do not count"
            )
        with console.status("the parts are started") as status, Processes(folder) as processes:
            os.sched_setaffinity(0, {processes.other})
            rig = Rig(processes, folder, durations, programs, status.update)
            try:
                rig.start()
                found = measure(rig, names)
            finally:
                rig.product.stop()
    except BenchError as error:
        console.print(f"bench: {error}", style="bold red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("bench: interrupted; everything it started is stopped", style="bold red")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    facts = {"date": date, "commit": machine.commit(), "machine": machine.describe(programs)}
    heading = f"Sekisho and its peers · {date} · commit {facts['commit']}"
    kept = keep(found, heading, warnings, facts, machine.ROOT / ("bench/results" if not options.quick and not asked else ".work/bench"))
    Console(width=max(Console().width, 140)).print(render(found, heading, warnings))
    console.print(f"kept in {kept.relative_to(machine.ROOT)}", style="dim")
    return 1 if any(one.problem for one in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
