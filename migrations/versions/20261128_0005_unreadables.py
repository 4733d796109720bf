"""Replies to fetches that are no answers, and jobs whose fetch died with its process."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite: the row id itself


def upgrade() -> None:
    """Add the table and the column; no row is rewritten."""
    op.create_table(
        "unreadables",
        sa.Column("job_id", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("attempt", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("replies", sa.Integer(), nullable=False),
        sa.Column("first_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("first_body", sa.LargeBinary(), nullable=False),
        sa.Column("last_body", sa.LargeBinary(), nullable=False),
        sa.Column("last_sha256", sa.String(64), nullable=False),
        sa.Column("last_bytes", sa.Integer(), nullable=False),
        sa.Column("same", sa.Integer(), nullable=False),
        sa.Column("same_since_ms", sa.BigInteger(), nullable=False),
        sa.Column("answers_before", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", name="pk_unreadables"),
    )
    op.add_column("jobs", sa.Column("interrupted_at_ms", sa.BigInteger()))


def downgrade() -> None:
    """Drop both."""
    op.drop_column("jobs", "interrupted_at_ms")
    op.drop_table("unreadables")
