"""Bulk inserts of jobs: every column is stored, on both databases."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from run_driver import new_run
from sqlalchemy.exc import IntegrityError

from runner.db.answers import results
from runner.db.intake import new_jobs
from runner.db.intake.new_jobs import NewJob
from runner.db.jobs.job_ids import job_id, run_of

if TYPE_CHECKING:
    from runner.db.session import Database

ODD = b'{"model":"grok","messages":[{"role":"user","content":"\\u0000 \xf0\x9f\x98\x80 \t \\n"}]}'


def odd_job(line: int, custom_id: str) -> NewJob:
    return NewJob(
        line=line,
        custom_id=custom_id,
        model="grok-4.3",
        prompt_tokens=2**31 - 1,
        output_tokens_max=None,
        body=ODD,
        extra=b'{"a": "\xc3\xa4\\n\\\\"}',
        conv_id="c" * 64,
    )


def test_jobs_and_bodies_arrive_byte_for_byte(database: Database) -> None:
    """Neither COPY nor SQLite changes tabs, backslashes, line ends or emoji in ids and bodies."""
    driver = new_run(database, 2)
    ids = ["tab\there", "back\\slash\\N", "line\nend", "\U0001f600", "'; DROP TABLE jobs; --"]

    driver.in_transaction(
        lambda c, _: new_jobs.insert(c, driver.run_id, 2, [odd_job(9, word) for word in ids])
    )

    found = driver.rows("SELECT * FROM jobs WHERE line = 9 ORDER BY id")
    assert [row.custom_id for row in found] == ids
    assert [row.id for row in found] == [job_id(driver.run_id, n) for n in range(2, 7)]
    assert {run_of(row.id) for row in found} == {driver.run_id}
    row = found[0]
    assert (row.state, row.prompt_tokens, row.output_tokens_max) == ("pending", 2**31 - 1, None)
    assert row.body_bytes == len(ODD)
    with database.read() as connection:
        assert results.request_bodies(connection, [row.id]) == {row.id: (ODD, "c" * 64)}
    (payload,) = driver.rows("SELECT * FROM payloads WHERE job_id = :id", id=row.id)
    assert bytes(payload.metadata) == b'{"a": "\xc3\xa4\\n\\\\"}'
    assert driver.counts() == {("state", "pending"): 7}


def test_a_body_with_an_image_arrives_byte_for_byte(database: Database) -> None:
    """It is written in pieces; the rows beside it are not."""
    driver = new_run(database, 1)
    large = b'{"image":"' + b"0123456789abcdef" * 200_000 + b'"}'
    bodies = [ODD, large, ODD, large[: (1 << 20) + 1]]
    jobs = [odd_job(n, f"r-{n + 8}")._replace(body=body) for n, body in enumerate(bodies, 2)]

    driver.in_transaction(lambda c, _: new_jobs.insert(c, driver.run_id, 1, jobs))

    found = driver.rows("SELECT body, metadata, conv_id FROM payloads ORDER BY job_id")[1:]
    assert [bytes(row.body) for row in found] == bodies
    assert {bytes(row.metadata) for row in found} == {jobs[0].extra}
    assert {row.conv_id for row in found} == {"c" * 64}
    assert [row.body_bytes for row in driver.rows("SELECT body_bytes FROM jobs ORDER BY id")[1:]] == [
        len(body) for body in bodies
    ]


def test_an_id_twice_in_a_run_loads_nothing_of_the_chunk(database: Database) -> None:
    """The database refuses it; the transaction leaves neither rows nor counts."""
    driver = new_run(database, 1)

    with pytest.raises(IntegrityError, match=r"(?i)unique"):
        driver.in_transaction(
            lambda c, _: new_jobs.insert(c, driver.run_id, 1, [odd_job(2, "new"), odd_job(3, "r-1")])
        )

    assert driver.rows("SELECT COUNT(*) FROM jobs")[0][0] == 1
    assert driver.counts() == {("state", "pending"): 1}


def test_no_jobs_are_no_error(database: Database) -> None:
    """An empty chunk changes nothing."""
    driver = new_run(database, 1)

    driver.in_transaction(lambda c, _: new_jobs.insert(c, driver.run_id, 1, []))

    assert driver.counts() == {("state", "pending"): 1}


def test_hosts_share_the_lock_of_a_name(postgres_database: Database) -> None:
    """On PostgreSQL a second holder of a name waits for the first, one of another name does not."""
    database = postgres_database
    order = []
    entered = threading.Event()

    def second() -> None:
        with new_jobs.shared_lock(database, "other"):
            entered.set()
        with new_jobs.shared_lock(database, "same"):
            order.append("second")

    thread = threading.Thread(target=second)
    with new_jobs.shared_lock(database, "same"):
        thread.start()
        assert entered.wait(120)
        order.append("first")
    thread.join()

    assert order == ["first", "second"]
