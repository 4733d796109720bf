"""Answers and grades of a measurement: written by pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from sqlalchemy import text

from runner.db import bulk
from runner.db.evaluation import interned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

AnswerState = Literal["answered", "lost"]
_KEY: Final = [("measurement_id", "INT"), ("variant", "INT"), ("item_id", "INT"), ("epoch", "INT")]
_ANSWER: Final = [
    *(("is_answered", "INT"), ("service_id", "INT"), ("redrawn", "INT"), ("completion_tokens", "INT")),
    *(("latency_ms", "BIGINT"), ("ticks", "BIGINT"), ("received_at_ms", "BIGINT")),
    *(("code", "TEXT"), ("flaw", "TEXT"), ("sha256", "BYTEA")),
]
_GRADE: Final = [("value", "FLOAT8"), ("label_id", "INT")]


class AnswerRow(NamedTuple):
    """The first readable answer of an item in one epoch, or that it was lost (`code`: its error or state).

    `variant` is the place in the night's `variants`, `item_id` the database's. `redrawn`: later answers.
    """

    variant: int
    item_id: int
    epoch: int
    state: AnswerState
    code: str | None = None
    flaw: str | None = None
    model: str | None = None
    fingerprint: str | None = None
    completion_tokens: int | None = None
    ticks: int | None = None
    latency_ms: int | None = None
    received_at_ms: int | None = None
    redrawn: int = 0
    sha256: str | None = None


class GradeRow(NamedTuple):
    """What a grader says of an answer; `value` None: it could not be graded, for `reason`."""

    variant: int
    item_id: int
    epoch: int
    value: float | None
    label: str = ""
    reason: str | None = None


def put_answers(connection: Connection, measurement_id: int, rows: Sequence[AnswerRow]) -> None:
    """Write answers of a measurement; those of equal keys are replaced."""
    services = [interned.stored_service(row.model, row.fingerprint) for row in rows]
    ids = interned.service_ids(connection, services)
    values = [
        (
            *(measurement_id, row.variant, row.item_id, row.epoch),
            *(row.state == "answered", ids[service] if row.state == "answered" else None, row.redrawn),
            *(row.completion_tokens, row.latency_ms, row.ticks, row.received_at_ms),
            *(row.code, row.flaw, row.sha256 and bytes.fromhex(row.sha256)),
        )
        for row, service in zip(rows, services, strict=True)
    ]
    _upsert(connection, "eval_answers", _KEY, _ANSWER, values)


def put_grades(connection: Connection, measurement_id: int, grader_id: int, rows: Sequence[GradeRow]) -> None:
    """Write what one grader says of answers of a measurement; grades of equal keys are replaced."""
    labels = [interned.stored_label(row.label, row.reason) for row in rows]
    ids = interned.label_ids(connection, labels)
    values = [
        (measurement_id, row.variant, row.item_id, row.epoch, grader_id, row.value, ids.get(label))
        for row, label in zip(rows, labels, strict=True)
    ]
    _upsert(connection, "eval_grades", [*_KEY, ("grader_id", "INT")], _GRADE, values)


def is_graded_by(connection: Connection, measurement_id: int, grader_id: int) -> bool:
    """Return whether a grader has graded every answer of a measurement: a crash leaves the first pages."""
    query = text(
        "SELECT (SELECT COUNT(*) FROM eval_grades WHERE measurement_id = :id AND grader_id = :grader)"
        " AS graded, (SELECT COUNT(*) FROM eval_answers WHERE measurement_id = :same AND is_answered = 1)"
        " AS answered"
    )
    values = {"id": measurement_id, "same": measurement_id, "grader": grader_id}
    found = connection.execute(query, values).one()
    return bool(found.graded >= found.answered)


def _upsert(
    connection: Connection,
    table: str,
    keys: Sequence[bulk.Column],
    others: Sequence[bulk.Column],
    rows: Sequence[Sequence[object]],
) -> None:
    """Insert rows; where a row with equal keys is there, its other columns are replaced."""
    key_names, other_names = (", ".join(name for name, _ in columns) for columns in (keys, others))
    changes = ", ".join(f"{name} = excluded.{name}" for name, _ in others)
    bulk.execute(
        connection,
        [*keys, *others],
        rows,
        f"INSERT INTO {table} ({key_names}, {other_names}) SELECT {key_names}, {other_names} FROM v"
        f" WHERE measurement_id IS NOT NULL ON CONFLICT ({key_names}) DO UPDATE SET {changes}",
    )
