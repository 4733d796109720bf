"""The accounting identity of the summary, over histories that Hypothesis makes of the real moves.

Every figure is compared with a sum over the rows of jobs, attempts and results, made here and by other code.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from by_hand import COST, NOW_MS, Hand, accepted, back, new_run, not_yet, received, settled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.db import by_user, collected, jobs, removal, runs
from runner.db.by_user import Chosen
from runner.db.job_ids import job_id
from runner.output.write import run_summary
from runner.rules.money import usd
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from sqlalchemy import Row

    from runner.db.leases import Lease
    from runner.db.outcomes import Cost, Settled
    from runner.db.session import Database

S = JobState
JOBS: Final = 3
NOT_READ: Final = ("ambiguous", "lost", "abandoned")
GIVEN_UP: Final = ("ambiguous", "lost", "unusable", "generation_failed", "abandoned")
ENDED: Final = frozenset({S.FAILED, S.HELD, S.CANCELLED})
COSTS: Final = (
    COST,
    replace(COST, ticks=333, ticks_source="estimated", model="grok-4.5", finish_reason="length"),
    replace(
        COST, ticks=None, ticks_source="possible", possible_ticks=50, prompt_tokens=None, total_tokens=None
    ),
    replace(COST, ticks=None, ticks_source="unknown", model="no-such-model"),
)
VERDICTS: Final = (
    (Event.SUCCEEDED, S.SUCCEEDED),
    (Event.UNUSABLE, S.PENDING),
    (Event.UNUSABLE, S.FAILED),
    (Event.UNUSABLE, S.HELD),
    (Event.GENERATION_FAILED, S.PENDING),
    (Event.GENERATION_FAILED, S.FAILED),
)
ENDS_OF_POST: Final = (
    (jobs.not_sent, S.PENDING),
    (jobs.refused_for_now, S.PENDING),
    (jobs.refused, S.FAILED),
    (jobs.ambiguous, S.PENDING),
    (jobs.ambiguous, S.HELD),
)
ENDS_OF_GET: Final = (
    (jobs.lost, S.PENDING),
    (jobs.lost, S.HELD),
    (jobs.generation_failed, S.PENDING),
    (jobs.generation_failed, S.FAILED),
)
STEPS = st.lists(
    st.tuples(st.integers(0, JOBS - 1), st.integers(0, 14), st.sampled_from(COSTS), st.sampled_from([0, 9])),
    min_size=40,
    max_size=80,
)


class History:
    """One run whose jobs are moved as chance says; leases are remembered, stale ones too."""

    def __init__(self, hand: Hand) -> None:
        self.hand = hand
        self.leases: dict[tuple[int, int], Lease] = {}
        self.late = 0  # answers that were judged after their attempt had been given up

    def step(self, place: int, number: int, cost: Cost, ticks: int) -> None:
        """Do one thing to one job that can happen where it stands, or that comes late."""
        row = self.hand.row(job_id(self.hand.run_id, place))
        lease = self.leases.get((row.id, row.attempt))
        if number == 0:
            self._late(row, cost)
        elif number >= 12:
            self._user(number, ticks)
        elif row.state == S.PENDING:
            found = self.hand.lease(JOBS)
            self.hand.send(*found)
            self._remember(found)
        elif row.state == S.WAITING:
            self._remember([job.lease for job in self.hand.claim(JOBS)])
        elif row.state == S.STORED:
            self._settle(row, VERDICTS[number % len(VERDICTS)], cost)
        elif lease is not None and row.state == S.SUBMITTING:
            self._reply(lease, number, ticks)
        elif lease is not None and row.state == S.COLLECTING:
            self._fetch(lease, number, ticks)

    def _user(self, number: int, ticks: int) -> None:
        """The user asks for all that failed again, or for nothing more, or leaves what is out."""
        run = self.hand.run_id
        if number == 12:
            self.hand.within(lambda c, d: by_user.retry(c, run, Chosen(states=ENDED), NOW_MS, d))
        elif number == 13:
            self.hand.within(lambda c, d: by_user.cancel(c, run, NOW_MS, d))
        else:
            self.hand.within(lambda c, d: by_user.abandon(c, run, NOW_MS, d, lambda _: ticks))

    def _reply(self, lease: Lease, number: int, ticks: int) -> None:
        if number > len(ENDS_OF_POST):
            self.hand.do(jobs.accepted, accepted(lease))
            return
        move, target = ENDS_OF_POST[number - 1]
        self.hand.do(move, back(lease, target, ticks if move is jobs.ambiguous else 0))

    def _fetch(self, lease: Lease, number: int, ticks: int) -> None:
        if number <= len(ENDS_OF_GET):
            move, target = ENDS_OF_GET[number - 1]
            self.hand.do(move, back(lease, target, ticks))
        elif number == 5:
            self.hand.do(jobs.not_ready, not_yet(lease))
        else:
            self.hand.do(jobs.stored, received(lease.job_id, lease.attempt))

    def _late(self, row: Row[Any], cost: Cost) -> None:
        """The first attempt that was given up turns out to be accepted, and its answer comes."""
        given_up = [a for a in self._attempts(f"job_id = {row.id}") if a.outcome in NOT_READ]
        for a in given_up[:1]:
            lease = self.leases[row.id, a.attempt]
            if a.request_id is None:
                self.hand.do(jobs.accepted, accepted(lease))
            if not self.hand.do(jobs.stored, received(row.id, a.attempt)):
                self._too_late(settled(row.id, a.attempt, *VERDICTS[0], cost))

    def _too_late(self, row: Settled) -> None:
        self.hand.within(lambda c, d: collected.came_late(c, [row], d))

    def _settle(self, row: Row[Any], verdict: tuple[Event, JobState], cost: Cost) -> None:
        (tried,) = self._attempts(f"job_id = {row.id} AND attempt = {row.answered_by}")
        moved = self.hand.do(jobs.settled, settled(row.id, row.answered_by, *verdict, cost))
        self.late += bool(moved) and tried.outcome in GIVEN_UP

    def _remember(self, found: list[Lease]) -> None:
        self.leases |= {(lease.job_id, lease.attempt): lease for lease in found}

    def _attempts(self, where: str) -> list[Row[Any]]:
        first = self.hand.run_id << 32
        return self.hand.rows(
            f"SELECT * FROM attempts WHERE {where} AND job_id >= :first ORDER BY job_id, attempt", first=first
        )

    def check(self) -> None:
        """Hold the summary against the rows."""
        with self.hand.database.read() as connection:
            run = runs.find(connection, self.hand.run_id)
            assert run is not None
            told = run_summary(connection, run, self.hand.counts(), {})
        rows = self.hand.rows("SELECT * FROM jobs WHERE run_id = :run", run=run.id)
        tried = self._attempts("1 = 1")
        _check_attempts(told, {row.id: row for row in rows}, tried, self.late)
        _check_money(told, tried)
        _check_results(self.hand, {row.id: row for row in rows}, tried)
        counted = {state: sum(row.state == state for row in rows) for state in S}
        assert told["counts"]["total"] == len(rows)
        for end in ("succeeded", "failed", "held", "cancelled"):
            assert told["counts"][end] == counted[S(end)]


def _check_attempts(told: dict[str, Any], rows: dict[int, Any], tried: list[Row[Any]], late: int) -> None:
    accepted_ones = [a for a in tried if a.request_id is not None]
    ended = out = reasons = superseded = 0
    for a in tried:
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
    never_known = sum(a.request_id is None and a.outcome == "ambiguous" for a in tried)
    extras = told["attempts"]["extra"]
    assert told["attempts"]["accepted"] == len(accepted_ones)
    assert len(accepted_ones) + never_known == ended + out + reasons + superseded
    assert sum(extras.values()) + told["attempts"]["abandoned"] == reasons + late
    if not late and not extras["user_retry"]:
        assert {k: n for k, n in extras.items() if n} == {
            outcome: n
            for outcome in GIVEN_UP[:-1]
            if (
                n := sum(
                    a.outcome == outcome
                    and not (
                        rows[a.job_id].state in (S.SUCCEEDED, S.FAILED)
                        and a.attempt == (rows[a.job_id].answered_by or rows[a.job_id].attempt)
                    )
                    for a in tried
                )
            )
        }


def _check_money(told: dict[str, Any], tried: list[Row[Any]]) -> None:
    cost = told["cost"]
    by_source = {
        source: sum(a.ticks for a in tried if a.ticks_source == source)
        for source in ("reported", "estimated")
    }
    assert cost["reported_ticks"] == by_source["reported"]
    assert cost["estimated_ticks"] == by_source["estimated"]
    assert cost["usd"] == usd(sum(a.ticks or 0 for a in tried))
    assert sum(model["ticks"] for model in cost["by_model"].values()) == sum(by_source.values())
    assert cost["possible_extra_ticks"] == sum(a.possible_ticks or 0 for a in tried)
    assert cost["unknown_jobs"] == sum(a.ticks_source == "unknown" for a in tried)
    for a in tried:
        if a.outcome in (*GIVEN_UP, "succeeded"):  # it may have been billed: told once, one way or another
            assert a.ticks is not None or a.possible_ticks is not None or a.ticks_source == "unknown"
        else:
            assert (a.ticks, a.possible_ticks or None, a.ticks_source) == (None, None, None)
    names = ("prompt", "cached", "completion", "reasoning", "total")
    assert told["tokens"] == {name: sum(getattr(a, f"{name}_tokens") or 0 for a in tried) for name in names}


def _check_results(hand: Hand, rows: dict[int, Any], tried: list[Row[Any]]) -> None:
    kept = {(row.job_id, row.attempt) for row in hand.rows("SELECT job_id, attempt FROM results")}
    judged = {(a.job_id, a.attempt) for a in tried if a.ticks_source is not None}
    assert judged <= kept
    for of_job, attempt in kept - judged:  # it may still end its job, or stood aside when another did
        job = rows[of_job]
        assert job.state not in (S.SUCCEEDED, S.FAILED) or attempt > job.answered_by
    assert hand.count("attempts", "collected") == len(judged)


def _walk(database: Database, steps: list[tuple[Any, ...]]) -> None:
    history = History(new_run(database, JOBS))
    try:
        for step in steps:
            history.step(*step)
        history.check()
    finally:
        removal.remove(database, history.hand.run_id)


OFTEN = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SOMETIMES = settings(OFTEN, max_examples=15)


@OFTEN
@given(STEPS)
def test_the_summary_adds_up_on_sqlite(sqlite_database: Database, steps: list[tuple[Any, ...]]) -> None:
    """Whatever happened, in whatever order."""
    _walk(sqlite_database, steps)


@SOMETIMES
@given(STEPS)
def test_the_summary_adds_up_on_postgres(postgres_database: Database, steps: list[tuple[Any, ...]]) -> None:
    """The same moves are other SQL there."""
    _walk(postgres_database, steps)


@pytest.fixture
def sqlite_database(migrated_file: Any, tmp_path: Any) -> Any:
    """Open a migrated SQLite file."""
    import shutil

    from runner.db.session import Database

    opened = Database(f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'runner.db')}")
    yield opened
    opened.close()
