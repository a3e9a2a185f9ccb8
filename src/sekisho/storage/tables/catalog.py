"""Where models are served, what opens those places, and what a token costs there."""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from sekisho.storage.tables.base import Number, metadata

providers: Final = Table(
    "providers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False, doc="One of core.model.snapshot.PROVIDER_KINDS."),
    Column("base_url", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("state", Text, nullable=False, doc="What the last probe found: unprobed, ready, failing."),
    Column("ca_bundle", Text, doc="PEM text of the authorities to trust instead of the system's."),
    Column("timeouts", JSON(none_as_null=True), doc="Seconds by name; null and missing names mean the defaults."),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

credentials: Final = Table(
    "credentials",
    metadata,
    Column("id", Text, primary_key=True),
    Column("provider_id", Text, ForeignKey("providers.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False, doc="Sealed for the place `credentials/<id>/sealed`."),
    Column("last4", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("weight", Integer, nullable=False),
    Column("state", Text, nullable=False, doc="active or disabled."),
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint("weight >= 0", name="weight"),
)

models: Final = Table(
    "models",
    metadata,
    Column("id", Text, primary_key=True, doc="Internal; people see `<provider's name>/<name>`, which a renamed provider changes."),
    Column("provider_id", Text, ForeignKey("providers.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("upstream_model", Text, nullable=False),
    Column("capabilities", JSON(none_as_null=True), doc="Null means whatever the provider's dialect has."),
    Column("context_length", BigInteger),
    Column("origin", Text, nullable=False, doc="listed (found at the provider) or added (by a person)."),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("provider_id", "name"),
)

apis: Final = Table(
    "apis",
    metadata,
    Column("name", Text, primary_key=True, doc="As clients call it, and keys are scoped to it; never the name of a model."),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("target", Text, nullable=False, doc="A model's canonical id; no reference, for a model may go, and some are no rows."),
    Column("enabled", Boolean, nullable=False),
    Column("defaults", JSON(none_as_null=True), nullable=False, doc="What is sent along where a caller's body says nothing of it."),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

rates: Final = Table(
    "rates",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("model_id", Text, ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
    Column("from_at", BigInteger, nullable=False, doc="In force from this time until the next one of the model."),
    Column("input", BigInteger, nullable=False, doc="1e-10 units of currency per token."),
    Column("output", BigInteger, nullable=False),
    Column("cached", BigInteger),
    Column("currency", Text, nullable=False),
    Column("source", Text, nullable=False, doc="Who set it: user, or the name and version of a price list."),
    UniqueConstraint("model_id", "from_at"),
    CheckConstraint("input >= 0 AND output >= 0 AND (cached IS NULL OR cached >= 0)", name="prices"),
)
