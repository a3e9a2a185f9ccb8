"""Several nodes on one database: each finds the open calls and the places of its own journal, and leaves the others' alone."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("calls_open", "journal_positions"):
        op.add_column(table, sa.Column("node", sa.Text(), server_default="", nullable=False))
