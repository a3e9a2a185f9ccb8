"""Who may call, and for which project."""

from typing import Final

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text

from sekisho.storage.tables.base import metadata

projects: Final = Table(
    "projects",
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "name",
        Text,
        nullable=False,
        unique=True,
        doc="Never changes and is never used again: calls carry it, and it decides who sees them.",
    ),
    Column("created_at", BigInteger, nullable=False),
    Column("title", Text, nullable=False, server_default="", doc="For people; empty means the name."),
    Column("description", Text, nullable=False, server_default=""),
    Column("owner_id", Text, doc="Of the user who made it; null where the local owner did, or that user is gone."),
    Column("updated_at", BigInteger, nullable=False, server_default="0", doc="Zero until the first change."),
    Column("archived_at", BigInteger, doc="Since when it takes no new keys and members."),
    Column("deleted_at", BigInteger, doc="Since when it is gone for people. The row stays for its dead keys and its name."),
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
    Column("created_by", Text, doc="The user who made it; null for the local owner. No reference: users go, keys stay."),
    Column("disabled_at", BigInteger, doc="Since when it is switched off; null where it is on."),
    CheckConstraint("rpm > 0 AND tpm > 0 AND concurrency > 0", name="limits"),
    Index("ix_keys_created_at", "created_at"),
    Index("ix_keys_project_id_created_at", "project_id", "created_at"),
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
