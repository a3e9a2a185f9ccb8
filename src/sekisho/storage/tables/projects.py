"""Who belongs to which project."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Table, Text

from sekisho.storage.tables.base import metadata

project_members: Final = Table(
    "project_members",
    metadata,
    Column("project_id", Text, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("role", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint("role IN ('maintainer', 'editor', 'viewer')", name="role"),
)
