"""The limits that were set for teams, and what the settings of their hosts said last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make two tables, which are empty: a worker that starts sets what its settings have.

    A worker of an older version reads neither. Where it sets limits in Redis, workers of this version set
    those of the database again within seconds.
    """
    op.create_table(
        "team_limits",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("team", sa.Text()),
        sa.Column("rpm", sa.BigInteger()),
        sa.Column("tpm", sa.BigInteger()),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_team_limits"),
    )
    op.create_table(
        "team_settings",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("name", sa.String(8), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "host", "name", name="pk_team_settings"),
    )


def downgrade() -> None:
    """Drop them; what is in Redis still holds there."""
    op.drop_table("team_settings")
    op.drop_table("team_limits")
