"""What was refused before any upstream saw it."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, SmallInteger, Table, Text

from sekisho.storage.tables.base import Number, metadata

refusals: Final = Table(
    "refusals",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("http_status", SmallInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("suppressed", BigInteger, nullable=False, doc="Others like it that the flood bound left unwritten."),
    Index("ix_refusals_at", "at"),
)
