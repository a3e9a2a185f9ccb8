"""Who may log in, and who is logged in.

Of a secret that somebody holds there is only its digest; of a password only its argon2id hash.
"""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text

from sekisho.storage.tables.base import metadata

users: Final = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True, doc="Folded: two spellings of one address are one person."),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("language", Text, doc="Null: as the browser asks."),
    Column("password", Text, doc="argon2id with its parameters; null for who logs in by another house's word only."),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("last_login_at", BigInteger),
    Column("deactivated_at", BigInteger, doc="Since when this person may not come in; null: may."),
    CheckConstraint("role IN ('owner', 'admin', 'user', 'guest')", name="role"),
    Index("ix_users_created_at", "created_at"),
    Index("ix_users_role", "role"),
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", Text, nullable=False, doc="console: a cookie; tokens: an access and a refresh token of a script."),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False, doc="To the minute, so that a busy console costs no write per request."),
    Column("expires_at", BigInteger, nullable=False, doc="The end whatever happens; being idle ends it sooner."),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False, doc="What the browser or script calls itself, cut."),
    CheckConstraint("kind IN ('console', 'tokens')", name="kind"),
    Index("ix_sessions_expires_at", "expires_at"),
)
"""A session that ended has no row."""

refresh_tokens: Final = Table(
    "refresh_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True, doc="SHA-256 of the token."),
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, doc="Once used, it opens nothing; seen again, it ends its session: somebody has a copy."),
)

setup_links: Final = Table(
    "setup_links",
    metadata,
    Column("digest", LargeBinary, primary_key=True, doc="SHA-256 of the link's secret."),
    Column("created_at", BigInteger, nullable=False),
)
"""At most one row, and none once there is an owner."""
