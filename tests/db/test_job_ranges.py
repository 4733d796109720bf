"""Listings of jobs: each uses the index that has its order, on both databases, and is complete."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import listing_rows
import pytest
import query_plans
from sqlalchemy import text

from runner.db.jobs import chosen_jobs, examples, models_of_run
from runner.db.jobs.job_groups import counted_groups, sampled_groups
from runner.db.jobs.job_ranges import next_ids, ranges_of
from runner.db.jobs.job_selection import JobSelection
from runner.rules.states import JobState as S

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from runner.db.session import Database

JOBS = 20_000
ENDED, AT_WORK = 1, 2  # runs of listing_rows
KEYS = {"pk_jobs", "pk_attempts"}  # of jobs that another index found


def of(*states: S, **narrowed: Any) -> JobSelection:
    return JobSelection(states=frozenset(states), **narrowed)


def page(run_id: int, chosen: JobSelection) -> Callable[[Connection], object]:
    return lambda connection: next_ids(connection, run_id, chosen, 5)


def groups(run_id: int, chosen: JobSelection) -> Callable[[Connection], object]:
    return lambda connection: chosen_jobs.matching_groups(connection, run_id, chosen)


def ids(word: str) -> Callable[[Connection], object]:
    return lambda connection: list(islice(examples.ids(connection, ENDED, word), 5))


def picked(run_id: int, chosen: JobSelection) -> Callable[[Connection], object]:
    return lambda connection: chosen_jobs.pick(connection, run_id, chosen, 5, lock=False)


def sampled(chosen: JobSelection) -> Callable[[Connection], object]:
    return lambda connection: sampled_groups(
        connection, ENDED, ranges_of(connection, ENDED, chosen)[0], 100, JOBS * 6 // 10
    )


PAGES = {  # the listing, and the index that it is to use
    "failed": (page(ENDED, of(S.FAILED)), "ix_jobs_failed"),
    "failed, by code": (page(ENDED, of(S.FAILED, code="safety")), "ix_jobs_failed"),
    "failed, not a code": (page(ENDED, of(S.FAILED, not_code="safety")), "ix_jobs_failed"),
    "held": (page(ENDED, of(S.HELD)), "ix_jobs_held"),
    "lost": (page(ENDED, of(S.HELD, lost=True)), "ix_jobs_held"),
    "cancelled": (page(ENDED, of(S.CANCELLED)), "ix_jobs_cancelled"),
    "pending": (page(AT_WORK, of(S.PENDING)), "ix_jobs_pending"),
    "pending, of a model": (page(AT_WORK, of(S.PENDING, models=("grok-3",))), "ix_jobs_pending"),
    "waiting": (page(AT_WORK, of(S.WAITING)), "ix_jobs_waiting"),
    "being fetched": (page(AT_WORK, of(S.COLLECTING)), "ix_jobs_held_by_a_process"),
    "picked to be retried": (picked(ENDED, of(S.CANCELLED)), "ix_jobs_cancelled"),
    "ids of a code": (ids("safety"), "ix_jobs_failed"),
    "ids of a flaw": (ids("length"), "ix_jobs_failed ix_jobs_held ix_attempts_flaw"),
    "first of a flaw": (lambda c: examples.of_flaws(c, ENDED, ["empty"]), "ix_attempts_flaw"),
}
COUNTED = {
    "first of each held code": (lambda c: examples.of_held(c, ENDED, 10), "ix_jobs_held"),
    "held, by code": (groups(ENDED, of(S.HELD, code="expired")), "ix_jobs_held"),
    "pending, refused": (
        lambda c: models_of_run.refused(c, AT_WORK, of_pending=True),
        "ix_jobs_held ix_jobs_pending",
    ),
    "failed, sampled": (sampled(of(S.FAILED, code="safety")), "ix_jobs_failed"),
    "cancelled, sampled": (sampled(of(S.CANCELLED)), "ix_jobs_cancelled"),
    "failed": (groups(ENDED, of(S.FAILED)), "ix_jobs_failed"),
    "failed or held, by code": (
        groups(ENDED, of(S.FAILED, S.HELD, code="safety")),
        "ix_jobs_failed ix_jobs_held",
    ),
    "held": (groups(ENDED, of(S.HELD)), "ix_jobs_held"),
    "cancelled": (groups(ENDED, of(S.CANCELLED)), "ix_jobs_cancelled"),
}


def filled(database: Database, jobs: int = JOBS) -> None:
    with database.write() as connection:
        listing_rows.insert(connection, jobs)


def analyze(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("ANALYZE"))


def misses(database: Database, listings: dict[str, Any]) -> dict[str, str]:
    """Return the listings that use another index than they are to use, and what they ask."""
    found = {}
    for name, (listing, wanted) in listings.items():
        with database.read() as connection:
            with query_plans.asked(database) as statements:
                listing(connection)
            of_jobs = [each for each in statements if "run_counters" not in each[0]]
            used = {index for each in of_jobs for index in query_plans.indexes(connection, each)}
        if used - KEYS != set(wanted.split()):
            found[name] = f"uses {sorted(used)}, not {wanted}: {of_jobs}"
    return found


@pytest.mark.parametrize("listings", [PAGES, COUNTED], ids=["pages", "counted"])
def test_each_listing_uses_its_index(database: Database, listings: dict[str, Any]) -> None:
    """Before the database has statistics of the table as well as after."""
    filled(database)
    assert misses(database, listings) == {}
    if not database.is_sqlite:  # SQLite has none: nothing ever gathers them
        analyze(database)
        assert misses(database, listings) == {}


def test_pages_have_each_chosen_job_once_in_order(database: Database) -> None:
    """Of several states and codes, whose ranges are merged by id."""
    filled(database, 2_000)
    chosen = of(S.FAILED, S.HELD, S.CANCELLED, S.PENDING)
    query = "SELECT id FROM jobs WHERE run_id = :run AND state IN ('failed', 'held', 'cancelled') ORDER BY id"
    with database.read() as connection:
        wanted = connection.execute(text(query), {"run": ENDED}).scalars().all()
        found: list[int] = []
        while rows := next_ids(connection, ENDED, chosen, 7, found[-1] if found else None):
            found += rows

    assert len(wanted) > 40
    assert found == wanted


def test_a_failed_job_without_a_code_is_listed(database: Database) -> None:
    """It is in no range of a code; a filter for another code leaves it in."""
    filled(database, 2_000)
    with database.write() as connection:
        connection.execute(text("UPDATE jobs SET error_code = NULL WHERE state = 'failed' AND run_id = 4"))
        every = next_ids(connection, 4, of(S.FAILED), 100)

        assert len(every) == 2
        assert next_ids(connection, 4, of(S.FAILED, not_code="safety"), 100) == every
        assert next_ids(connection, 4, of(S.FAILED, code="safety"), 100) == []


def test_jobs_that_are_named_are_chosen_by_their_state_too(database: Database) -> None:
    """An id in another state, and one of another run's pages, stay out."""
    filled(database, 2_000)
    with database.read() as connection:
        failed = next_ids(connection, ENDED, of(S.FAILED), 3)
        held = next_ids(connection, ENDED, of(S.HELD), 1)
        named = of(S.FAILED, job_ids=(*failed, *held))

        assert [row.id for row in chosen_jobs.pick(connection, ENDED, named, 10, lock=False)] == failed
        assert next_ids(connection, ENDED, named, 10, failed[0]) == failed[1:]


