"""Measurements of nights: which run answered all items, and whether its answers are graded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from runner.db.evaluation.stored_scores import listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sqlalchemy import Connection, Row

_COLUMNS = "id, night_id, number, run_id, is_graded"


@dataclass(frozen=True, slots=True)
class MeasurementRow:
    """All items of a night answered once, by one run: number 1, and 2 where it was measured again."""

    id: int
    night_id: int
    number: int
    run_id: int
    is_graded: bool


def add_measurement(connection: Connection, night_id: int, number: int, run_id: int) -> MeasurementRow:
    """Add a measurement; return the one of this number as it is where there is one.

    Where the run of that one was removed before it was graded, this run takes its place.
    """
    connection.execute(
        text(
            "INSERT INTO eval_measurements (night_id, number, run_id, is_graded)"
            " VALUES (:night, :number, :run, 0) ON CONFLICT (night_id, number) DO UPDATE"
            " SET run_id = excluded.run_id WHERE eval_measurements.is_graded = 0"
            " AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = eval_measurements.run_id)"
        ),
        {"night": night_id, "number": number, "run": run_id},
    )
    return next(row for row in measurements(connection, night_id) if row.number == number)


def lock_night(connection: Connection, night_id: int) -> None:
    """Lock a night's row until the transaction ends; on SQLite writing transactions never overlap."""
    suffix = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
    connection.execute(text(f"SELECT id FROM eval_nights WHERE id = :id{suffix}"), {"id": night_id})


def measurements(connection: Connection, night_id: int) -> list[MeasurementRow]:
    """Return the measurements of a night in order."""
    query = text(f"SELECT {_COLUMNS} FROM eval_measurements WHERE night_id = :night ORDER BY number")
    rows = connection.execute(query, {"night": night_id})
    return [_measurement(row) for row in rows]


def night_of_run(connection: Connection, run_id: int) -> int | None:
    """Return the id of the night that a run measures, or None."""
    query = text("SELECT night_id FROM eval_measurements WHERE run_id = :run")
    return connection.execute(query, {"run": run_id}).scalar_one_or_none()


def set_graded(connection: Connection, measurement_id: int) -> None:
    """Record that all answers of a measurement are graded by the graders of its night."""
    query = text("UPDATE eval_measurements SET is_graded = 1 WHERE id = :id")
    connection.execute(query, {"id": measurement_id})


def measurements_of(connection: Connection, night_ids: Sequence[int]) -> dict[int, list[MeasurementRow]]:
    """Return the graded measurements of nights by night, each in order."""
    found: dict[int, list[MeasurementRow]] = {night_id: [] for night_id in night_ids}
    if night_ids:
        query = (
            f"SELECT {_COLUMNS} FROM eval_measurements WHERE is_graded = 1"
            f" AND night_id IN ({listed(night_ids)}) ORDER BY night_id, number"
        )
        for row in connection.exec_driver_sql(query):
            found[row.night_id].append(_measurement(row))
    return found


def _measurement(row: Row[Any]) -> MeasurementRow:
    return MeasurementRow(row.id, row.night_id, row.number, row.run_id, bool(row.is_graded))
