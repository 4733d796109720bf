"""The model that a user sets for a job that is sent again.

It is beside the body, which stays byte for byte as it was loaded.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; NULL is the model of the body."""
    op.add_column("payloads", sa.Column("set_model", sa.Text()))


def downgrade() -> None:
    """Drop the column: jobs are sent with the model of the body again."""
    op.drop_column("payloads", "set_model")
