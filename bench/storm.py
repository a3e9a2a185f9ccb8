"""What two hundred wrong passwords at once, every second, do to the calls of the gateway.

    python -m bench.storm [ROUNDS [SECONDS]]

A steady few calls a second are timed, on cores that nobody is pinned to: in calm; while the guesses are refused by a stand-in that does
nothing for them (what the load itself costs this machine); and while they are the product's, in three ways. Of every figure the median
of the rounds is told, after which the CPU that worker and node used for a guess. Worst for the product is `everywhere`: no two guesses
have an address or an account in common, so nothing slows them down but the queue of the hashing thread.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench import machine
from bench.processes import Processes, free_ports
from bench.product import Product

RATE: Final = 300
"""Calls per second that are timed: few, so that what they show is waiting."""
CONNECTIONS: Final = 16
AT_ONCE: Final = 200
KINDS: Final = ("two", "each", "everywhere")
CALM, STAND_IN = "calm", "stand-in"


def measure(processes: Processes, product: Product, stand_in: int, kind: str, seconds: float) -> dict[str, Any]:
    """One reading of the calls, and what became of the guesses."""
    guesses = None
    before = {name: machine.cpu_seconds(pids) for name, pids in (("worker", product.workers), ("node", [product.node]))}
    if kind != CALM:
        port, way = (stand_in, "each") if kind == STAND_IN else (product.console_port, kind)
        argv = [sys.executable, "-m", "bench.load.guesses", str(port), str(AT_ONCE), str(seconds), way]
        guesses = processes.spawn("guesses", argv, cwd=machine.ROOT, stdout=subprocess.PIPE)
    argv = [sys.executable, "-m", "bench.load.arrivals", str(product.gateway_port), str(RATE), str(seconds), str(CONNECTIONS)]
    environment = {**os.environ, "BENCH_KEY": product.key, "BENCH_MODEL": "sandbox/echo"}
    calls = processes.spawn("arrivals", argv, cwd=machine.ROOT, stdout=subprocess.PIPE, env=environment)
    reading = _told(calls)
    guessed = {} if guesses is None else _told(guesses)
    after = {name: machine.cpu_seconds(pids) for name, pids in (("worker", product.workers), ("node", [product.node]))}
    lost = reading["wrong"] + reading["broken"] + reading["unanswered"] + reading["unsent"] + reading["late"] + reading["refused"]
    return {
        "p50": reading["good_p50_ms"],
        "p99": reading["good_p99_ms"],
        "lost": lost,
        "statuses": guessed.get("statuses", {}),
        **{name: after[name] - before[name] for name in before},
    }


def _told(process: subprocess.Popen[bytes]) -> Any:
    text, _ = process.communicate(timeout=120)
    lines = [line for line in text.splitlines() if line.startswith(b"BENCH ")]
    if process.returncode != 0 or not lines:
        raise SystemExit(f"the load ended with {process.returncode}")
    return json.loads(lines[-1][6:])


def main(rounds: int, seconds: float) -> None:
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="sekisho-storm-") as folder, Processes(Path(folder)) as processes:
        product = Product(processes, Path(folder))
        product.cli("init")
        product.key = str(product.cli("api-keys", "create", "--label", "storm")["plain_key"])
        product.cli("users", "create", "mika@example.org", "--name", "Mika", "--password-stdin", stdin="a sentence that is long enough")
        (stand_in,) = free_ports(1)
        processes.spawn("stand-in", [sys.executable, "-m", "bench.load.guesses", "stand-in", str(stand_in)], cwd=machine.ROOT)
        try:
            product.start(pinned=False)
            product.adopt(pinned=False)
            product.first_call("sandbox/echo", time.monotonic())
            for number in range(rounds):
                kinds = [CALM, STAND_IN, *KINDS]
                for kind in kinds if number % 2 == 0 else reversed(kinds):
                    found.setdefault(kind, []).append(measure(processes, product, stand_in, kind, seconds))
        finally:
            product.stop()
    tell(found, rounds, seconds)


def tell(found: dict[str, list[dict[str, Any]]], rounds: int, seconds: float) -> None:
    def median(kind: str, name: str) -> float:
        return float(statistics.median(reading[name] for reading in found[kind]))

    print(f"{RATE} calls/s; {AT_ONCE} guesses at once every second for {seconds:g} s; medians of {rounds} rounds, ms")
    print(f"{'':12}{'p50':>8}{'p99':>8}  {'p99/calm':>9}{'p99/stand-in':>13}  CPU ms per guess: worker, node; answers")
    for kind in (CALM, STAND_IN, *KINDS):
        p99, guesses, told = median(kind, "p99"), sum(found[kind][-1]["statuses"].values()), ""
        if kind in KINDS:
            spent = [(median(kind, name) - median(CALM, name)) / guesses * 1000 for name in ("worker", "node")]
            told = f"{spent[0]:.2f}, {spent[1]:.2f}; {found[kind][-1]['statuses']}"
        against = f"{p99 / median(CALM, 'p99'):9.2f}{p99 / median(STAND_IN, 'p99'):13.2f}"
        lost = sum(reading["lost"] for reading in found[kind])
        each = " ".join(f"{reading['p99']:.1f}" for reading in found[kind])
        print(f"{kind:12}{median(kind, 'p50'):8.2f}{p99:8.2f}  {against}  {told}  [{each}]{f', {lost} calls lost' if lost else ''}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, float(sys.argv[2]) if len(sys.argv) > 2 else 6.0)
