"""Tables as input: shared parts of bodies, rows without a job of their own, and answers asked for again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite: the row id itself
_ADDED = (
    ("payloads", "frame"),
    ("runs", "recipe"),
    ("runs", "needs"),
    ("jobs", "asks"),
    ("jobs", "asked_after"),
    ("jobs", "ask_tokens"),
)


def upgrade() -> None:
    """Add the tables and columns; no row is rewritten. Old jobs have no frame and were never asked again."""
    op.create_table(
        "frames",
        sa.Column("run_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("frame", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("tail", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "frame", name="pk_frames"),
    )
    op.create_table(
        "rows",
        sa.Column("id", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("job_id", sa.BigInteger()),
        sa.Column("fault", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_rows"),
    )
    op.add_column("payloads", sa.Column("frame", sa.Integer()))
    op.add_column("runs", sa.Column("recipe", sa.Text()))
    op.add_column("runs", sa.Column("needs", sa.Text()))
    op.add_column("jobs", sa.Column("asks", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("asked_after", sa.Integer()))
    op.add_column("jobs", sa.Column("ask_tokens", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop them: bodies in frames lose their frames."""
    for table, column in reversed(_ADDED):
        op.drop_column(table, column)
    op.drop_table("rows")
    op.drop_table("frames")
