"""The rows that records become, and the recorder's SQL: written by hand, for it is the most frequent of the house."""

from collections.abc import Iterable
from typing import Final

from sekisho.core.model.ids import split_recorded
from sekisho.core.model.records import CallBegan, CallEnded
from sekisho.kit import clock as clocks

MOST_TOKENS: Final = 10**12
MOST_COST: Final = 10**16
"""A provider may claim anything; sums of what is kept stay within 64 bits."""
HOUR: Final = 3600 * clocks.SECOND

CALL_COLUMNS: Final = (
    *("boot", "seq", "request_id", "client_request_id", "started_at", "status", "http_status", "method", "path", "address", "user_agent"),
    *("key_id", "key_label", "project", "model", "provider", "upstream_model", "credential_id", "stream", "input_tokens", "output_tokens"),
    *("cached_tokens", "reasoning_tokens", "usage_source", "cost", "currency", "duration_us", "ttfb_us", "stages", "attempts"),
    *("upstream_status", "error_code", "error_message", "finish_reason", "bytes_in", "bytes_out", "api"),
)
ROLLUP_KEY: Final = ("hour", "model", "provider", "key_id", "project", "currency")
ROLLUP_SUMS: Final = (
    *("calls", "completed", "failed", "cancelled", "unpriced", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"),
    *("cost", "duration_us", "ttfb_us", "ttfb_calls"),
)
REFUSAL_COLUMNS: Final = ("at", "request_id", "method", "path", "address", "key_id", "http_status", "code", "detail", "suppressed")


Row = tuple[object, ...]
Record = tuple[str, CallBegan, CallEnded]
"""A whole call: its boot, its begin, its end."""


class Statements:
    """The recorder's SQL, with parameters spelled as one driver wants them."""

    def __init__(self, mark: str) -> None:
        def insert(table: str, columns: tuple[str, ...]) -> str:
            return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join((mark,) * len(columns))})"  # noqa: S608 - constants

        self.call: Final = insert("calls", CALL_COLUMNS)
        self.rollup: Final = (
            insert("rollups_hourly", (*ROLLUP_KEY, *ROLLUP_SUMS, "key_label"))
            + f" ON CONFLICT ({', '.join(ROLLUP_KEY)}) DO UPDATE SET key_label = excluded.key_label, "
            + ", ".join(f"{name} = rollups_hourly.{name} + excluded.{name}" for name in ROLLUP_SUMS)
        )
        self.refusal: Final = insert("refusals", REFUSAL_COLUMNS)
        self.opened: Final = insert("calls_open", ("boot", "seq", "payload", "node")) + " ON CONFLICT (boot, seq) DO NOTHING"
        self.ended: Final = f"DELETE FROM calls_open WHERE boot = {mark} AND seq = {mark}"  # noqa: S608
        self.place: Final = (
            insert("journal_positions", ("segment", '"offset"', "node"))
            + ' ON CONFLICT (segment) DO UPDATE SET "offset" = excluded."offset"'
        )
        self.forget: Final = f"DELETE FROM journal_positions WHERE segment = {mark}"  # noqa: S608
        self.places: Final = f'SELECT segment, "offset" AS place FROM journal_positions WHERE node = {mark}'  # noqa: S608
        self.open: Final = f"SELECT boot, seq, payload FROM calls_open WHERE node = {mark}"  # noqa: S608
        self.known: Final = f"SELECT 1 FROM calls WHERE boot = {mark} AND seq = {mark}"  # noqa: S608


def rows_of(records: Iterable[Record]) -> tuple[list[Row], list[Row]]:
    """The rows of `calls`, and the sums that the same calls add to `rollups_hourly`."""
    calls: list[Row] = []
    hours: dict[Row, list[int]] = {}
    labels: dict[Row, str] = {}
    for boot, began, ended in records:
        api, model = split_recorded(began.model)
        tokens_in, tokens_out = min(ended.input_tokens, MOST_TOKENS), min(ended.output_tokens, MOST_TOKENS)
        cached, reasoning = min(ended.cached_tokens, MOST_TOKENS), min(ended.reasoning_tokens, MOST_TOKENS)
        cost = None if ended.cost is None else min(ended.cost, MOST_COST)
        calls.append(
            (
                boot,
                ended.seq,
                began.request_id,
                began.client_request_id,
                began.started_at,
                ended.status,
                ended.http_status,
                began.method,
                began.path,
                began.address,
                began.user_agent,
                began.key_id,
                began.key_label,
                began.project,
                model,
                began.provider,
                began.upstream_model,
                began.credential_id,
                began.stream,
                tokens_in,
                tokens_out,
                cached,
                reasoning,
                ended.usage_source,
                cost,
                ended.currency,
                ended.duration_us,
                ended.ttfb_us,
                ",".join(map(str, ended.stages)),
                ended.attempts,
                ended.upstream_status,
                ended.error_code,
                ended.error_message,
                ended.finish_reason,
                ended.bytes_in,
                ended.bytes_out,
                api,
            )
        )
        hour = began.started_at - began.started_at % HOUR
        key = (hour, model, began.provider, began.key_id, began.project, "" if cost is None else ended.currency)
        sums = hours.get(key)
        if sums is None:
            sums = hours[key] = [0] * len(ROLLUP_SUMS)
        sums[0] += 1
        sums[1 + ended.status] += 1
        sums[4] += cost is None
        sums[5] += tokens_in
        sums[6] += tokens_out
        sums[7] += cached
        sums[8] += reasoning
        sums[9] += cost or 0
        sums[10] += ended.duration_us
        if ended.ttfb_us is not None:
            sums[11] += ended.ttfb_us
            sums[12] += 1
        labels[key] = began.key_label
    return calls, [(*key, *sums, labels[key]) for key, sums in hours.items()]
