"""What creating requests did that carried an `Idempotency-Key`, so that a repeat does nothing more."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

from sekisho.storage.tables.base import metadata

repeats: Final = Table(
    "repeats",
    metadata,
    Column("digest", LargeBinary, primary_key=True, doc="SHA-256 of the caller, the route and the key."),
    Column("body", LargeBinary, nullable=False, doc="SHA-256 of the request's body."),
    Column("what", Text, nullable=False, doc="What was made, for people."),
    Column("created_at", BigInteger, nullable=False),
    Column("answer", LargeBinary, doc="The answer, sealed for the place `repeats/<digest in hex>/answer`; null once it is not told again."),
    Column("answer_until", BigInteger, nullable=False),
    Index("ix_repeats_created_at", "created_at"),
)
