"""What was refused before any upstream saw it, and who changed what."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, SmallInteger, Table, Text

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

audit_rows: Final = Table(
    "audit_rows",
    metadata,
    Column("seq", Number, primary_key=True, autoincrement=False, doc="core.model.audit.AuditRow has the meaning of each column."),
    Column("at", BigInteger, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("actor_token", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("actor_salt", LargeBinary, nullable=False),
    Column("actor_digest", LargeBinary, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object_kind", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("person_id", Text, nullable=False),
    Column("before", Text, nullable=False, doc="JSON as it was hashed, or empty; as text, because databases spell JSON anew."),
    Column("after", Text, nullable=False),
    Column("detail_salt", LargeBinary, nullable=False),
    Column("detail_digest", LargeBinary, nullable=False),
    Column("prev", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("ix_audit_rows_at", "at"),
    Index("ix_audit_rows_action_seq", "action", "seq"),
    Index("ix_audit_rows_actor_seq", "actor", "seq"),
    Index("ix_audit_rows_actor_id_seq", "actor_id", "seq"),
    Index("ix_audit_rows_object_id_seq", "object_id", "seq"),
    Index("ix_audit_rows_project_seq", "project", "seq"),
    Index("ix_audit_rows_person_id_seq", "person_id", "seq"),
)

audit_heads: Final = Table(
    "audit_heads",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, doc="Always 1."),
    Column("seq", BigInteger, nullable=False, doc="Of the last row."),
    Column("hash", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False, doc="Both, sealed for the place `audit_heads/1/sealed`: who lacks the key makes none."),
    CheckConstraint("id = 1", name="one_row"),
)
