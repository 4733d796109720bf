"""The accounting identity of the summary, over random histories that Hypothesis makes of the real moves.

Every figure is compared with a sum over the rows of jobs, attempts and results that this file computes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import to_builtins
from run_driver import (
    COST,
    NOW_MS,
    RunDriver,
    accepted,
    new_run,
    poll_again_row,
    received,
    requeue_row,
    settled,
    unread,
)

from runner.db.counts import result_costs
from runner.db.jobs.job_ids import job_id
from runner.db.jobs.job_selection import JobSelection
from runner.db.moves import job_moves, result_moves, user_moves
from runner.db.runs import removal, run_snapshot
from runner.db.runs.run_snapshot import Part
from runner.rules.money import usd
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from sqlalchemy import Row

    from runner.db.moves.outcomes import Cost, Settled
    from runner.db.session import Database
    from runner.db.workers.leases import Lease

S = JobState
JOBS: Final = 3
RESULT_NOT_READ: Final = ("ambiguous", "lost", "abandoned")
GIVEN_UP: Final = ("ambiguous", "lost", "unusable", "generation_failed", "invalid", "abandoned")
ENDED: Final = frozenset({S.FAILED, S.HELD, S.CANCELLED})
COSTS: Final = (
    COST,
    replace(COST, ticks=333, ticks_source="estimated", model="grok-4.5", finish_reason="length"),
    replace(
        COST, ticks=None, ticks_source="possible", uncertain=unread(50), prompt_tokens=None, total_tokens=None
    ),
    replace(COST, ticks=None, ticks_source="unknown", model="no-such-model"),
)
CLASSIFICATIONS: Final = (
    (Event.SUCCEEDED, S.SUCCEEDED),
    (Event.UNUSABLE, S.PENDING),
    (Event.UNUSABLE, S.FAILED),
    (Event.UNUSABLE, S.HELD),
    (Event.GENERATION_FAILED, S.PENDING),
    (Event.GENERATION_FAILED, S.FAILED),
    (Event.INVALID, S.PENDING),
    (Event.INVALID, S.FAILED),
)
ENDS_OF_POST: Final = (
    (job_moves.not_sent, S.PENDING),
    (job_moves.refused_for_now, S.PENDING),
    (job_moves.refused, S.FAILED),
    (job_moves.ambiguous, S.PENDING),
    (job_moves.ambiguous, S.HELD),
)
ENDS_OF_GET: Final = (
    (job_moves.lost, S.PENDING),
    (job_moves.lost, S.HELD),
    (job_moves.generation_failed, S.PENDING),
    (job_moves.generation_failed, S.FAILED),
)
STEPS = st.lists(
    st.tuples(st.integers(0, JOBS - 1), st.integers(0, 14), st.sampled_from(COSTS), st.sampled_from([0, 9])),
    min_size=40,
    max_size=80,
)


class History:
    """One run whose jobs are moved at random; it keeps all leases, stale ones too."""

    def __init__(self, driver: RunDriver) -> None:
        self.driver = driver
        self.leases: dict[tuple[int, int], Lease] = {}
        self.late = 0  # results that were settled after their attempt had been given up

    def step(self, place: int, number: int, cost: Cost, ticks: int) -> None:
        """Make one move of a job that is possible in its state, or deliver a late result."""
        row = self.driver.row(job_id(self.driver.run_id, place))
        lease = self.leases.get((row.id, row.attempt))
        if number == 0:
            self._late_result(row, cost)
        elif number >= 12:
            self._user(number, ticks)
        elif row.state == S.PENDING:
            found = self.driver.lease(JOBS)
            self.driver.send(*found)
            self._remember(found)
        elif row.state == S.WAITING:
            self._remember([job.lease for job in self.driver.claim(JOBS)])
        elif row.state == S.STORED:
            self._settle(row, CLASSIFICATIONS[number % len(CLASSIFICATIONS)], cost)
        elif lease is not None and row.state == S.SUBMITTING:
            self._reply(lease, number, ticks)
        elif lease is not None and row.state == S.COLLECTING:
            self._fetch(lease, number, ticks)

    def _user(self, number: int, ticks: int) -> None:
        """Make one of the moves that a user asks for: retry, cancel or abandon."""
        run = self.driver.run_id
        if number == 12:
            self.driver.in_transaction(
                lambda c, d: user_moves.retry(c, run, JobSelection(states=ENDED), NOW_MS, d)
            )
        elif number == 13:
            self.driver.in_transaction(lambda c, d: user_moves.cancel(c, run, NOW_MS, d))
        else:
            self.driver.in_transaction(
                lambda c, d: user_moves.abandon(c, run, NOW_MS, d, lambda _: unread(ticks))
            )

    def _reply(self, lease: Lease, number: int, ticks: int) -> None:
        if number > len(ENDS_OF_POST):
            self.driver.apply(job_moves.accepted, accepted(lease))
            return
        move, target = ENDS_OF_POST[number - 1]
        self.driver.apply(move, requeue_row(lease, target, ticks if move is job_moves.ambiguous else 0))

    def _fetch(self, lease: Lease, number: int, ticks: int) -> None:
        if number <= len(ENDS_OF_GET):
            move, target = ENDS_OF_GET[number - 1]
            self.driver.apply(move, requeue_row(lease, target, ticks))
        elif number == 5:
            self.driver.apply(job_moves.not_ready, poll_again_row(lease))
        else:
            self.driver.apply(result_moves.stored, received(lease.job_id, lease.attempt))

    def _late_result(self, row: Row[Any], cost: Cost) -> None:
        """Deliver the result of the job's first attempt that was given up without one."""
        given_up = [a for a in self._attempts(f"job_id = {row.id}") if a.outcome in RESULT_NOT_READ]
        for a in given_up[:1]:
            lease = self.leases[row.id, a.attempt]
            if a.request_id is None:
                self.driver.apply(job_moves.accepted, accepted(lease))
            if not self.driver.apply(result_moves.stored, received(row.id, a.attempt)):
                self._count_late_result(settled(row.id, a.attempt, *CLASSIFICATIONS[0], cost))

    def _count_late_result(self, row: Settled) -> None:
        self.driver.in_transaction(lambda c, d: result_costs.count_late_results(c, [row], d))

    def _settle(self, row: Row[Any], classification: tuple[Event, JobState], cost: Cost) -> None:
        (attempt,) = self._attempts(f"job_id = {row.id} AND attempt = {row.answered_by}")
        moved = self.driver.apply(
            result_moves.settled, settled(row.id, row.answered_by, *classification, cost)
        )
        self.late += bool(moved) and attempt.outcome in GIVEN_UP

    def _remember(self, found: list[Lease]) -> None:
        self.leases |= {(lease.job_id, lease.attempt): lease for lease in found}

    def _attempts(self, where: str) -> list[Row[Any]]:
        first = self.driver.run_id << 32
        return self.driver.rows(
            f"SELECT * FROM attempts WHERE {where} AND job_id >= :first ORDER BY job_id, attempt", first=first
        )

    def check(self) -> None:
        """Compare the summary with the rows."""
        with self.driver.database.read() as connection:
            seen = run_snapshot.read(connection, self.driver.run_id, Part.EXAMPLES)
        assert seen is not None
        summary = to_builtins(seen.summary())
        rows = self.driver.rows("SELECT * FROM jobs WHERE run_id = :run", run=seen.run.id)
        tries = self._attempts("1 = 1")
        _check_attempts(summary, {row.id: row for row in rows}, tries, self.late)
        _check_money(summary, tries)
        _check_results(self.driver, {row.id: row for row in rows}, tries)
        counted = {state: sum(row.state == state for row in rows) for state in S}
        assert summary["counts"]["total"] == len(rows)
        for end in ("succeeded", "failed", "held", "cancelled"):
            assert summary["counts"][end] == counted[S(end)]


