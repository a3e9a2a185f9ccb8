"""`/metrics` as Prometheus reads it: our own names first, then the names that dashboards of other gateways ask for, with the same figures.

All of it is made when somebody asks, in a thread of its own: what is counted meanwhile may be in it or not. Counters begin at nothing
with the node, which Prometheus expects.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from sekisho.core.model.records import Status
from sekisho.core.wire.link import Pulse
from sekisho.kit.money import UNIT
from sekisho.telemetry.durations import Durations
from sekisho.telemetry.tallies import Series, Tallies

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_LABELS: Final = ("model", "provider")
_OWN_POWERS: Final = range(2, 21)
"""Edges of the buckets of our own time: 4 µs to a second, each twice the one before."""
_CALL_POWERS: Final = range(10, 29)
"""Of a call's times: a millisecond to four minutes."""


@dataclass(frozen=True)
class Gauges:
    """How things stand at the moment."""

    workers: Sequence[tuple[int, Pulse]]
    """Each with its number."""
    requests: int
    """To the gateway since the node's start, whatever became of them."""
    refused: int
    dropped: int
    """Records that found no room in a journal since the node's start."""
    journal_lag_s: float
    set_aside: int
    """Files of the journal that are kept for a person to look at."""
    revision: int
    database_up: bool
    live: int
    """Open live feeds."""