def test_a_sample_has_the_exact_number_and_about_the_models(database: Database) -> None:
    """One job in 20 names grok-3: the estimate is off by less than half of these."""
    filled(database)
    with database.read() as connection:
        (pending,) = ranges_of(connection, AT_WORK, of(S.PENDING))
        counted = {group.model: group for group in counted_groups(connection, AT_WORK, [pending])}
        total = sum(group.n for group in counted.values())
        sample = sampled_groups(connection, AT_WORK, pending, total, 6_000)

    estimated = {group.model: group for group in sample}
    assert sum(group.n for group in sample) == total == 4_600
    assert abs(estimated["grok-3"].n - counted["grok-3"].n) < counted["grok-3"].n / 2
    assert estimated["grok-4.3"].prompt_tokens == pytest.approx(
        float(counted["grok-4.3"].prompt_tokens), rel=0.05
    )


def test_many_jobs_are_sampled_and_few_are_counted(database: Database) -> None:
    """The counter decides: its number is that of the groups, whatever the sample is."""
    filled(database)
    with database.write() as connection:
        query = "UPDATE run_counters SET n = 9000 WHERE run_id = :run AND kind = 'state' AND key = :state"
        connection.execute(text(query), {"run": AT_WORK, "state": "pending"})
        many = chosen_jobs.matching_groups(connection, AT_WORK, of(S.PENDING))
        narrowed = chosen_jobs.matching_groups(connection, AT_WORK, of(S.PENDING, models=("grok-3",)))

    assert sum(group.n for group in many) == 9_000
    assert sum(group.n for group in narrowed) == 230


@pytest.mark.soak
def test_a_first_page_of_ten_times_the_jobs_costs_the_same(database: Database) -> None:
    """Measured in steps of SQLite and blocks of PostgreSQL, not in time; an index may get one level more."""
    small = _work_of_pages(database, 20_000)
    with database.write() as connection:
        for table in ("jobs", "attempts", "runs", "run_counters"):
            connection.execute(text(f"DELETE FROM {table}"))
    large = _work_of_pages(database, 200_000)

    assert {name: (small[name], n) for name, n in large.items() if n > 1.25 * small[name] + 10} == {}


def _work_of_pages(database: Database, jobs: int) -> dict[str, int]:
    filled(database, jobs)
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    found = {}
    for name, (listing, _) in PAGES.items():
        with database.read() as connection:
            with query_plans.asked(database) as statements:
                listing(connection)
            found[name] = sum(query_plans.work(connection, each) for each in statements)
    return found