def _check_attempts(summary: dict[str, Any], rows: dict[int, Any], tries: list[Row[Any]], late: int) -> None:
    accepted_ones = [a for a in tries if a.request_id is not None]
    ended = out = reasons = superseded = 0
    for a in tries:
        job = rows[a.job_id]
        is_end = job.state in (S.SUCCEEDED, S.FAILED) and a.attempt == (job.answered_by or job.attempt)
        is_stored = job.state == S.STORED and a.attempt == job.answered_by
        is_out = job.state in (S.WAITING, S.COLLECTING) and a.attempt == job.attempt
        if is_end:
            ended += a.request_id is not None
        elif is_out or (is_stored and a.outcome not in GIVEN_UP):
            out += 1
        elif a.outcome in GIVEN_UP:
            reasons += 1
        else:
            superseded += a.request_id is not None
    never_known = sum(a.request_id is None and a.outcome == "ambiguous" for a in tries)
    extras = summary["attempts"]["extra"]
    assert summary["attempts"]["accepted"] == len(accepted_ones)
    assert len(accepted_ones) + never_known == ended + out + reasons + superseded
    assert sum(extras.values()) + summary["attempts"]["abandoned"] == reasons + late
    if not late and not extras["user_retry"]:
        assert {k: n for k, n in extras.items() if n} == {
            "reask" if outcome == "invalid" else outcome: n
            for outcome in GIVEN_UP[:-1]
            if (
                n := sum(
                    a.outcome == outcome
                    and not (
                        rows[a.job_id].state in (S.SUCCEEDED, S.FAILED)
                        and a.attempt == (rows[a.job_id].answered_by or rows[a.job_id].attempt)
                    )
                    for a in tries
                )
            )
        }


