"""Published APIs, and which one a call named."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "apis",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("defaults", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_apis")),
    )
    # A constant default: neither database touches the rows that are there, nor does the index hold any of them.
    op.add_column("calls", sa.Column("api", sa.Text(), server_default="", nullable=False))
    named: sa.ColumnElement[bool] = sa.literal_column("api <> ''")
    op.create_index(
        op.f("ix_calls_api_started_at"), "calls", ["api", "started_at"], unique=False, sqlite_where=named, postgresql_where=named
    )
