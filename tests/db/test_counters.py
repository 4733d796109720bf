"""The counters are changed by delta and always equal a recount of the tables."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
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
)
from sqlalchemy import text

from runner.db.counts import counters
from runner.db.counts.counters import SHARDS, Deltas
from runner.db.moves import job_moves, result_moves
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from runner.db.session import Database
    from runner.db.workers.leases import Lease

S = JobState
UNKNOWN: Final = replace(COST, ticks=None, ticks_source="unknown", model="grok-x", finish_reason="length")


class Walk:
    """One run moved at random; `leases` has the last lease of every job, stale or not."""

    def __init__(self, driver: RunDriver, seed: int) -> None:
        self.driver, self.random = driver, random.Random(seed)
        self.leases: dict[int, Lease] = {}
        self.extras: Counter[tuple[str, str]] = Counter()

    def step(self) -> None:
        """Make one move of one job."""
        move = self.random.choice([self._lease_and_send, self._end_post, self._claim, self._end_get])
        move()

    def _lease_and_send(self) -> None:
        found = self.driver.lease(self.random.randint(1, 3))
        self.driver.send(*found)
        self.leases |= {lease.job_id: lease for lease in found}

    def _claim(self) -> None:
        self.leases |= {job.lease.job_id: job.lease for job in self.driver.claim(2)}

    def _end_post(self) -> None:
        if lease := self._any_lease():
            chosen = self.random.randrange(6)
            if chosen < 3:
                self.driver.apply(job_moves.accepted, accepted(lease))
            elif chosen == 3:
                self.driver.apply(
                    self.random.choice([job_moves.not_sent, job_moves.refused_for_now]),
                    requeue_row(lease, S.PENDING),
                )
            elif chosen == 4:
                self.driver.apply(job_moves.refused, requeue_row(lease, S.FAILED))
            else:
                target = self.random.choice([S.PENDING, S.HELD])
                self._count_extra(
                    Event.AMBIGUOUS,
                    len(self.driver.apply(job_moves.ambiguous, requeue_row(lease, target, 9))),
                )

    def _end_get(self) -> None:
        if lease := self._any_lease():
            chosen = self.random.randrange(5)
            if chosen == 0:
                self.driver.apply(job_moves.not_ready, poll_again_row(lease))
            elif chosen == 1:
                target = self.random.choice([S.PENDING, S.HELD])
                self._count_extra(
                    Event.LOST, len(self.driver.apply(job_moves.lost, requeue_row(lease, target, 9)))
                )
            else:
                self._keep(lease)

    def _keep(self, lease: Lease) -> None:
        job, last = self.driver.row(lease.job_id), self.driver.history(lease.job_id)[-1]
        is_given_up = job.state in (S.PENDING, S.HELD) and last.outcome in (Event.LOST, Event.AMBIGUOUS)
        moved = self.driver.apply(result_moves.stored, received(lease.job_id, lease.attempt))
        if moved and is_given_up and last.attempt == lease.attempt:
            self._count_extra(Event(last.outcome), -1)
        event, target = self.random.choice(
            [
                (Event.SUCCEEDED, S.SUCCEEDED),
                (Event.UNUSABLE, S.PENDING),
                (Event.UNUSABLE, S.HELD),
            ]
        )
        cost = self.random.choice([COST, UNKNOWN])
        moved = self.driver.apply(
            result_moves.settled, settled(lease.job_id, lease.attempt, event, target, cost)
        )
        self.extras["extra", Event.UNUSABLE] += len(moved) if event is Event.UNUSABLE else 0

    def _count_extra(self, event: Event, moved: int) -> None:
        self.extras["extra", event] += moved
        self.extras["ticks", "possible_extra"] += 9 * moved
        self.extras["ticks", "probable_extra"] += 3 * moved
        self.extras["unread", "answers"] += moved

    def _any_lease(self) -> Lease | None:
        return self.random.choice(list(self.leases.values())) if self.leases else None


@pytest.mark.parametrize("seed", range(4))
def test_deltas_equal_a_recount(database: Database, seed: int) -> None:
    """After moves in any order, many of them stale: states, codes, extras, tokens and costs add up."""
    driver = new_run(database, 6)
    walk = Walk(driver, seed)
    for _ in range(120):
        walk.step()

    recounted = driver.recount()
    counted = driver.counts()

    uncounted = {("attempts", "polls"), ("attempts", "refused_for_now")}
    extras = {key: n for key, n in walk.extras.items() if n}
    assert {key: n for key, n in counted.items() if key not in uncounted} == recounted | extras
    (total,) = driver.rows("SELECT SUM(extras) AS n FROM jobs")
    assert total.n == sum(n for (kind, _), n in extras.items() if kind == "extra")
    assert sum(n for (kind, _), n in counted.items() if kind == "state") == 6
    with database.write() as connection:
        assert counters.recount(connection, driver.run_id) is False


def test_drifted_states_are_corrected(database: Database) -> None:
    """A recount finds a wrong counter and corrects it."""
    driver = new_run(database, 5)
    with database.write() as connection:
        connection.execute(text("UPDATE run_counters SET n = 4"))

        assert counters.recount(connection, driver.run_id) is True
        assert counters.recount(connection, driver.run_id) is False

    assert driver.counts() == {("state", "pending"): 5}


def test_drifted_uncertain_costs_are_corrected(database: Database) -> None:
    """The two numbers for what could not be read are those of the attempts."""
    driver = new_run(database, 2)
    lease = driver.bring(S.WAITING)
    driver.change(lease.job_id, "due_at_ms = 0")
    (claimed,) = driver.claim()
    driver.apply(job_moves.lost, requeue_row(claimed.lease, S.HELD, 90))
    driver.in_transaction(lambda _, deltas: deltas.add(driver.run_id, "ticks", "probable_extra", 7))

    with database.write() as connection:
        assert counters.recount(connection, driver.run_id) is True
        assert counters.recount(connection, driver.run_id) is False

    assert (driver.count("ticks", "probable_extra"), driver.count("ticks", "possible_extra")) == (30, 90)


def test_a_maximum_is_raised_and_never_added_up(database: Database) -> None:
    """The dearest answer of a model, over transactions and shards."""
    driver = new_run(database, 1)
    for shard, ticks in ((0, 5), (0, 9), (0, 7), (1, 8)):
        with database.write() as connection:
            deltas = Deltas(shard)
            deltas.raise_to(driver.run_id, "dearest", "grok-4.3", ticks)
            deltas.raise_to(driver.run_id, "dearest", "grok-4.3", ticks - 1)
            deltas.write(connection)

    assert driver.count("dearest", "grok-4.3") == 9


def test_shards_are_summed_and_runs_kept_apart(database: Database) -> None:
    """On PostgreSQL workers write to different shards; readers get the sum of one run."""
    hands = [new_run(database, 2, identity=word) for word in "ab"]
    for shard in range(2 * SHARDS):
        with database.write() as connection:
            deltas = Deltas(shard)
            deltas.add(hands[0].run_id, "attempts", "polls", shard)
            deltas.write(connection)
            deltas.write(connection)  # the first write cleared them

    assert hands[0].count("attempts", "polls") == sum(range(2 * SHARDS))
    assert hands[1].count("attempts", "polls") == 0
    rows = hands[0].rows("SELECT DISTINCT shard FROM run_counters WHERE kind = 'attempts'")
    assert {row.shard for row in rows} == ({0} if database.is_sqlite else set(range(SHARDS)))


def test_open_jobs_are_those_that_move_by_themselves(database: Database) -> None:
    """Held, failed, cancelled and succeeded jobs are not among them."""
    driver = new_run(database, len(JobState))
    for state in JobState:
        lease = driver.bring(state)
        if state is S.PENDING:
            driver.change(lease.job_id, f"due_at_ms = {NOW_MS * 2}")

    with database.read() as connection:
        assert counters.count_open_jobs(connection, driver.run_id) == 5
        found = counters.jobs_by_state(counters.read(connection, driver.run_id))
    assert found == dict.fromkeys(JobState, 1)
