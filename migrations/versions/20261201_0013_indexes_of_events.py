"""Indexes of events by time, by kind and by run, and of workers by process: listings read no whole table."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ADDED = (
    ("run_events", ("at_ms", "id")),
    ("run_events", ("kind", "at_ms", "id")),
    ("operator_events", ("run_id", "id")),
    ("operator_events", ("at_ms", "id")),
    ("operator_events", ("kind", "at_ms", "id")),
    ("workers", ("host", "pid", "id")),
)


def upgrade() -> None:
    """Add them; no row is rewritten, and a worker of an older version works on as before.

    It reads each table a few times. Meanwhile others read it, and on PostgreSQL their writes wait.
    """
    for table, columns in _ADDED:
        op.create_index(_name(table, columns), table, list(columns))


def downgrade() -> None:
    """Drop them."""
    for table, columns in reversed(_ADDED):
        op.drop_index(_name(table, columns), table_name=table)


def _name(table: str, columns: tuple[str, ...]) -> str:
    return "_".join(("ix", table, *columns))
