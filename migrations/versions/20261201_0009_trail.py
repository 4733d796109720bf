"""The trail: who changed a run by a command, what it was before and after, and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ADDED = ("actor", "old", "new", "reason")


def upgrade() -> None:
    """Add columns that are NULL in all old events, and a table for what outlives runs or belongs to none.

    No row is rewritten. A worker of an older version still inserts its events: it names none of the columns.
    """
    for name in _ADDED:
        op.add_column("run_events", sa.Column(name, sa.Text()))
    op.create_table(
        "operator_events",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("run_id", sa.Integer()),
        sa.Column("run_name", sa.Text()),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("old", sa.Text()),
        sa.Column("new", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_operator_events"),
    )


def downgrade() -> None:
    """Drop them: who did what is forgotten, the events themselves stay."""
    op.drop_table("operator_events")
    for name in reversed(_ADDED):
        op.drop_column("run_events", name)
