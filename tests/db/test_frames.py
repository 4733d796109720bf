"""Frames: what many bodies share is stored once, and every reader of a body gets the whole of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_driver import NOW_MS, first_job, new_job, new_run

from runner.db.answers import results
from runner.db.intake import frames, new_jobs, new_rows
from runner.db.intake.frames import StoredFrame
from runner.db.intake.new_rows import NewRow
from runner.db.jobs.job_ids import job_id
from runner.db.jobs.job_selection import JobSelection
from runner.db.moves import model_moves
from runner.rules.requests.request import validate_with_model
from runner.rules.sending.rate_limits import NOT_GIVEN
from runner.rules.states import JobState

if TYPE_CHECKING:
    from run_driver import RunDriver
    from sqlalchemy import Connection

    from runner.db.counts.counters import Deltas
    from runner.db.session import Database
    from runner.rules.requests.validate import Validation

HEAD = b'{"model":"grok-4.3","messages":[{"role":"system","content":"Label it."},{"role":"user","content":'
TAIL = b"}]}"
FRAME = StoredFrame(0, HEAD, TAIL)


def add_framed(driver: RunDriver, bodies: list[bytes], frame: StoredFrame = FRAME) -> list[int]:
    """Add jobs in a frame after the one job of a run; return their ids."""
    jobs = [
        new_job(n, body)._replace(frame=frame.frame, custom_id=f"{frame.frame}-{n}")
        for n, body in enumerate(bodies, 2)
    ]

    def insert(connection: Connection, _: Deltas) -> None:
        new_jobs.insert_frames(connection, driver.run_id, [frame])
        new_jobs.insert(connection, driver.run_id, 1, jobs)

    driver.in_transaction(insert)
    return [job_id(driver.run_id, n) for n in range(1, len(bodies) + 1)]


def sent(database: Database, jobs: list[int]) -> list[bytes]:
    with database.read() as connection:
        found = results.request_bodies(connection, jobs)
    return [found[job][0] for job in jobs]


def test_a_body_is_its_bytes_between_those_of_its_frame(database: Database) -> None:
    """Also beside a job without a frame, and with a number of bytes that is that of the whole body."""
    driver = new_run(database, 1)
    jobs = add_framed(driver, [b'"one"', '"zw\u00f6lf"'.encode()])

    whole = sent(database, [first_job(driver), *jobs])

    assert whole == [b'{"model":"grok-4.3"}', HEAD + b'"one"' + TAIL, HEAD + '"zw\u00f6lf"'.encode() + TAIL]
    rows = driver.rows("SELECT body_bytes FROM jobs ORDER BY id")
    assert [row.body_bytes for row in rows] == [len(body) for body in whole]
    (stored,) = driver.rows("SELECT COUNT(*) AS n FROM frames")
    assert stored.n == 1


def test_a_large_body_has_its_frame_too(database: Database) -> None:
    """SQLite takes it in pieces."""
    driver = new_run(database, 1)
    large = b'"' + b"0123456789abcdef" * 70_000 + b'"'
    jobs = add_framed(driver, [b'"one"', large])

    assert sent(database, jobs) == [HEAD + b'"one"' + TAIL, HEAD + large + TAIL]


def test_each_run_has_frames_of_its_own(database: Database) -> None:
    """Two runs may give the same number to different frames."""
    drivers = [new_run(database, 1, identity=word) for word in "ab"]
    first = add_framed(drivers[0], [b"1"], StoredFrame(3, b"[", b"]"))
    second = add_framed(drivers[1], [b"2"], StoredFrame(3, b"<", b">"))

    assert sent(database, [*first, *second]) == [b"[1]", b"<2>"]


def test_a_job_that_names_no_frame_of_its_run_is_not_loaded(database: Database) -> None:
    """A caller that forgot the frame gets an error at once, not a body that is cut."""
    driver = new_run(database, 1)

    with pytest.raises(KeyError):
        driver.in_transaction(
            lambda c, _: new_jobs.insert(c, driver.run_id, 1, [new_job(2)._replace(frame=7)])
        )

    assert driver.rows("SELECT COUNT(*) AS n FROM jobs")[0].n == 1


def test_another_model_is_put_into_the_whole_body(database: Database) -> None:
    """It is validated with its frame; what is stored stays as it was loaded."""
    driver = new_run(database, 1)
    (job,) = add_framed(driver, [b'"one"'])
    driver.change(job, f"state = 'failed', error_code = 'some-code', finished_at_ms = {NOW_MS}")
    chosen = JobSelection(states=frozenset({JobState.FAILED}))
    seen: list[bytes] = []

    def validate(body: bytes) -> Validation:
        seen.append(body)
        return validate_with_model(body, model="grok-4", limits=NOT_GIVEN)

    driver.in_transaction(
        lambda c, d: model_moves.retry_with_model(c, driver.run_id, chosen, "grok-4", validate, NOW_MS, d)
    )

    assert seen == [HEAD + b'"one"' + TAIL]
    assert sent(database, [job]) == [seen[0].replace(b"grok-4.3", b"grok-4")]
    (payload,) = driver.rows("SELECT body FROM payloads WHERE job_id = :job", job=job)
    assert bytes(payload.body) == b'"one"'


def test_no_query_is_made_without_frames(database: Database) -> None:
    """Runs without a recipe pay nothing for it."""
    with database.read() as connection:
        assert frames.read(connection, set()) == {}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40)), max_size=4)
)
def test_any_bytes_come_back(database: Database, parts: list[tuple[bytes, bytes, bytes]]) -> None:
    """The database changes no byte of head, body and tail."""
    driver = new_run(database, 1, identity=hashlib.sha256(repr(parts).encode()).hexdigest())
    for number, (head, body, tail) in enumerate(parts):
        with database.write() as connection:
            new_jobs.insert_frames(connection, driver.run_id, [StoredFrame(number, head, tail)])
            job = new_job(number + 2, body)._replace(frame=number)
            new_jobs.insert(connection, driver.run_id, number + 1, [job])

    jobs = [job_id(driver.run_id, number + 1) for number in range(len(parts))]

    assert sent(database, jobs) == [b"".join(part) for part in parts]


def test_rows_are_stored_as_they_are_given(database: Database) -> None:
    """A row with its job, one that shares it, one that was skipped; a NUL does not stop the load."""
    driver = new_run(database, 1)
    job = first_job(driver)
    rows = [NewRow(1, job), NewRow(4, job), NewRow(7, None, "column a is\0 empty")]

    driver.in_transaction(lambda c, _: new_rows.insert(c, driver.run_id, rows))

    found = driver.rows("SELECT * FROM rows ORDER BY id")
    assert [tuple(row) for row in found] == [
        (job_id(driver.run_id, 1), job, None),
        (job_id(driver.run_id, 4), job, None),
        (job_id(driver.run_id, 7), None, "column a is\ufffd empty"),
    ]


def test_a_lease_counts_the_bytes_of_the_whole_body(database: Database) -> None:
    """What a process may hold in memory is bounded by them."""
    driver = new_run(database, 1)
    add_framed(driver, [b'"one"', b'"two"'])
    whole = len(HEAD) + len(TAIL) + 5

    found = driver.leased(bytes_max=20 + whole)

    assert [job.body_bytes for job in found] == [20, whole]
