"""For reading: indexes of the lists, sums that long reports read, keys that can be switched off, and what repeated requests did."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _sums() -> list[sa.Column[Any]]:
    names = ("calls", "completed", "failed", "cancelled", "unpriced", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in (*names, "cost", "duration_us", "ttfb_us", "ttfb_calls")]


def upgrade() -> None:
    op.add_column("keys", sa.Column("created_by", sa.Text(), nullable=True))
    op.add_column("keys", sa.Column("disabled_at", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_keys_project_id_created_at"), "keys", ["project_id", "created_at"], unique=False)
    op.create_index(op.f("ix_calls_provider_started_at"), "calls", ["provider", "started_at"], unique=False)
    op.create_index(op.f("ix_calls_project_started_at"), "calls", ["project", "started_at"], unique=False)
    with_code: sa.ColumnElement[bool] = sa.literal_column("error_code <> ''")
    op.create_index(
        op.f("ix_calls_error_code_started_at"),
        "calls",
        ["error_code", "started_at"],
        unique=False,
        sqlite_where=with_code,
        postgresql_where=with_code,
    )
    op.create_table(
        "rollups_project",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        *_sums(),
        sa.PrimaryKeyConstraint("hour", "project", "currency", name=op.f("pk_rollups_project")),
    )
    op.create_table(
        "rollups_daily",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        *_sums(),
        sa.PrimaryKeyConstraint("day", "model", "provider", "key_id", "project", "currency", name=op.f("pk_rollups_daily")),
    )
    op.create_table(
        "rollups_latency",
        sa.Column("step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("duration", sa.LargeBinary(), nullable=False),
        sa.Column("ttfb", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("step", "start", "project", name=op.f("pk_rollups_latency")),
    )
    # Without its row nothing is folded yet: calls that are there already follow a few thousand at a time, and reports add them meanwhile.
    op.create_table(
        "rollups_folded",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_rollups_folded_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollups_folded")),
    )
    op.create_table(
        "repeats",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("answer_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_repeats")),
    )
    op.create_index(op.f("ix_repeats_created_at"), "repeats", ["created_at"], unique=False)
