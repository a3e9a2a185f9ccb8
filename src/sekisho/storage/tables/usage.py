"""What was called. The recorder writes here with raw SQL, so columns carry names and not references: a deleted key keeps its history.

The indexes are few, because each is paid on every call.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from sekisho.storage.tables.base import Number, metadata

calls: Final = Table(
    "calls",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True, doc="The order of recording, which a tail follows."),
    Column("boot", Text, nullable=False),
    Column("seq", BigInteger, nullable=False, doc="With boot: the call's id `<boot>-<seq>`."),
    Column("request_id", Text, nullable=False),
    Column("client_request_id", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False, doc="core.model.records.Status"),
    Column("http_status", SmallInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("key_label", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("upstream_model", Text, nullable=False),
    Column("credential_id", Text, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("usage_source", SmallInteger, nullable=False, doc="core.model.chat.UsageSource"),
    Column("cost", BigInteger, doc="1e-10 units of currency; null where the model has no rate."),
    Column("currency", Text, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("ttfb_us", BigInteger),
    Column("stages", Text, nullable=False, doc="Microseconds joined by commas, in the order of core.model.records.STAGES."),
    Column("attempts", Integer, nullable=False),
    Column("upstream_status", SmallInteger, nullable=False),
    Column("error_code", Text, nullable=False),
    Column("error_message", Text, nullable=False),
    Column("finish_reason", Text, nullable=False),
    Column("bytes_in", BigInteger, nullable=False),
    Column("bytes_out", BigInteger, nullable=False),
    Column("api", Text, nullable=False, server_default="", doc="The API that the call named; empty where it named a model."),
    UniqueConstraint("boot", "seq"),
    Index("ix_calls_started_at", "started_at"),
    Index("ix_calls_status_started_at", "status", "started_at"),
    Index("ix_calls_key_id_started_at", "key_id", "started_at"),
    Index("ix_calls_model_started_at", "model", "started_at"),
    Index("ix_calls_provider_started_at", "provider", "started_at"),
    Index("ix_calls_project_started_at", "project", "started_at"),
    # Of those calls only that have a code: one that went well costs it nothing.
    Index(
        "ix_calls_error_code_started_at",
        "error_code",
        "started_at",
        sqlite_where=literal_column("error_code <> ''"),
        postgresql_where=literal_column("error_code <> ''"),
    ),
    # Likewise of those only that named an API.
    Index(
        "ix_calls_api_started_at",
        "api",
        "started_at",
        sqlite_where=literal_column("api <> ''"),
        postgresql_where=literal_column("api <> ''"),
    ),
    Index("ix_calls_request_id", "request_id"),
)

calls_open: Final = Table(
    "calls_open",
    metadata,
    Column("boot", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False, doc="The msgpack of the `CallBegan` frame."),
    Column("node", Text, nullable=False, server_default="", doc="Whose journal it stands in; empty where the database has one node."),
)

journal_positions: Final = Table(
    "journal_positions",
    metadata,
    Column("segment", Text, primary_key=True, doc="The segment's file name."),
    Column("offset", BigInteger, nullable=False, doc="Of the next frame."),
    Column("node", Text, nullable=False, server_default="", doc="In whose home it lies; as in `calls_open`."),
)

rollups_hourly: Final = Table(
    "rollups_hourly",
    metadata,
    Column(
        "hour", BigInteger, primary_key=True, autoincrement=False, doc="The start of the hour in which the call started, in microseconds."
    ),
    Column("model", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("project", Text, primary_key=True),
    Column(
        "currency",
        Text,
        primary_key=True,
        doc="Of the cost; empty where no call had a cost. A part of the key: amounts of two currencies are never added.",
    ),
    Column("key_label", Text, nullable=False, doc="The newest one seen."),
    Column("calls", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("cancelled", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False, doc="Calls without a cost: unknown, which is not zero."),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("ttfb_us", BigInteger, nullable=False),
    Column("ttfb_calls", BigInteger, nullable=False, doc="Calls that had a first byte: what ttfb_us is divided by."),
)


def _sums() -> tuple[Column[Any], ...]:
    """What is counted of a group of calls, as in `rollups_hourly`."""
    names = ("calls", "completed", "failed", "cancelled", "unpriced", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
    return tuple(Column(name, BigInteger, nullable=False) for name in (*names, "cost", "duration_us", "ttfb_us", "ttfb_calls"))


rollups_project: Final = Table(
    "rollups_project",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("project", Text, primary_key=True),
    Column("currency", Text, primary_key=True, doc="As in `rollups_hourly`."),
    *_sums(),
)

rollups_daily: Final = Table(
    "rollups_daily",
    metadata,
    Column("day", BigInteger, primary_key=True, autoincrement=False, doc="The start of the day in UTC, in microseconds."),
    Column("model", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("project", Text, primary_key=True),
    Column("currency", Text, primary_key=True, doc="As in `rollups_hourly`."),
    *_sums(),
)

rollups_latency: Final = Table(
    "rollups_latency",
    metadata,
    Column("step", BigInteger, primary_key=True, autoincrement=False, doc="How long the time is, in microseconds: an hour or a day (UTC)."),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("project", Text, primary_key=True),
    Column("duration", LargeBinary, nullable=False, doc="A histogram of the durations; see usage.reports.histograms."),
    Column("ttfb", LargeBinary, nullable=False, doc="The same of the times to the first byte."),
)

rollups_folded: Final = Table(
    "rollups_folded",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, doc="Always 1."),
    Column(
        "number", BigInteger, nullable=False, doc="The last call that the three tables above hold; what came after it is added when asked."
    ),
    CheckConstraint("id = 1", name="one_row"),
)
