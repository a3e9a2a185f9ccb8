"""The rows: what is loaded, what is counted, and against which budget; in the order in which they run. One module per kind of work."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.results import Row
from bench.rig import Durations, Rig
from bench.rows import calls, fleets, keys, life, overload, streams

NOT_BUILT: Final = (
    Row("translated", "JSON chat translated to another dialect", built=False),
    Row("sse-translated", "SSE translated to another dialect", built=False),
    Row("console", "first console page after `sekisho serve`", built=False),
)
"""Budgets of the design that nothing can be measured for yet."""


@dataclass(frozen=True)
class Scenario:
    """One measurement and the rows it gives; `seconds` estimates all of its rounds, for the progress bar."""

    rows: tuple[str, ...]
    run: Callable[[Rig], list[Row]]
    seconds: Callable[[Durations], float]


SCENARIOS: Final = (
    Scenario(("start", "memory"), life.start_and_memory, lambda d: d.rounds * 6),
    Scenario(("idle",), life.idle, lambda d: d.idle + 6),
    Scenario(("json",), calls.json_chat, lambda d: d.rounds * 2 * (d.warm + d.load + 2)),
    Scenario(("burst", "recorder", "recorder-rate"), calls.burst, lambda d: d.rounds * (2 * d.burst + 10)),
    Scenario(("sse",), streams.sse, lambda d: d.rounds * 2 * (d.stream_warm + d.stream + 4)),
    Scenario(("tls",), calls.tls_upstream, lambda d: d.rounds * 2 * (d.warm + d.load + 2)),
    Scenario(("tls-listener",), calls.tls_listener, lambda d: d.rounds * 2 * (d.warm + d.load + 2) + 5),
    Scenario(("body",), calls.large_body, lambda d: d.rounds * 3 * (d.warm + d.load + 1)),
    Scenario(("latency-p50", "latency-p99"), calls.latency, lambda d: d.rounds * 3 * (d.latency + 1)),
    Scenario(("streams-2000", "streams-5000", "streams-10000", "streams-memory"), streams.many, lambda d: 3 * (d.hold + 10)),
    Scenario(
        ("overload", "overload-refusals", "overload-json", "overload-json-refusals"), overload.overload, lambda d: 7 * min(6, d.hold) + 20
    ),
    Scenario(("many-keys",), keys.many, lambda d: d.rounds * 2 * (d.warm + d.load + 2) + 6),
    Scenario(("keys-load", "keys-write", "keys-stall"), keys.most, lambda d: 25),
    Scenario(("workers",), fleets.workers, lambda d: d.rounds * 2 * (d.warm + d.load + 2) + 8),
)
"""In the order in which they run: what wants a fresh process first, what fills the database later."""

ALIASES: Final = {
    "latency": ("latency-p50", "latency-p99"),
    "many-streams": ("streams-2000", "streams-5000", "streams-10000", "streams-memory"),
    "keys": ("keys-load", "keys-write", "keys-stall"),
}
NAMES: Final = tuple(name for scenario in SCENARIOS for name in scenario.rows)