class Exposition(Collector):
    """Writes the page."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies
        self._gauges: Gauges | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def write(self, gauges: Gauges) -> bytes:
        """All metrics, in Prometheus' text format."""
        self._gauges = gauges
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for."""
        if self._gauges is not None:
            yield from _calls(self._tallies)
            yield from _refusals(self._tallies, self._gauges)
            yield from _house(self._gauges)
            yield from _aliases(self._tallies, self._gauges)


def _calls(tallies: Tallies) -> Iterator[Metric]:
    calls = CounterMetricFamily("sekisho_calls", "Calls that went to a provider, by how they ended.", labels=(*_LABELS, "status"))
    tokens = CounterMetricFamily("sekisho_tokens", "Tokens; cached and reasoning ones are part of the others.", labels=(*_LABELS, "kind"))
    for names, series in tuple(tallies.series.items()):
        for status in Status:
            calls.add_metric((*names, status.name.lower()), series.statuses[status])
        for kind in ("input", "output", "cached", "reasoning"):
            tokens.add_metric((*names, kind), getattr(series, f"{kind}_tokens"))
    yield calls
    yield tokens
    yield _cost("sekisho_cost", tallies)
    yield _times("sekisho_call_duration_seconds", "From the accept to the last byte.", tallies, "duration")
    yield _times("sekisho_first_byte_seconds", "From the accept to the first byte of the provider's answer.", tallies, "first_byte")
    yield _own("sekisho_own_seconds", tallies)


def _refusals(tallies: Tallies, gauges: Gauges) -> Iterator[Metric]:
    yield CounterMetricFamily("sekisho_requests", "Requests to the gateway, whatever became of them.", gauges.requests)
    yield CounterMetricFamily("sekisho_refused", "Requests that no provider saw.", gauges.refused)
    by_code = CounterMetricFamily("sekisho_refusals", "Recorded refusals by code.", labels=("code",))
    for code, count in tuple(tallies.refusals.items()):
        by_code.add_metric((code,), count)
    yield by_code


def _house(gauges: Gauges) -> Iterator[Metric]:
    pulses = [(str(number), pulse) for number, pulse in gauges.workers]
    for name, text, attribute, per in (
        ("sekisho_in_flight", "Requests that are being served.", "in_flight", 1),
        ("sekisho_connections", "Open connections of clients.", "connections", 1),
        ("sekisho_upstream_connections", "Open connections to providers.", "upstream_connections", 1),
        ("sekisho_buffered_bytes", "Bytes of bodies held in memory.", "buffered_bytes", 1),
        ("sekisho_worker_resident_bytes", "Memory of the worker.", "rss_bytes", 1),
        ("sekisho_worker_loop_lag_seconds", "Longest delay of the worker's timer in the last second.", "loop_lag_us", 1e6),
        ("sekisho_journal_full", "1 where the worker has no room for records.", "journal_full", 1),
    ):
        gauge = GaugeMetricFamily(name, text, labels=("worker",))
        for worker, pulse in pulses:
            gauge.add_metric((worker,), getattr(pulse, attribute) / per)
        yield gauge
    yield CounterMetricFamily("sekisho_journal_dropped_records", "Records that found no room in a journal.", gauges.dropped)
    yield GaugeMetricFamily("sekisho_journal_lag_seconds", "For how long something has been waiting to be recorded.", gauges.journal_lag_s)
    yield GaugeMetricFamily("sekisho_journal_set_aside_files", "Files of the journal that could not be recorded.", gauges.set_aside)
    yield GaugeMetricFamily("sekisho_workers", "Workers that are connected to the node.", len(gauges.workers))
    yield GaugeMetricFamily("sekisho_revision", "The configuration's revision.", gauges.revision)
    yield GaugeMetricFamily("sekisho_database_up", "0 while the database is away.", int(gauges.database_up))
    yield GaugeMetricFamily("sekisho_live_feeds", "Open live feeds.", gauges.live)


def _aliases(tallies: Tallies, gauges: Gauges) -> Iterator[Metric]:
    """The names of LiteLLM, Bifrost and TensorZero, where we have what they mean."""
    in_flight = sum(pulse.in_flight for _, pulse in gauges.workers)
    for name in ("litellm_proxy_total_requests_metric", "bifrost_upstream_requests", "tensorzero_inferences"):
        yield _counted(name, "See sekisho_calls.", tallies, lambda series: series.calls)
    for name in ("http_requests", "tensorzero_requests"):
        yield CounterMetricFamily(name, "See sekisho_requests.", gauges.requests)
    yield _counted("litellm_proxy_failed_requests_metric", "See sekisho_calls.", tallies, lambda series: series.statuses[Status.FAILED])
    for name in ("litellm_request_total_latency_metric", "http_request_duration_seconds", "bifrost_upstream_latency_seconds"):
        yield _times(name, "See sekisho_call_duration_seconds.", tallies, "duration")
    for name in ("litellm_llm_api_time_to_first_token_metric", "bifrost_stream_first_token_latency_seconds"):
        yield _times(name, "See sekisho_first_byte_seconds.", tallies, "first_byte")
    for name in ("litellm_overhead_latency_metric", "tensorzero_inference_latency_overhead_seconds"):
        yield _own(name, tallies)
    yield _own("bifrost_overhead_latency_microseconds", tallies, per=1)
    for name in ("litellm_in_flight_requests", "bifrost_active_requests"):
        yield GaugeMetricFamily(name, "See sekisho_in_flight.", in_flight)
    for kind in ("input_tokens", "output_tokens"):
        for name in (f"litellm_{kind}_metric", f"bifrost_{kind}"):
            yield _counted(name, "See sekisho_tokens.", tallies, operator.attrgetter(kind))
    yield _counted("litellm_total_tokens_metric", "See sekisho_tokens.", tallies, lambda series: series.input_tokens + series.output_tokens)
    for name in ("litellm_spend_metric", "bifrost_cost"):
        yield _cost(name, tallies)


def _counted(name: str, text: str, tallies: Tallies, of: Callable[[Series], int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=_LABELS)
    for names, series in tuple(tallies.series.items()):
        family.add_metric(names, of(series))
    return family


def _cost(name: str, tallies: Tallies) -> Metric:
    family = CounterMetricFamily(name, "Cost of calls whose model had a rate.", labels=(*_LABELS, "currency"))
    for names, series in tuple(tallies.series.items()):
        for currency, cost in tuple(series.cost.items()):
            family.add_metric((*names, currency), cost / UNIT)
    return family


def _times(name: str, text: str, tallies: Tallies, attribute: str) -> Metric:
    family = HistogramMetricFamily(name, text, labels=_LABELS)
    for names, series in tuple(tallies.series.items()):
        durations: Durations = getattr(series, attribute)
        family.add_metric(names, buckets=_buckets(durations, _CALL_POWERS, 1e6), sum_value=durations.total / 1e6)
    return family


def _own(name: str, tallies: Tallies, per: float = 1e6) -> Metric:
    text = "Our own time of a call: looking, the key, the way, the limits."
    own = tallies.own
    return HistogramMetricFamily(name, text, buckets=_buckets(own, _OWN_POWERS, per), sum_value=own.total / per)


def _buckets(durations: Durations, powers: range, per: float) -> list[tuple[str, float]]:
    edges: Iterable[float] = ((1 << power) / per for power in powers)
    counted = [(f"{edge:.12g}", float(count)) for edge, count in zip(edges, durations.below(powers), strict=True)]
    return [*counted, ("+Inf", float(durations.count))]
