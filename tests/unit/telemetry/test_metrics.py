"""What is counted of records, and the page that Prometheus reads, read by its own parser."""

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sekisho.core.model.records import CallBegan, CallEnded, Refused, Status
from sekisho.core.wire.link import Pulse
from sekisho.telemetry import tallies as counting
from sekisho.telemetry.metrics import Exposition, Gauges
from sekisho.telemetry.tallies import Call, Tallies

MARKS = (1_000_000, 1_001_000, 1_003_000, 1_006_000, 2_006_000, 2_016_000, 2_026_000, 2_036_000, 5_000_000, 10_000_000)
"""Nanoseconds: own time 25 µs, first byte after 4 ms, the end after 9."""
LABELS = (("model", "up/m"), ("provider", "up"))
PULSE = Pulse(
    at=1, revision=2, connections=3, in_flight=4, requests=5, refused=6, rss_bytes=7, buffered_bytes=8, upstream_connections=9,
    loop_lag_us=1500, calls=5, failed=1, journal_full=True, dropped=2,
)  # fmt: skip
GAUGES = Gauges(
    workers=[(1, PULSE), (2, PULSE)], requests=50, refused=6, dropped=2, journal_lag_s=0.5, set_aside=1, revision=9, database_up=False,
    live=3,
)  # fmt: skip


def call(model: str = "up/m", status: Status = Status.COMPLETED, **changed: Any) -> Call:
    began = CallBegan(1, "r", 1, "POST", "/", "::1", "k", "key", "p", model, "up", "m", "", stream=False)
    members: dict[str, Any] = dict(
        zip(CallEnded.__struct_fields__, (1, int(status), 200, 3, 5, 1, 2, 1, 70_000, "USD", MARKS, 1, 10, 20), strict=False)
    )
    return "boot", began, CallEnded(**members | changed)


def refusal(code: str, suppressed: int = 0) -> tuple[object, ...]:
    row = Refused(1, "r", "GET", "/", "::1", "", 404, code, "detail", suppressed)
    return tuple(getattr(row, name) for name in Refused.__struct_fields__)


def page(tallies: Tallies) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = Exposition(tallies).write(GAUGES).decode()
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    told = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}
    assert len(told) == len(found), "a series is told twice"
    return told


def test_calls_are_counted_by_model_and_by_their_end() -> None:
    tallies = Tallies()
    tallies.recorded([call(), call(status=Status.FAILED), call(cost=None, currency=""), call("up/other")], [])
    told = page(tallies)
    assert [told["sekisho_calls_total", (*LABELS, ("status", each))] for each in ("completed", "failed", "cancelled")] == [2, 1, 0]
    assert told["sekisho_tokens_total", (("kind", "input"), *LABELS)] == told["litellm_input_tokens_metric_total", LABELS] == 9
    assert told["bifrost_output_tokens_total", LABELS] == 15
    assert told["litellm_total_tokens_metric_total", LABELS] == 24
    assert told["sekisho_cost_total", (("currency", "USD"), *LABELS)] == pytest.approx(0.000014)
    assert told["litellm_proxy_total_requests_metric_total", (("model", "up/other"), ("provider", "up"))] == 1
    assert told["litellm_proxy_failed_requests_metric_total", LABELS] == 1


def test_times_are_histograms_that_add_up() -> None:
    tallies = Tallies()
    tallies.recorded([call(), call(marks=()), call(marks=(*MARKS[:8], 0, MARKS[9]))], [])
    told = page(tallies)
    buckets = [told["sekisho_call_duration_seconds_bucket", (("le", f"{2**power / 1e6:.12g}"), *LABELS)] for power in range(10, 29)]
    assert buckets == sorted(buckets)
    assert (buckets[0], buckets[3], buckets[4]) == (1, 1, 3), "one without a time, two of nine milliseconds"
    assert told["sekisho_call_duration_seconds_bucket", (("le", "+Inf"), *LABELS)] == 3
    assert told["sekisho_call_duration_seconds_sum", LABELS] == pytest.approx(0.018)
    assert told["sekisho_first_byte_seconds_count", LABELS] == 1
    assert told["sekisho_own_seconds_sum", ()] == pytest.approx(50e-6)
    assert told["tensorzero_inference_latency_overhead_seconds_count", ()] == 2
    assert told["bifrost_overhead_latency_microseconds_bucket", (("le", "32"),)] == 2
    assert told["bifrost_overhead_latency_microseconds_bucket", (("le", "16"),)] == 0


def test_refusals_count_those_that_the_flood_bound_left_unwritten() -> None:
    tallies = Tallies()
    tallies.recorded([], [refusal("not_found"), refusal("not_found", 41), refusal("key_missing")])
    told = page(tallies)
    assert told["sekisho_refusals_total", (("code", "not_found"),)] == 43
    assert told["sekisho_refusals_total", (("code", "key_missing"),)] == 1


def test_the_number_of_series_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MOST_SERIES", 3)
    monkeypatch.setattr(counting, "MOST_CODES", 2)
    tallies = Tallies()
    tallies.recorded([call(f"up/{number}") for number in range(50)], [refusal(f"code{number}") for number in range(50)])
    assert len(tallies.series) == 4
    assert tallies.series[counting.OTHER].calls == 47
    assert tallies.refusals == {"code0": 1, "code1": 1, "other": 48}


def test_the_house_is_told() -> None:
    told = page(Tallies())
    assert told["sekisho_requests_total", ()] == told["http_requests_total", ()] == 50
    assert told["sekisho_refused_total", ()] == 6
    assert told["sekisho_worker_loop_lag_seconds", (("worker", "2"),)] == 0.0015
    assert told["sekisho_journal_full", (("worker", "1"),)] == 1
    assert told["sekisho_journal_dropped_records_total", ()] == 2
    assert told["litellm_in_flight_requests", ()] == told["bifrost_active_requests", ()] == 8
    assert (told["sekisho_database_up", ()], told["sekisho_workers", ()], told["sekisho_live_feeds", ()]) == (0, 2, 3)
