"""What lets people in besides their password: access tokens, one-time links, second factors, other houses' word.

Of every secret that is only compared with, its SHA-256 is kept; of the two that have to be used (an authenticator's, an issuer's), a
sealed form.
"""

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint

from sekisho.storage.tables.base import metadata

access_tokens: Final = Table(
    "access_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True, doc="SHA-256 of the whole token."),
    Column("last4", Text, nullable=False),
    Column("scopes", JSON(none_as_null=True), doc="Permissions; null means all that the person may."),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, doc="To the minute, so that a busy script costs no write per request."),
    Column("revoked_at", BigInteger),
)

one_time_links: Final = Table(
    "one_time_links",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True, doc="SHA-256 of the link's secret."),
    Column("email", Text, doc="Whom an invitation is for, folded; only this address may use it."),
    Column("role", Text, doc="What somebody invited becomes."),
    Column("project_id", Text, ForeignKey("projects.id", ondelete="CASCADE"), index=True, doc="Where somebody invited becomes a member."),
    Column("project_role", Text),
    Column(
        "user_id",
        Text,
        ForeignKey("users.id", ondelete="CASCADE"),
        index=True,
        doc="Whose password is reset, or who came of an invitation.",
    ),
    Column("made_by", Text, nullable=False, server_default="", doc="The user who made it; empty for the local owner."),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Column("revoked_at", BigInteger),
    CheckConstraint("kind IN ('invitation', 'reset')", name="kind"),
    Index("ix_one_time_links_kind_created_at", "kind", "created_at"),
)

authenticators: Final = Table(
    "authenticators",
    metadata,
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False, doc="The newest step of which a code was taken; none at or before it is again."),
    Column("created_at", BigInteger, nullable=False),
    Column("confirmed_at", BigInteger, doc="Since when a login asks for it."),
)

recovery_codes: Final = Table(
    "recovery_codes",
    metadata,
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("used_at", BigInteger),
)

issuers: Final = Table(
    "issuers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True, doc="Stands in the address that the issuer sends people back to."),
    Column("title", Text, nullable=False),
    Column("issuer", Text, nullable=False, doc="As its tokens spell it."),
    Column("client_id", Text, nullable=False),
    Column("sealed_secret", LargeBinary, doc="Null for a public client."),
    Column("console_url", Text, nullable=False, doc="Where people reach this console."),
    Column("algorithm", Text, nullable=False),
    Column("scopes", JSON(none_as_null=True), nullable=False),
    Column("groups_claim", Text, nullable=False),
    Column("group_roles", JSON(none_as_null=True), nullable=False, doc="Group → role."),
    Column("default_role", Text, doc="Of who is in none of the groups; null lets them not in."),
    Column("link_by_email", Boolean, nullable=False, doc="Whether a verified address may open an account that is there already."),
    Column("ca_bundle", Text),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

issuer_identities: Final = Table(
    "issuer_identities",
    metadata,
    Column("id", Text, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False, doc="Who somebody is over there; an address may pass to another person, this may not."),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("last_login_at", BigInteger, nullable=False),
    UniqueConstraint("issuer", "subject"),
)
