"""Answers and grades are written by pages, again after a crash, and any text of them is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from night_driver import NightDriver, answer
from sqlalchemy import text

from runner.db.evaluation import grades, measurements
from runner.db.evaluation.graders import grader_ids
from runner.db.evaluation.grades import AnswerRow, GradeRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sqlalchemy import Connection

    from runner.db.session import Database


def add_measurement(driver: NightDriver) -> tuple[int, int]:
    """Store a night; return the ids of its measurement and its grader."""
    night = driver.begin()
    row = driver.write(measurements.add_measurement, night.id, 1, 5)
    return row.id, driver.read(grader_ids, night.id)["correct"]


def rows_of(driver: NightDriver, query: str) -> list[tuple[Any, ...]]:
    def select(connection: Connection) -> Sequence[Any]:
        return connection.execute(text(query)).all()

    return [tuple(row) for row in driver.read(select)]


def stored_grades(driver: NightDriver) -> list[tuple[Any, ...]]:
    return rows_of(
        driver,
        "SELECT variant, item_id, epoch, value, label, reason FROM eval_grades g"
        " LEFT JOIN eval_labels l ON l.id = g.label_id ORDER BY variant, item_id, epoch",
    )


def test_a_grader_that_a_crash_stopped_after_a_page_has_not_graded_all(database: Database) -> None:
    """What it lacks is graded again; a lost answer needs no grade."""
    driver = NightDriver(database)
    row, grader = add_measurement(driver)
    lost = AnswerRow(0, 2, 1, "lost", code="timeout")
    driver.write(grades.put_answers, row, [answer(0, 1, 1), answer(0, 1, 2), lost])
    driver.write(grades.put_grades, row, grader, [GradeRow(0, 1, 1, 1.0)])
    assert not driver.read(grades.is_graded_by, row, grader)
    driver.write(grades.put_grades, row, grader, [GradeRow(0, 1, 2, None, "", "it takes too long")])
    assert driver.read(grades.is_graded_by, row, grader)


def test_grades_are_replaced_by_key(database: Database) -> None:
    """Written again, the newest are there once; labels with reasons are stored once, and none is needed."""
    driver = NightDriver(database)
    row, grader = add_measurement(driver)
    first = [GradeRow(0, 1, 1, 1.0), GradeRow(0, 1, 2, 1 / 3, "A"), GradeRow(1, 1, 1, None, "A", "hung")]
    driver.write(grades.put_grades, row, grader, first)
    driver.write(grades.put_grades, row, grader, [GradeRow(0, 1, 2, 0.0, "A"), *first[2:]])

    assert stored_grades(driver) == [
        (0, 1, 1, 1.0, None, None),
        (0, 1, 2, 0.0, "A", ""),
        (1, 1, 1, None, "A", "hung"),
    ]
    assert rows_of(driver, "SELECT COUNT(*) FROM eval_labels") == [(2,)]


def test_answers_are_replaced_by_key(database: Database) -> None:
    """An answer that came later takes the place of a loss; services are stored once."""
    driver = NightDriver(database)
    row, _ = add_measurement(driver)
    lost = AnswerRow(0, 1, 1, "lost", code="http_500")
    driver.write(grades.put_answers, row, [lost, answer(0, 2, 1)])
    driver.write(grades.put_answers, row, [answer(0, 1, 1, flaw="length", sha256="0f" * 32)])

    columns = "item_id, is_answered, code, flaw, ticks, latency_ms, sha256, service_id"
    found = rows_of(driver, f"SELECT {columns} FROM eval_answers ORDER BY item_id")
    assert [stored[:4] for stored in found] == [(1, 1, None, "length"), (2, 1, None, None)]
    assert {stored[4:6] for stored in found} == {(1_000, 900)}
    assert [bytes(stored[6]).hex() for stored in found] == ["0f" * 32, "ab" * 32]
    assert found[0][7] == found[1][7]


def test_a_service_may_be_called_anything(database: Database) -> None:
    """What a server sends as its model is stored as text, and cut."""
    driver = NightDriver(database)
    row, _ = add_measurement(driver)
    names = ["\0", "\ud800", "x" * 5_000, "", None]
    found = [answer(0, 1, n, model=name, fingerprint=name) for n, name in enumerate(names)]
    driver.write(grades.put_answers, row, found)

    assert rows_of(driver, "SELECT COUNT(*) FROM eval_answers WHERE service_id IS NOT NULL") == [(5,)]
    assert rows_of(driver, "SELECT COUNT(*) FROM eval_services") == [(4,)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(0, 1)),
            st.text(st.characters(codec=None), max_size=120),  # lone surrogates and NUL among them
            st.one_of(st.none(), st.text(st.characters(codec=None), max_size=700)),
        ),
        max_size=12,
    )
)
def test_any_words_of_a_grade_are_stored(
    database: Database, found: list[tuple[float | None, str, str | None]]
) -> None:
    """Values come back exactly; text is cut to a length, and made text where it is none."""
    driver = NightDriver(database)
    row, grader = add_measurement(driver)
    written = [GradeRow(0, 1, epoch, *grade) for epoch, grade in enumerate(found, 1)]

    driver.write(lambda connection: connection.execute(text("DELETE FROM eval_grades")))
    driver.write(grades.put_grades, row, grader, written)

    stored = stored_grades(driver)
    assert [grade[3] for grade in stored] == [value for value, _, _ in found]
    assert all(len(grade[4] or "") <= 600 and len(grade[5] or "") <= 3_000 for grade in stored)
