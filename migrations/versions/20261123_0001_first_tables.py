"""The first tables.

Names of states are written out: a migration stays as it was, whatever the code becomes later.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite: the row id itself


def upgrade() -> None:
    """Create all tables."""
    _runs()
    _jobs()
    _attempts()
    op.create_table(
        "workers",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )


def downgrade() -> None:
    """Drop all tables, with everything in them."""
    for table in (
        "workers",
        "results",
        "attempts",
        "payloads",
        "jobs",
        "run_counters",
        "run_events",
        "runs",
    ):
        op.drop_table(table)


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("repetition", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("pause_reason", sa.String(16)),
        sa.Column("pause_text", sa.Text()),
        sa.Column("input_path", sa.Text(), nullable=False),
        sa.Column("input_sha256", sa.String(64), nullable=False),
        sa.Column("output_path", sa.Text()),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_at_ms", sa.BigInteger()),
        sa.Column("finished_at_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("identity", "repetition", name="uq_runs_identity_repetition"),
        sa.CheckConstraint(
            "state IN ('cancelled', 'finished', 'loading', 'paused', 'ready', 'removing', 'running',"
            " 'waiting')",
            name=op.f("ck_runs_state"),
        ),
        sqlite_autoincrement=True,  # the id of a run that was removed never names another one
    )
    op.create_table(
        "run_events",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run_events"),
    )
    op.create_index("ix_run_events_run_id_id", "run_events", ["run_id", "id"])
    op.create_table(
        "run_counters",
        sa.Column("run_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "kind", "key", "shard", name="pk_run_counters"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("custom_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens_max", sa.Integer()),
        sa.Column("body_bytes", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", sa.Integer()),
        sa.Column("lease_until_ms", sa.BigInteger()),
        sa.Column("lease_gen", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("answered_by", sa.Integer()),
        sa.Column("spent", sa.Integer(), nullable=False),
        sa.Column("extras", sa.Integer(), nullable=False),
        sa.Column("polls", sa.Integer(), nullable=False),
        sa.Column("misses", sa.Integer(), nullable=False),
        sa.Column("settle_tries", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Text()),
        sa.Column("accepted_at_ms", sa.BigInteger()),
        sa.Column("reserved_ticks", sa.BigInteger()),
        sa.Column("error_code", sa.String(64)),
        sa.Column("finished_at_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("run_id", "custom_id", name="uq_jobs_run_id_custom_id"),
        sa.CheckConstraint(
            "state IN ('cancelled', 'collecting', 'failed', 'held', 'pending', 'stored', 'submitting',"
            " 'succeeded', 'waiting')",
            name=op.f("ck_jobs_state"),
        ),
        sa.CheckConstraint(
            "(state IN ('cancelled', 'failed', 'succeeded')) = (finished_at_ms IS NOT NULL)",
            name=op.f("ck_jobs_final_has_finished_at"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('waiting', 'collecting') OR request_id IS NOT NULL",
            name=op.f("ck_jobs_waiting_has_request_id"),
        ),
    )
    _partial_index("ix_jobs_pending", ["run_id", "id"], "state = 'pending'")
    _partial_index("ix_jobs_waiting", ["due_at_ms"], "state = 'waiting'")
    _partial_index("ix_jobs_held", ["id"], "state = 'held'")
    _partial_index("ix_jobs_failed", ["run_id", "error_code", "id"], "state = 'failed'")
    _partial_index(
        "ix_jobs_held_by_a_process", ["lease_until_ms"], "state IN ('submitting', 'collecting', 'stored')"
    )
    op.create_table(
        "payloads",
        sa.Column("job_id", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("metadata", sa.LargeBinary()),
        sa.Column("conv_id", sa.String(64)),
        sa.PrimaryKeyConstraint("job_id", name="pk_payloads"),
    )


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("job_id", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("attempt", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("worker", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Text()),
        sa.Column("reserved_ticks", sa.BigInteger()),
        sa.Column("outcome", sa.String(24), nullable=False),
        sa.Column("marked_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("sent_at_ms", sa.BigInteger()),
        sa.Column("accepted_at_ms", sa.BigInteger()),
        sa.Column("collected_at_ms", sa.BigInteger()),
        sa.Column("request_id", sa.Text()),
        sa.Column("http_status", sa.Integer()),
        sa.Column("error_code", sa.String(64)),
        sa.Column("error_message", sa.Text()),
        sa.Column("polls", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text()),
        sa.Column("finish_reason", sa.String(32)),
        sa.Column("flaw", sa.String(16)),
        sa.Column("prompt_tokens", sa.BigInteger()),
        sa.Column("cached_tokens", sa.BigInteger()),
        sa.Column("completion_tokens", sa.BigInteger()),
        sa.Column("reasoning_tokens", sa.BigInteger()),
        sa.Column("total_tokens", sa.BigInteger()),
        sa.Column("ticks", sa.BigInteger()),
        sa.Column("ticks_source", sa.String(16)),
        sa.Column("prices_as_of", sa.String(16)),
        sa.Column("possible_ticks", sa.BigInteger()),
        sa.PrimaryKeyConstraint("job_id", "attempt", name="pk_attempts"),
    )
    _partial_index("ix_attempts_flaw", ["job_id", "flaw"], "flaw IS NOT NULL", "attempts")
    op.create_table(
        "results",
        sa.Column("job_id", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("attempt", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("received_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", name="pk_results"),
        sa.UniqueConstraint("request_id", name="uq_results_request_id"),
    )


def _partial_index(name: str, columns: list[str], condition: str, table: str = "jobs") -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
