"""Who may call, and for which project."""

from typing import Final

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text

from sekisho.storage.tables.base import metadata

projects: Final = Table(
    "projects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
)

keys: Final = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True, doc="The public part of the key's text; stable through rotations."),
    Column("label", Text, nullable=False),
    Column("project_id", Text, ForeignKey("projects.id"), nullable=False),
    Column("models", JSON(none_as_null=True), doc="Canonical ids and `provider/*`; null means all."),
    Column("rpm", BigInteger),
    Column("tpm", BigInteger),
    Column("concurrency", BigInteger),
    Column("last4", Text, nullable=False, doc="The end of the newest secret."),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("rotated_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("revision", BigInteger, nullable=False, doc="The revision of the last change of the key or of its secrets."),
    CheckConstraint("rpm > 0 AND tpm > 0 AND concurrency > 0", name="limits"),
    Index("ix_keys_created_at", "created_at"),
    Index("ix_keys_revision", "revision"),
)

key_secrets: Final = Table(
    "key_secrets",
    metadata,
    Column("digest", LargeBinary, primary_key=True, doc="SHA-256 of the whole plain key."),
    Column("key_id", Text, ForeignKey("keys.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, doc="The end of a rotation's overlap; at or before its own rotation the secret is dead at once."),
)
