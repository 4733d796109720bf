"""A page of jobs: complete, in the order of the file, from an index, or with what it has looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import listing_rows
import pytest
import query_plans
from sqlalchemy import text

from runner.db.jobs import listed_jobs
from runner.db.jobs.job_ids import ordinal_of
from runner.db.jobs.job_selection import JobSelection
from runner.db.jobs.listed_jobs import EVERY_STATE, JobPage, LookedAt, read_page
from runner.rules.states import JobState as S

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.session import Database

JOBS = 20_000
ENDED, AT_WORK = 1, 2  # runs of listing_rows
KEYS = {"pk_jobs", "pk_attempts"}
SMALL = 1_000  # a window that ends before the run does
ONE_LEVEL_MORE = 270  # blocks, where the indexes of a larger table have one: five lookups for each of 50 jobs


def of(*states: S, **narrowed: Any) -> JobSelection:
    return JobSelection(states=frozenset(states) or EVERY_STATE, **narrowed)


PAGES = {  # run, jobs, window, and the index beside the keys
    "all": (AT_WORK, of(), JOBS, ""),
    "failed": (ENDED, of(S.FAILED), JOBS, "ix_jobs_failed"),
    "failed or held, by code": (
        ENDED,
        of(S.FAILED, S.HELD, code="safety"),
        JOBS,
        "ix_jobs_failed ix_jobs_held",
    ),
    "failed, by model": (ENDED, of(S.FAILED, models=("grok-3",)), JOBS, "ix_jobs_failed"),
    "failed, by model, too many": (ENDED, of(S.FAILED, models=("grok-3",)), 100, ""),
    "held": (ENDED, of(S.HELD), JOBS, "ix_jobs_held"),
    "cancelled": (ENDED, of(S.CANCELLED), JOBS, "ix_jobs_cancelled"),
    "pending": (AT_WORK, of(S.PENDING), JOBS, "ix_jobs_pending"),
    "pending, by model, too many": (AT_WORK, of(S.PENDING, models=("grok-3",)), SMALL, ""),
    "waiting": (AT_WORK, of(S.WAITING), JOBS, "ix_jobs_waiting"),
    "being sent": (AT_WORK, of(S.SUBMITTING), JOBS, "ix_jobs_held_by_a_process"),
    "succeeded": (ENDED, of(S.SUCCEEDED), SMALL, ""),
    "by model": (AT_WORK, of(models=("grok-3",)), SMALL, ""),
    "by flaw": (ENDED, of(flaw="length"), JOBS, "ix_attempts_flaw"),
    "by flaw, too many": (ENDED, of(flaw="empty"), 10, "ix_attempts_flaw"),
    "by flaw and model": (
        ENDED,
        of(S.SUCCEEDED, flaw="length", models=("grok-4.3",)),
        JOBS,
        "ix_attempts_flaw",
    ),
}


def filled(database: Database, jobs: int = JOBS) -> None:
    """Insert runs whose waiting jobs are due in another order than that of the file."""
    with database.write() as connection:
        listing_rows.insert(connection, jobs)
        connection.execute(text("UPDATE jobs SET due_at_ms = -id WHERE state = 'waiting'"))


def ids(page: JobPage) -> list[int]:
    return [job.id for job in page.jobs]


def all_pages(
    connection: Connection, run: int, chosen: JobSelection, rows: int, window: int
) -> list[JobPage]:
    pages = [read_page(connection, run, chosen, rows, None, window)]
    while (after := pages[-1].next_after) is not None:
        pages.append(read_page(connection, run, chosen, rows, after, window))
    return pages


def condition(chosen: JobSelection) -> str:
    """Return what a selection means, in SQL that no index was thought of in."""
    listed = ", ".join(f"'{state}'" for state in chosen.states)
    parts = [f"state IN ({listed})"]
    parts += [f"error_code = '{chosen.code}'"] if chosen.code else []
    parts += [f"model = '{chosen.models[0]}'"] if chosen.models else []
    flawed = f"SELECT job_id FROM attempts WHERE flaw = '{chosen.flaw}'"
    return " AND ".join([*parts, *([f"id IN ({flawed})"] if chosen.flaw else [])])


@pytest.mark.parametrize("name", PAGES)
def test_pages_have_each_chosen_job_once_in_order(database: Database, name: str) -> None:
    """Whatever finds them; each page but the last names where the next one begins."""
    run, chosen, window, _ = PAGES[name]
    filled(database, 4_000)
    query = f"SELECT id FROM jobs WHERE run_id = {run} AND {condition(chosen)} ORDER BY id"
    with database.read() as connection:
        wanted = connection.execute(text(query)).scalars().all()
        pages = all_pages(connection, run, chosen, 37, min(window, 700))

    assert [job for page in pages for job in ids(page)] == wanted
    assert all(len(page.jobs) <= 37 for page in pages)
    assert bool(wanted) == (name != "being sent")


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_each_page_uses_its_index(database: Database, *, is_analyzed: bool) -> None:
    """Before the database has statistics of the table as well as after."""
    filled(database)
    if is_analyzed and not database.is_sqlite:
        with database.write() as connection:
            connection.execute(text("ANALYZE"))
    wrong = {}
    for name, (run, chosen, window, wanted) in PAGES.items():
        with database.read() as connection:
            with query_plans.asked(database) as statements:
                read_page(connection, run, chosen, 50, None, window)
            of_jobs = [each for each in statements if "run_counters" not in each[0]]
            used = {index for each in of_jobs for index in query_plans.indexes(connection, each)}
        if used - KEYS != set(wanted.split()):
            wrong[name] = f"uses {sorted(used)}, not {wanted}: {of_jobs}"
    assert wrong == {}


def test_a_window_says_what_it_has_looked_at(database: Database) -> None:
    """It returns what it found; the next page begins after it, and the last one has no window any more."""
    filled(database)
    first = AT_WORK << 32
    with database.write() as connection:
        connection.execute(
            text("UPDATE jobs SET model = 'rare' WHERE id IN (:a, :b)"),
            {"a": first + 300, "b": first + 5_500},
        )
        pages = all_pages(connection, AT_WORK, of(models=("rare",)), 50, SMALL)

    assert [page.looked_at for page in pages] == [
        *(LookedAt(n * SMALL + 1, (n + 1) * SMALL) for n in range(5)),
        None,
    ]
    assert [[ordinal_of(job) for job in ids(page)] for page in pages] == [[300], [], [], [], [], [5_500]]


def test_a_page_that_is_full_goes_on_after_its_last_job(database: Database) -> None:
    """Not after the window."""
    filled(database)
    with database.read() as connection:
        page = read_page(connection, ENDED, of(S.SUCCEEDED), 50, None, SMALL)
        whole = read_page(connection, ENDED, of(S.CANCELLED), JOBS)

    assert page.next_after == ids(page)[-1]
    assert page.looked_at is None
    assert (whole.next_after, whole.looked_at) == (None, None)


def test_jobs_that_are_named_are_listed_by_their_state_too(database: Database) -> None:
    """An id in another state is left out, and so are ids before the cursor."""
    filled(database, 2_000)
    with database.read() as connection:
        failed = ids(read_page(connection, ENDED, of(S.FAILED), 3))
        held = ids(read_page(connection, ENDED, of(S.HELD), 1))
        named = of(S.FAILED, job_ids=(*failed, *held))

        assert ids(read_page(connection, ENDED, named, 10)) == failed
        assert ids(read_page(connection, ENDED, named, 10, failed[0])) == failed[1:]


def test_a_job_has_what_all_its_attempts_cost(database: Database) -> None:
    """And when its last attempt was sent, with its flaw."""
    filled(database, 2_000)
    with database.write() as connection:
        job = ids(read_page(connection, ENDED, of(S.SUCCEEDED), 1))[0]
        connection.execute(
            text(
                "INSERT INTO attempts (job_id, attempt, lane, worker, outcome, marked_at_ms, sent_at_ms,"
                " polls, ticks, possible_ticks, flaw)"
                " VALUES (:job, 2, 'deferred', 1, 'succeeded', 1, 77, 0, 5, 9, 'length')"
            ),
            {"job": job},
        )
        connection.execute(
            text("UPDATE attempts SET ticks = 3 WHERE job_id = :job AND attempt = 1"), {"job": job}
        )
        connection.execute(text("UPDATE jobs SET attempt = 2, answered_by = 2 WHERE id = :job"), {"job": job})
        (row,) = read_page(connection, ENDED, of(S.SUCCEEDED), 1).jobs

    assert (int(row.ticks), int(row.possible_ticks), row.sent_at_ms, row.flaw) == (8, 9, 77, "length")
    assert listed_jobs.WINDOW == 100_000  # as the help says


@pytest.mark.soak
def test_a_page_of_ten_times_the_jobs_costs_the_same(database: Database) -> None:
    """In steps of SQLite and blocks of PostgreSQL, not in time; but for the waiting ones."""
    small = _work_of_pages(database, 20_000)
    with database.write() as connection:
        for table in ("jobs", "attempts", "runs", "run_counters"):
            connection.execute(text(f"DELETE FROM {table}"))
    large = _work_of_pages(database, 200_000)

    most = {name: 1.25 * n + ONE_LEVEL_MORE for name, n in small.items()}
    assert {name: (small[name], large[name]) for name in small if large[name] > most[name]} == {}


def _work_of_pages(database: Database, jobs: int) -> dict[str, int]:
    """Return what the first page costs, of the selections of which there are jobs for a whole page."""
    filled(database, jobs)
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    found = {}
    for name, (run, chosen, window, _) in PAGES.items():
        if name in ("waiting", "failed, by model"):
            continue
        with database.read() as connection:
            with query_plans.asked(database) as statements:
                page = read_page(connection, run, chosen, 50, None, jobs if window == JOBS else window)
            if len(page.jobs) == 50:
                found[name] = sum(query_plans.work(connection, each) for each in statements)
    return found
