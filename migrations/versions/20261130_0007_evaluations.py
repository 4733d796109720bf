"""Evaluations: suites, their nights with items, answers and grades, and the verdicts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = (
    "eval_suites",
    "eval_nights",
    "eval_verdicts",
    "eval_measurements",
    "eval_items",
    "eval_night_items",
    "eval_graders",
    "eval_night_graders",
    "eval_services",
    "eval_labels",
    "eval_answers",
    "eval_grades",
)


def upgrade() -> None:
    """Add the tables; no row is rewritten."""
    op.create_table(
        "eval_suites",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_eval_suites"),
        sa.UniqueConstraint("name", name="uq_eval_suites_name"),
    )
    op.create_table(
        "eval_nights",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("suite_id", sa.Integer(), nullable=False),
        sa.Column("occasion", sa.String(64), nullable=False),
        sa.Column("repetition", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger()),
        sa.Column("on_end_at_ms", sa.BigInteger()),
        sa.Column("verdict", sa.String(16)),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("is_valid", sa.SmallInteger(), nullable=False),
        sa.Column("is_accepted", sa.SmallInteger(), nullable=False),
        sa.Column("pinned_as", sa.Text()),
        sa.Column("variants", sa.Text(), nullable=False),
        sa.Column("options", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("spec", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_eval_nights"),
        sa.CheckConstraint("state IN ('ended', 'open')", name=op.f("ck_eval_nights_state")),
        sa.UniqueConstraint("name", name="uq_eval_nights_name"),
        sa.UniqueConstraint(
            "suite_id", "occasion", "repetition", name="uq_eval_nights_suite_id_occasion_repetition"
        ),
        sa.UniqueConstraint("suite_id", "pinned_as", name="uq_eval_nights_suite_id_pinned_as"),
    )
    op.create_table(
        "eval_verdicts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("night_id", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=False),
        sa.Column("mean", sa.Double()),
        sa.Column("measured", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("ticks", sa.BigInteger(), nullable=False),
        sa.Column("services", sa.Text(), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_eval_verdicts"),
    )
    op.create_index("ix_eval_verdicts_night_id_id", "eval_verdicts", ["night_id", "id"])
    op.create_table(
        "eval_measurements",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("night_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("is_graded", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_eval_measurements"),
        sa.UniqueConstraint("night_id", "number", name="uq_eval_measurements_night_id_number"),
    )
    op.create_index("ix_eval_measurements_run_id", "eval_measurements", ["run_id"])
    op.create_table(
        "eval_items",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("suite_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_eval_items"),
        sa.UniqueConstraint("suite_id", "key", "sha256", name="uq_eval_items_suite_id_key_sha256"),
    )
    op.create_table(
        "eval_night_items",
        sa.Column("night_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("night_id", "position", name="pk_eval_night_items"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "eval_graders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("suite_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("spec", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_eval_graders"),
        sa.UniqueConstraint("suite_id", "name", "sha256", name="uq_eval_graders_suite_id_name_sha256"),
    )
    op.create_table(
        "eval_night_graders",
        sa.Column("night_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("grader_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("night_id", "grader_id", name="pk_eval_night_graders"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "eval_services",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_eval_services"),
        sa.UniqueConstraint("model", "fingerprint", name="uq_eval_services_model_fingerprint"),
    )
    op.create_table(
        "eval_labels",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_eval_labels"),
        sa.UniqueConstraint("label", "reason", name="uq_eval_labels_label_reason"),
    )
    op.create_table(
        "eval_answers",
        sa.Column("measurement_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("variant", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("item_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("epoch", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("is_answered", sa.SmallInteger(), nullable=False),
        sa.Column("service_id", sa.Integer()),
        sa.Column("redrawn", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer()),
        sa.Column("latency_ms", sa.BigInteger()),
        sa.Column("ticks", sa.BigInteger()),
        sa.Column("received_at_ms", sa.BigInteger()),
        sa.Column("code", sa.Text()),
        sa.Column("flaw", sa.String(16)),
        sa.Column("sha256", sa.LargeBinary(32)),
        sa.PrimaryKeyConstraint("measurement_id", "variant", "item_id", "epoch", name="pk_eval_answers"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "eval_grades",
        sa.Column("measurement_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("grader_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("variant", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("item_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("epoch", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("value", sa.Double()),
        sa.Column("label_id", sa.Integer()),
        sa.PrimaryKeyConstraint(
            "measurement_id", "grader_id", "variant", "item_id", "epoch", name="pk_eval_grades"
        ),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop them; refused while there are nights, as their scores are nowhere else."""
    nights = op.get_bind().execute(sa.text("SELECT COUNT(*) FROM eval_nights")).scalar_one()
    if nights:
        raise CommandError(
            f"nights of evaluations in the database: {nights}; schema 0006 has no place for their scores, and"
            " nothing was changed. Go back to a copy of the database that was made before, or, to lose them,"
            " empty the table eval_nights first"
        )
    for table in reversed(_TABLES):
        op.drop_table(table)