def _check_money(summary: dict[str, Any], tries: list[Row[Any]]) -> None:
    cost = summary["cost"]
    by_source = {
        source: sum(a.ticks for a in tries if a.ticks_source == source)
        for source in ("reported", "estimated")
    }
    assert cost["reported_ticks"] == by_source["reported"]
    assert cost["estimated_ticks"] == by_source["estimated"]
    assert cost["usd"] == usd(sum(a.ticks or 0 for a in tries))
    assert sum(model["ticks"] for model in cost["by_model"].values()) == sum(by_source.values())
    assert cost["possible_extra_ticks"] == sum(a.possible_ticks or 0 for a in tries)
    assert cost["probable_extra_ticks"] == sum(a.probable_ticks or 0 for a in tries)
    assert cost["probable_extra_ticks"] <= cost["possible_extra_ticks"]
    assert bool(cost["unread"]["answers"]) >= bool(cost["possible_extra_ticks"])
    assert cost["unknown_jobs"] == sum(a.ticks_source == "unknown" for a in tries)
    for a in tries:
        if a.outcome in (*GIVEN_UP, "succeeded"):  # it may have been billed: counted once, in one way
            assert a.ticks is not None or a.possible_ticks is not None or a.ticks_source == "unknown"
        else:
            assert (a.ticks, a.possible_ticks or None, a.ticks_source) == (None, None, None)
    names = ("prompt", "cached", "completion", "reasoning", "total")
    assert summary["tokens"] == {
        name: sum(getattr(a, f"{name}_tokens") or 0 for a in tries) for name in names
    }


def _check_results(driver: RunDriver, rows: dict[int, Any], tries: list[Row[Any]]) -> None:
    stored = {(row.job_id, row.attempt) for row in driver.rows("SELECT job_id, attempt FROM results")}
    priced = {(a.job_id, a.attempt) for a in tries if a.ticks_source is not None}
    assert priced <= stored
    for of_job, attempt in stored - priced:  # it may still end its job, or another result did
        job = rows[of_job]
        assert job.state not in (S.SUCCEEDED, S.FAILED) or attempt > job.answered_by
    assert driver.count("attempts", "collected") == len(priced)


RECIPE = '{"schema": {"type": "object", "properties": {"mood": {"enum": ["good", "bad"]}}}}'


def _walk(database: Database, steps: list[tuple[Any, ...]]) -> None:
    history = History(new_run(database, JOBS, recipe=RECIPE))
    try:
        for step in steps:
            history.step(*step)
        history.check()
    finally:
        removal.remove(database, history.driver.run_id)


OFTEN = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SOMETIMES = settings(OFTEN, max_examples=8)


@pytest.mark.timeout(500)  # thousands of commits, each to the disk
@OFTEN
@given(STEPS)
def test_the_summary_adds_up_on_sqlite(sqlite_database: Database, steps: list[tuple[Any, ...]]) -> None:
    """Any moves in any order."""
    _walk(sqlite_database, steps)


@SOMETIMES
@given(STEPS)
def test_the_summary_adds_up_on_postgres(postgres_database: Database, steps: list[tuple[Any, ...]]) -> None:
    """The same on PostgreSQL, where the moves are other SQL."""
    _walk(postgres_database, steps)


@pytest.fixture
def sqlite_database(migrated_file: Any, tmp_path: Any) -> Any:
    """Open a migrated SQLite file."""
    import shutil

    from runner.db.session import Database

    opened = Database(f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'runner.db')}")
    yield opened
    opened.close()
